"""`Path`: one trace of a function as a program that runs on other tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch

from composit.backends import Backend, PreparedProgram
from composit.errors import GuardError
from composit.evaluation import bind, owned, prepare
from composit.guards import Guard, leaf_value, reads_of
from composit.operation import Array, TensorType
from composit.program import Program, Surroundings, run_in, surroundings_of, without_values
from composit.read_spans import NEVER, SeenRead
from composit.same_values import look_the_same
from composit.source import Source, describe_source
from composit.types import LazyTensor
from composit.value import Identity, Value, value_of
from flashlight.capture.recorder import Recorder
from flashlight.capture.traced_tensors import TracedTensor
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

    def check(self, value: Array) -> None:
        """Raise GuardError if the value differs from the one that was read."""
        if not look_the_same(self.kind, self.value, value):
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
    reads:   what Python read; the program computes them after the results
    writes:  the tensors that the function writes to
    output:  the template of what it returns; updates: what it puts into containers of its arguments, by position
    """

    program: Program
    run: PreparedProgram
    surroundings: Surroundings
    sources: tuple[Origin, ...]
    types: tuple[TensorType, ...]
    num_results: int
    reads: tuple[Read, ...]
    writes: tuple[Write, ...]
    output: object
    updates: tuple[tuple[int, Any], ...]

    def __call__(self, given: Structure) -> Any:
        """Return what the function would for these arguments, and change them as it would.

        Raises:  GuardError: it might take another path for them
        """
        arrays = [
            self._array(source, given.tensors, expected)
            for source, expected in zip(self.sources, self.types, strict=True)
        ]
        try:
            values = run_in(self.surroundings, self.run, arrays)
        except _ERRORS_OF_VALUES as error:
            raise GuardError(f"the program raised {type(error).__name__}: {error}") from error
        for read, value in zip(self.reads, values[self.num_results :], strict=True):
            read.check(value)
        results = [tensor_of(np.asarray(value, order="C")) for value in owned(values[: self.num_results])]
        for write in self.writes:
            write.put(given.tensors, results)
        return self.finish(given, results)

    def finish(self, given: Structure, results: Sequence[torch.Tensor]) -> Any:
        """Return the output, and fill the containers of the arguments, with these results."""
        filling = Filling(given, results)
        for position, parts in self.updates:
            filling.put(given.holders[position], parts)
        return filling.fill(self.output)

    def seen_reads(self) -> list[SeenRead]:
        """Return what Python read, for reports."""
        program = self.program
        places = program.outputs[self.num_results :]
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


@dataclass(slots=True)
class Recording:
    """What a trace of a function gave, before it is made a path.

    starts: the lazy tensors of the arguments at the start; outputs: the tensors that the function returns or stores
    """

    recorder: Recorder
    starts: list[LazyTensor]
    outputs: list[torch.Tensor]

    def guards(self) -> list[Guard]:
        """Return the reads of this trace, in their order."""
        record = self.recorder.trace
        found = {id(guard): guard for guard in record.reads}
        nodes = [start.node for start in [*self.starts, *(start for _, start in self._leaves())]]
        for node in nodes:
            # Reads by composit's own functions are noted with the inputs alone.
            found |= {id(guard): guard for guard in reads_of(node) if record.span.start <= guard.after < NEVER}
        return sorted(found.values(), key=lambda guard: guard.after)

    def _leaves(self) -> list[tuple[torch.Tensor, LazyTensor]]:
        found = ((traced.tensor(), traced) for traced in self.recorder.trace.leaves)
        return [(tensor, traced.__lazy_inputs__()[0]) for tensor, traced in found if tensor is not None]

    def path(self, arguments: Sequence[torch.Tensor], output: object, updates: Any, backend: Backend) -> Path:
        """Return the path."""
        written = self._written()
        results = [self.recorder.read(tensor) for tensor in [*self.outputs, *written]]
        guards = self.guards()
        values = [value_of(handle) for handle in results]
        cuts = list(dict.fromkeys(value_of(start) for start in self.starts))
        bound, _ = bind([*values, *(guard.read for guard in guards)], cuts)
        places = {id(tensor): position for position, tensor in enumerate(arguments)}
        targets = [places.get(id(tensor), tensor) for tensor in written]
        return Path(
            without_values(bound.program),
            prepare(bound.program, backend),
            surroundings_of(bound.program.labels),
            tuple(self._sources(bound.leaves)),
            tuple(leaf.node.types[leaf.index] for leaf in bound.leaves),
            len(values),
            tuple(Read(guard.kind, guard.source, np.asarray(guard.value)) for guard in guards),
            tuple(Write(target, len(self.outputs) + position) for position, target in enumerate(targets)),
            output,
            updates,
        )

    def _written(self) -> list[torch.Tensor]:
        traced: dict[int, TracedTensor] = {id(each): each for each in self.recorder.trace.written}
        found = [(each.tensor(), each) for each in traced.values() if each.is_written()]
        return [tensor for tensor, _ in found if tensor is not None]

    def _sources(self, leaves: Sequence[Value]) -> list[Origin]:
        known: dict[Identity, int | torch.Tensor] = {
            value_of(start).identity: tensor for tensor, start in self._leaves()
        }
        known |= {value_of(start).identity: position for position, start in enumerate(self.starts)}
        return [known[leaf.identity] if leaf.identity in known else leaf_value(leaf) for leaf in leaves]

    def why_not_again(self) -> list[str]:
        """Return what this trace did that a program cannot do again."""
        graded = [tensor for tensor, _ in self._leaves() if _has_new_gradient(tensor, self.recorder)]
        if not graded:
            return []
        return [
            f"it sets .grad of a tensor of shape {tuple(graded[0].shape)} (flashlight.training_step compiles a step of training)"
        ]


def _has_new_gradient(tensor: torch.Tensor, recorder: Recorder) -> bool:
    gradient = tensor.grad if tensor.is_leaf else None
    traced = getattr(gradient, "__lazy_tensor__", None)
    return isinstance(traced, TracedTensor) and traced.seen_in is recorder.trace


def _short(value: Any) -> str:
    return np.array2string(np.asarray(value), threshold=8, edgeitems=2)
