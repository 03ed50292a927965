"""`Path`: one trace of a function as a program that runs on other tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch

from composit.backends import PreparedProgram
from composit.errors import GuardError
from composit.evaluation import owned
from composit.operation import Array, TensorType
from composit.program import Program, Surroundings, run_in
from composit.read_spans import SeenRead
from composit.same_values import look_the_same
from composit.source import Source, describe_source
from flashlight.captured.structures import Structure
from flashlight.captured.templates import Filling
from flashlight.conversion import array_of, tensor_of

# Where an input of a program comes from: a position among the arguments, a tensor that is read in each call, an array.
Origin: TypeAlias = int | torch.Tensor | Array

# What numpy raises because of values. If a path cannot be run for some tensors, torch has to say what it does with them.
_ERRORS_OF_VALUES = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Read:
    """A value that Python read when the path was traced. It holds no node, which would keep the tensors of that call alive."""

    kind: str
    source: Source | None
    value: Array
    is_rounded: bool

    def check(self, value: Array) -> None:
        """Raise GuardError if the value differs from the one that was read."""
        if not look_the_same(self.kind, self.value, value, self.is_rounded):
            raise GuardError(
                f"{self.kind} read {_short(self.value)} before and would read {_short(value)} now, at\n  {describe_source(self.source)}"
            )


@dataclass(frozen=True, slots=True)
class Write:
    """A tensor from before the call that the call writes to. target: a position among the arguments, or a tensor"""

    target: int | torch.Tensor
    result: int

    def put(self, given: Sequence[torch.Tensor], results: Sequence[torch.Tensor]) -> None:
        """Write the new value, as the call of torch would."""
        target = given[self.target] if isinstance(self.target, int) else self.target
        with torch.inference_mode(target.is_inference()), torch.no_grad():
            target.copy_(results[self.result])


@dataclass(frozen=True, slots=True)
class Path:
    """A program that gives what a function gave, for other tensors.

    program: without values, for reports
    sources: of each input of the program; types: their types
    dtypes:  of the results; the program computes bfloat16 as float32
    reads:   what Python read; the program computes them after the results
    writes:  the tensors that the function writes to
    output:  the template of what it returns; updates: what it puts into containers of its arguments, by position
    number:  gives the number for one that depends on named sizes
    constants: tensors that the program has stored, which is given no values for them, and their versions
    """

    program: Program
    run: PreparedProgram
    surroundings: Surroundings
    sources: tuple[Origin, ...]
    types: tuple[TensorType, ...]
    dtypes: tuple[torch.dtype, ...]
    reads: tuple[Read, ...]
    writes: tuple[Write, ...]
    output: object
    updates: tuple[tuple[int, Any], ...]
    number: Callable[[Any], Any]
    constants: tuple[tuple[torch.Tensor, int], ...] = ()

    @property
    def can_follow_torch(self) -> bool:
        """Whether the program gives the same after torch has run: it changes nothing that it reads."""
        return not self.writes and not self.updates

    def __call__(self, given: Structure) -> object:
        """Return what the function would for these arguments, and change them as it would.

        Raises:  GuardError: it might take another path for them
        """
        written = self.written_constant()
        if written is not None:
            raise GuardError(f"a stored tensor of shape {tuple(written.shape)} was written to")
        arrays = [
            self._array(source, given.tensors, expected)
            for source, expected in zip(self.sources, self.types, strict=True)
        ]
        try:
            values = run_in(self.surroundings, self.run, arrays)
        except _ERRORS_OF_VALUES as error:
            raise GuardError(f"the program raised {type(error).__name__}: {error}") from error
        count = len(self.dtypes)
        for read, value in zip(self.reads, values[count:], strict=True):
            read.check(value)
        arrays = [np.asarray(value, order="C") for value in owned(values[:count])]
        results = [tensor_of(array).to(dtype) for array, dtype in zip(arrays, self.dtypes, strict=True)]
        for write in self.writes:
            write.put(given.tensors, results)
        return self.finish(given, results)

    def written_constant(self) -> torch.Tensor | None:
        """Return a tensor that the program has stored and that was written to since: the program never holds again."""
        return next((tensor for tensor, version in self.constants if tensor._version != version), None)

    def finish(self, given: Structure, results: Sequence[torch.Tensor]) -> object:
        """Return the output, and fill the containers of the arguments, with these results."""
        filling = Filling(given, results, self.number)
        for position, parts in self.updates:
            filling.put(given.holders[position], parts)
        return filling.fill(self.output)

    def seen_reads(self) -> list[SeenRead]:
        """Return what Python read, for reports."""
        program = self.program
        places = program.outputs[len(self.dtypes) :]
        return [
            SeenRead(
                read.kind, read.source, program.instructions[at].types[index], program.labels[at].scope, read.value, 0
            )
            for read, (at, index) in zip(self.reads, places, strict=True)
        ]

    def _array(self, source: Origin, given: Sequence[torch.Tensor], expected: TensorType) -> Array:
        if isinstance(source, int):
            source = given[source]
        array = array_of(source, "capture") if isinstance(source, torch.Tensor) else source
        if (array.shape, array.dtype) != (expected.shape, expected.dtype):
            raise GuardError(
                f"a tensor that the function uses was {expected} and is {array.dtype}{list(array.shape)} now"
            )
        return array


def _short(value: Any) -> str:
    return np.array2string(np.asarray(value), threshold=8, edgeitems=2)
