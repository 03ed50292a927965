"""The backend "mosaic" of `evaluate`: every array is an input of the run, so that new data never compile again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.operation import Array, Dtype
from composit.program import Program
from mosaic.executable import Executable, with_scalars
from mosaic.passes.fold_constants import fold_constants
from mosaic.passes.pipeline import Options, Request
from mosaic.runtime.threads import num_available_cores
from mosaic.targets import detect
from mosaic.without_compiler import InterpretedExecutable, build


class MosaicBackend:
    """Compiles programs to C for this machine."""

    name = "mosaic"

    def __init__(self, **settings: Any) -> None:  # Any: the fields of Options
        self._settings: Mapping[str, Any] = settings

    def prepare(self, program: Program) -> PreparedRun:
        """Return a callable that runs the program; it takes the values of `program.inputs` in order."""
        options = Options(detect(), **{"keep_packed": True, **self._settings})
        request = Request(program, fold_constants(program, {}), options, program.inputs)
        executable = build(request, num_available_cores(), _say_nothing)
        types = [program.instructions[position].types[0] for position in program.inputs]
        # A rate or a step count comes as a Python number.
        weak = {index: value_type.dtype for index, value_type in enumerate(types) if value_type.weak is not None}
        return PreparedRun(executable, weak)


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A program in machine code, as a function of the values of its inputs.

    weak: the inputs that are Python numbers, and the dtypes in which C takes them
    """

    executable: Executable | InterpretedExecutable
    weak: Mapping[int, Dtype]

    def __call__(self, arrays: Sequence[Array]) -> Sequence[Array]:
        given = list(arrays)
        for index, dtype in self.weak.items():
            given[index] = np.asarray(given[index], dtype)
        return with_scalars(self.executable.run(given), self.executable.output_types)

    @property
    def source(self) -> str:
        """The C that was compiled."""
        return self.executable.compiled.source


def _say_nothing(stage: str, fraction: float) -> None:
    """No progress is shown."""
