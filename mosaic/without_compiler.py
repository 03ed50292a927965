"""Runs whole programs by numpy, after one warning, if no C compiler is found or compiled code cannot be stored."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from composit.errors import CodeStorageError, CompilerNotFoundError
from composit.interpreter import NumpyBackend
from composit.operation import Array, TensorType
from composit.program import Program
from mosaic.compiled import CompiledProgram
from mosaic.executable import Executable, build_executable, program_signature
from mosaic.passes.pipeline import Report, Request, compile_program
from mosaic.runtime.arguments import adapt_inputs, check_outputs


@dataclass(frozen=True, slots=True, eq=False)
class InterpretedExecutable:
    """A program that numpy runs, with the interface of a compiled one; it has no times per kernel."""

    program: Program
    compiled: CompiledProgram
    values: Mapping[int, Array]
    num_threads: int = 1

    @property
    def constants(self) -> Array:
        """No block of constants: constants stay separate arrays."""
        return np.empty(0, np.uint8)

    @property
    def output_types(self) -> tuple[TensorType, ...]:
        """The types of what a run returns."""
        return tuple(self.program.instructions[source].types[index] for source, index in self.program.outputs)

    @property
    def run_single(self) -> None:
        """No builtin function: there is no machine code."""
        return

    def run(self, arrays: Sequence[Any], out: Sequence[Array] | None = None) -> list[Array]:
        """Return fresh outputs for the arrays of all inputs, or fill `out`."""
        signature = program_signature(self.program, self.compiled.input_positions)
        if out is not None:
            check_outputs(signature.outputs, out)
        adapted = adapt_inputs(signature, arrays)
        given = {**self.values, **dict(zip(self.compiled.input_positions, adapted, strict=True))}
        results = NumpyBackend().prepare(self.program)([given[position] for position in self.program.inputs])
        if out is None:
            return [np.array(result) for result in results]
        for place, result in zip(out, results, strict=True):
            np.copyto(place, result)
        return list(out)

    def profile(self, arrays: Sequence[Any], num_kernels: int) -> list[int]:
        """Raise: there are no kernels to time."""
        raise CompilerNotFoundError(
            "profile: this model runs through numpy because nothing could be compiled here, so it has no kernels to time; "
            "see what is missing by `python -m composit doctor`, and compile again"
        )


@lru_cache(maxsize=16)
def _warn_once(reason: str) -> None:
    # Python's own rule of once per place is forgotten whenever anybody changes a filter of warnings.
    warnings.warn(f"mosaic runs programs through numpy, because {reason}", stacklevel=1)


def build(request: Request, num_threads: int, report: Report) -> Executable | InterpretedExecutable:
    """Return the program compiled and loaded; where that is impossible, the program as numpy runs it."""
    try:
        return build_executable(request, num_threads, report)
    except CompilerNotFoundError as error:
        _warn_once(f"there is no C compiler: {error}")
    except CodeStorageError as error:
        _warn_once(f"there is no place for compiled code: {error}")
    return InterpretedExecutable(request.program, compile_program(request, report), request.known)
