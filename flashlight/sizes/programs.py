"""`SizedProgram`: the graphs of one trace by sizes, built when `evaluate(..., inputs=...)` gives arrays of these sizes."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from composit.errors import OperandError, ShapeError
from composit.guards import Guard
from composit.handle import TensorHandle, described
from composit.locks import fork_safe_lock
from composit.node import Node
from composit.operation import Operation, Shape
from composit.types import LazyTensor
from composit.value import Value, identity_of
from flashlight.sizes.replay import Replay
from flashlight.sizes.symbols import worded
from flashlight.sizes.tape import DynamicInput, Tape

MAX_GRAPHS = 16  # of one trace, by sizes
# A tensor on the tape: its number, and its node while somebody may ask for it.
Final = tuple[int, int, "weakref.ref[Node]"]


@dataclass(frozen=True, slots=True)
class Resized:
    """The graph at some sizes: the tensors of the tape, and the inputs, by number, and the reads."""

    values: Mapping[int, LazyTensor]
    inputs: Mapping[int, LazyTensor]
    guards: tuple[Guard, ...]


class SizedProgram:
    """A tape and its graphs. finals: of each tensor alive at the end of the trace, number, result index and node."""

    def __init__(self, tape: Tape, finals: Sequence[Final]) -> None:
        self._tape = tape
        self._numbers = sorted({index for index, _, _ in finals})
        alive = [(index, result, reference, reference()) for index, result, reference in finals]
        self._finals = {
            identity_of(node, result): (index, reference)
            for index, result, reference, node in alive
            if node is not None
        }
        self._graphs: OrderedDict[tuple[int, ...], Resized] = OrderedDict()
        self._lock = fork_safe_lock()

    @property
    def num_graphs(self) -> int:
        """How many graphs of other sizes are kept."""
        return len(self._graphs)

    def resized(
        self, outputs: Sequence[Value], given: Sequence[TensorHandle], shapes: Sequence[Shape]
    ) -> tuple[list[Value], list[TensorHandle]]:
        """Return outputs and given tensors of the graph in which the given tensors have these shapes.

        Raises:  ShapeError: shapes that the names do not allow; GuardError: the trace does not hold for these sizes; OperandError: an
                 output is no tensor of the trace
        """
        positions = [self._index_of(output) for output in outputs]
        for output, position in zip(outputs, positions, strict=True):
            if position is None:
                raise _beyond(output)
        graph = self.graph_at(self._sizes_from(given, shapes))
        numbers = [self._input_of(tensor.node.operation) for tensor in given]
        tensors = [
            tensor if number is None else graph.inputs[number.index]
            for tensor, number in zip(given, numbers, strict=True)
        ]
        handles = [graph.values[position] for position in positions if position is not None]
        return [Value(handle.node, handle.output_index) for handle in handles], tensors

    def graph_at(self, sizes: Mapping[str, int]) -> Resized:
        """Return the graph at these sizes, from the cache if it was built before."""
        key = tuple(sizes[name] for name in self._tape.sizes.values)
        with self._lock:
            known = self._graphs.get(key)
            if known is not None:
                self._graphs.move_to_end(key)
                return known
            self._tape.check(sizes)
            replay = Replay(self._tape, sizes)
            values = replay.run(self._numbers)
            made = self._graphs[key] = Resized(values, dict(replay.inputs), tuple(replay.guards))
            while len(self._graphs) > MAX_GRAPHS:
                self._graphs.popitem(last=False)
            return made

    def number_at(self, sizes: Mapping[str, int]) -> Callable[[Any], Any]:
        """Return a function that gives the number for one that depends on sizes, at these sizes."""
        return lambda number: self._tape.sizes.value_of(number, sizes)

    def _index_of(self, output: Value) -> int | None:
        # The node is compared too: another one may have got the identity of one that is gone.
        index, reference = self._finals.get(output.identity, (None, None))
        return index if reference is not None and reference() is output.node else None

    def _input_of(self, operation: Operation) -> DynamicInput | None:
        for each in self._tape.inputs:
            if each.operation() is operation:
                return each
        return None

    def _sizes_from(self, given: Sequence[TensorHandle], shapes: Sequence[Shape]) -> dict[str, int]:
        found: dict[str, tuple[int, str]] = {}
        named = {}
        for tensor, shape in zip(given, shapes, strict=True):
            dynamic = self._input_of(tensor.node.operation)
            if dynamic is not None:
                named[dynamic.index] = shape
                self._match(dynamic, tensor, shape, found)
        sizes = {name: found[name][0] if name in found else size for name, size in self._tape.sizes.values.items()}
        for dynamic in self._tape.inputs:
            if dynamic.index not in named:
                self._check_not_given(dynamic, dynamic.shape_at(sizes), sizes)
        return sizes

    def _match(
        self, dynamic: DynamicInput, tensor: TensorHandle, shape: Shape, found: dict[str, tuple[int, str]]
    ) -> None:
        names = dynamic.shape
        if len(shape) != len(names) or any(
            isinstance(name, int) and name != length for name, length in zip(names, shape, strict=False)
        ):
            expected = ", ".join(map(str, names))
            raise ShapeError(
                f"inputs: {described(tensor)} was given an array of shape {shape}; expected ({expected}): only named sizes may differ from "
                "those of the trace; name the others in trace(dynamic=...) too"
            )
        for name, length in zip(names, shape, strict=True):
            if isinstance(name, str) and found.setdefault(name, (length, described(tensor)))[0] != length:
                other, where = found[name]
                raise ShapeError(
                    f"inputs: the size {name!r} is {other} in {where} and {length} in {described(tensor)}; expected one length for one "
                    "name; give arrays that agree, or other names in trace(dynamic=...)"
                )

    def _check_not_given(self, dynamic: DynamicInput, shape: Shape, sizes: Mapping[str, int]) -> None:
        operation = dynamic.operation()
        if operation is not None and operation.type.shape != shape:
            raise ShapeError(
                f"inputs: arrays at {worded(sizes)} were given, but none for {dynamic.label or 'a tensor'} of shape "
                f"{operation.type.shape}, which would have shape {shape}; expected arrays for all "
                "tensors with named sizes that change; give it too"
            )


def _beyond(output: Value) -> OperandError:
    return OperandError(
        f"inputs: arrays of other sizes than at the trace were given for {output.node!r:.80}, which composit's functions made of the "
        "trace's results, or which the trace has overwritten; expected results of the trace, since only these are built again for "
        "other sizes; compute it inside the trace, with torch"
    )


def attach_program(tape: Tape, finals: Sequence[Final]) -> SizedProgram:
    """Let the inputs of a trace know its program, so that arrays of other sizes may be given for them."""
    program = SizedProgram(tape, finals)
    for each in tape.inputs:
        operation = each.operation()
        if operation is not None:
            operation.sized_program = program
    return program
