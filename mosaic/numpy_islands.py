"""Runs an operation that has no C (an island) through numpy, between regions of machine code.

numpy sees the memory of buffers as read-only views, with one exception: an operation that returns its first operand
changed, such as setitem, changes the buffer itself when no later step reads the old value. n writes to an array then
cost n writes, not n copies.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from composit.errors import GuardError
from composit.operation import Array, Dtype, Operation
from composit.program import Program, Reference, labels_of
from composit.source import describe_source, noting
from mosaic.compiled import CompiledProgram
from mosaic.ir.complex_parts import as_stored, as_typed
from mosaic.ir.expressions import Uniform
from mosaic.ir.islands import Island
from mosaic.ir.views import Buffer, BufferKind, View

Values = dict[Buffer, Array]


@dataclass(frozen=True, slots=True, eq=False)
class IslandRunner:
    """Runs islands on the values of buffers; constants lie in one block, or are `kept` as arrays outside it."""

    program: Program
    compiled: CompiledProgram
    constants: Array
    kept: Values
    _read: set[Reference] = field(default_factory=set, init=False)  # filled when first asked for

    def run(self, island: Island, values: Values, ending: Collection[Buffer]) -> None:
        """Compute the results of an island into `values`; no later step reads the buffers in `ending`."""
        instruction = self.program.instructions[island.origins[0]]
        operation, operands = instruction.operation, self._operands(island, values)
        target = self._target(island, operation, values, ending)
        if target is not None:
            # A value that overlaps the target, as in a[1:] = a[:-1], is copied before the write.
            others = [_apart(each, target) for each in operands[1:]]
            del operands
            self._call(operation.update_in_place, operation, [target, *others], island.origins[0])
            values[island.results[0].buffer] = as_stored(target)
            return
        function = (
            operation.evaluator() if operation.num_results == 1 else operation.evaluator_of(self._is_read(island))
        )
        results = self._call(function, operation, operands, island.origins[0])
        self._keep(island, results if operation.num_results != 1 else (results,), values)

    def output(self, value: View | Uniform, dtype: Dtype, values: Values) -> Array:
        """Return a copy of a value in elements of `dtype`."""
        return np.array(as_typed(self.seen(value, values), dtype))

    def seen(self, view: View | Uniform, values: Values) -> Any:
        """Return a view as a read-only array."""
        if isinstance(view, Uniform):
            return np.broadcast_to(np.frombuffer(view.literal.bits, view.literal.dtype)[0], view.shape)
        if view.size == 0:
            return np.empty(view.shape, view.dtype)
        flat = self._elements(view.buffer, values)
        if view.dtype.char == np.dtypes.StringDType().char:
            # as_strided makes its dtype again from a name, which this one has not.
            return flat[_strided(np.arange(flat.size), view)]
        return _strided(flat, view)

    def _is_read(self, island: Island) -> tuple[bool, ...]:
        """Return which results some instruction or the caller reads."""
        position = island.origins[0]
        if not self._read:
            self._read.update(self.program.outputs)
            self._read.update(operand for each in self.program.instructions for operand in each.operands)
        return tuple((position, index) in self._read for index in range(len(island.results)))

    def _operands(self, island: Island, values: Values) -> list[Any]:
        references = self.program.instructions[island.origins[0]].operands
        # A function that writes to an operand wants one array for an operand that is given twice.
        seen = {
            reference: self._operand(reference, value, values)
            for reference, value in zip(references, island.operands, strict=True)
        }
        return [seen[reference] for reference in references]

    def _operand(self, reference: Reference, value: View | Uniform, values: Values) -> Any:
        source, output = reference
        value_type = self.program.instructions[source].types[output]
        seen = as_typed(self.seen(value, values), value_type.dtype)
        if value_type.weak is not None:
            return seen.item()  # Python's own scalar, so that numpy promotes it as such
        return seen[()] if value_type.is_scalar else seen

    def _target(self, island: Island, operation: Operation, values: Values, ending: Collection[Buffer]) -> Array | None:
        """Return the array of the first operand, if the operation may change it in place."""
        view = island.operands[0] if operation.updates_operand else None
        if not isinstance(view, View) or view.buffer not in ending or not view.covers_buffer or not view.size:
            return None
        # Inputs and constants belong to the caller: only arrays of this run may change.
        array = values[view.buffer] if view.buffer.kind is BufferKind.TEMPORARY else None
        if array is None or not array.flags.writeable:
            return None
        ((source, output), *_) = self.program.instructions[island.origins[0]].operands
        return as_typed(array.reshape(view.shape), self.program.instructions[source].types[output].dtype)

    def _call(self, function: Any, operation: Operation, operands: Sequence[Any], origin: int) -> Any:
        """Return numpy's results; an exception of numpy gets a note with the user's line."""
        where = f"while evaluating {operation.name}, built at:\n  "
        with noting(lambda: where + describe_source(labels_of(self.program)[origin].source)):
            return function(*operands)

    def _keep(self, island: Island, results: Sequence[Any], values: Values) -> None:
        """Put results into `values`, each in memory of its own: later writes change it, or it leaves the program."""
        kept: list[tuple[View, Array]] = []
        types = self.program.instructions[island.origins[0]].types
        for view, result, expected in zip(island.results, results, types, strict=True):
            if result is None:
                continue  # nothing reads it
            array = np.asarray(result)
            if array.shape != expected.shape:
                raise self._wrong_shape(island, array.shape, expected.shape)
            own = np.require(array, expected.dtype, ["C", "O", "W"])
            kept.append((view, own.copy() if any(own is other for _, other in kept) else own))
        for view, array in kept:
            values[view.buffer] = as_stored(array)

    def _elements(self, buffer: Buffer, values: Values) -> Array:
        """Return the memory of a buffer as an array of one axis."""
        place = self.compiled.constants.get(buffer)
        if place is None:
            return as_stored(values[buffer])
        if place.start is None:
            return self.kept[buffer]
        return self.constants[place.start :][: buffer.num_bytes].view(buffer.dtype)

    def _wrong_shape(self, island: Island, given: tuple[int, ...], expected: tuple[int, ...]) -> GuardError:
        origin = island.origins[0]
        name = self.program.instructions[origin].operation.name
        return GuardError(
            f"{name}: its result has shape {given} for these inputs, and had {expected} when the graph was built; "
            f"build the graph again; built at\n{describe_source(labels_of(self.program)[origin].source)}"
        )


def _apart(operand: Any, target: Array) -> Any:
    """Return the operand, copied if it shares memory with the target of the write."""
    shares = isinstance(operand, np.ndarray) and np.may_share_memory(operand, target)
    return operand.copy() if shares else operand


def _strided(flat: Array, view: View) -> Array:
    strides = tuple(stride * flat.itemsize for stride in view.strides)
    return np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, strides, writeable=False)
