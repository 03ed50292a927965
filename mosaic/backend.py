"""The backend "mosaic" of `evaluate`: every array is an input of the run, so that new data never compile again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from composit.operation import Array, Input
from composit.program import Program
from mosaic.executable import build_executable, checked_input
from mosaic.passes.pipeline import Options, compile_program
from mosaic.runtime.threads import num_available_cores
from mosaic.targets import detect


class MosaicBackend:
    """Compiles programs to C for this machine."""

    name = "mosaic"

    def __init__(self, **settings: Any) -> None:  # Any: the fields of Options
        self._settings: Mapping[str, Any] = settings

    def prepare(self, program: Program) -> Callable[[Sequence[Array]], Sequence[Array]]:
        """Return a callable that runs the program; it takes the values of `program.inputs` in order."""
        options = Options(detect(), **{"keep_packed": True, **self._settings})
        compiled = compile_program(program, {}, options, program.inputs, _say_nothing)
        executable = build_executable(program, compiled, options, num_available_cores(), _say_nothing)
        types = [program.instructions[position].types[0] for position in program.inputs]
        assert all(isinstance(program.instructions[position].operation, Input) for position in program.inputs)

        def run(arrays: Sequence[Array]) -> Sequence[Array]:
            adapted = [checked_input(array, value_type) for array, value_type in zip(arrays, types, strict=True)]
            results = executable.run(adapted)
            return [
                result[()] if value_type.is_scalar else result
                for result, value_type in zip(results, executable.output_types, strict=True)
            ]

        return run


def _say_nothing(stage: str, fraction: float) -> None:
    """No progress is shown."""
