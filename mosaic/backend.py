"""The backend "mosaic" of `evaluate`: every array is an input of the run, so that new data never compile again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from composit.operation import Array
from composit.program import Program
from mosaic.executable import with_scalars
from mosaic.passes.fold_constants import fold_constants
from mosaic.passes.pipeline import Options, Request
from mosaic.runtime.threads import num_available_cores
from mosaic.targets import detect
from mosaic.without_compiler import build


class MosaicBackend:
    """Compiles programs to C for this machine."""

    name = "mosaic"

    def __init__(self, **settings: Any) -> None:  # Any: the fields of Options
        self._settings: Mapping[str, Any] = settings

    def prepare(self, program: Program) -> Callable[[Sequence[Array]], Sequence[Array]]:
        """Return a callable that runs the program; it takes the values of `program.inputs` in order."""
        options = Options(detect(), **{"keep_packed": True, **self._settings})
        request = Request(program, fold_constants(program, {}), options, program.inputs)
        executable = build(request, num_available_cores(), _say_nothing)
        types = [program.instructions[position].types[0] for position in program.inputs]
        weak = [index for index, value_type in enumerate(types) if value_type.weak is not None]

        def run(arrays: Sequence[Array]) -> Sequence[Array]:
            given = list(arrays)
            for index in weak:  # a rate or a step count comes as a Python number
                given[index] = np.asarray(given[index], types[index].dtype)
            return with_scalars(executable.run(given), executable.output_types)

        return run


def _say_nothing(stage: str, fraction: float) -> None:
    """No progress is shown."""
