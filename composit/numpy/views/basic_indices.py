"""Operations that choose elements by integers, slices and names of fields: BasicIndex, its adjoint, Field.

`x[...]` is translated into these in indexing/subscripts.py; indices by arrays are in indexing/advanced_indices.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from composit.errors import OutOfBoundsError
from composit.operation import (
    MAX_NUM_AXES,
    Array,
    Operation,
    OperationKind,
    Results,
    Shape,
    TensorType,
    VjpContext,
    tensor_type,
)

# Start, stop and step of a slice are in the form of `range`: a stop of -1 means "down to the first element".
BasicEntry: TypeAlias = int | slice | None


@dataclass(frozen=True, slots=True)
class BasicIndex(Operation):
    """The elements at integers and slices. None inserts an axis.

    index:       one entry per axis; integers are not negative, slices are in the form of `range`
    Derivative:  g at these places, zeros elsewhere
    Reference:   https://numpy.org/doc/stable/user/basics.indexing.html#basic-indexing
    """

    index: tuple[BasicEntry, ...]
    is_view = True
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "getitem"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        shape = tuple(
            [
                1 if entry is None else len(range(entry.start, entry.stop, entry.step))
                for entry in self.index
                if not isinstance(entry, int)
            ]
        )
        if len(shape) > MAX_NUM_AXES:
            raise OutOfBoundsError(
                f"number of dimensions must be within [0, {MAX_NUM_AXES}], indexing result would have {len(shape)}: each"
                " None in an index makes an axis; leave some out"
            )
        # numpy returns a scalar if an integer chooses along every axis, else an array.
        return (tensor_type(shape, operand_types[0].dtype, not shape),)

    def evaluate(self, *operands: Array) -> Results:
        array = operands[0]
        return (array if array.__class__ is np.ndarray else np.asarray(array))[_as_python(self.index)]

    def view_of(self, array: Array) -> Array:
        # The Ellipsis makes the result a 0-d view, where integers alone would give a scalar.
        return array[(*_as_python(self.index), Ellipsis)]

    def then(self, following: Operation) -> Operation | None:
        # x[a][b] -> x[c]
        if not isinstance(following, BasicIndex):
            return None
        index = _joined(self.index, following.index)
        return None if index is None else BasicIndex(index)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp = context.xp
        return [xp.apply(BasicIndexAdjoint(self.index, xp.shape(context.operands[0])), context.cotangents[0])]


def _as_python(index: tuple[BasicEntry, ...]) -> tuple[BasicEntry, ...]:
    for entry in index:
        if entry.__class__ is slice and entry.stop < 0:
            break
    else:
        return index
    return tuple(
        slice(entry.start, None, entry.step) if entry.__class__ is slice and entry.stop < 0 else entry
        for entry in index
    )


def slice_key(entry: slice) -> tuple[int | None, int | None, int | None] | None:
    """Return start, stop and step of a slice of integers; None for a slice of anything else, as of tensors."""
    start, stop, step = entry.start, entry.stop, entry.step
    # Written out, since a set of classes takes three times as long.
    if (
        (start is None or start.__class__ is int)
        and (stop is None or stop.__class__ is int)
        and (step is None or step.__class__ is int)
    ):
        return start, stop, step
    return None


def plain_places(index: Any, shape: Shape) -> tuple[tuple[BasicEntry, ...], Shape] | None:
    """Return a plain index in the form of `BasicIndex`, and the shape that it chooses; None for other indices.

    Plain are integers within bounds and slices of integers, alone or in a tuple, as in most loops over arrays.

    index: the parts of its slices are integers or None (`slice_key`)
    """
    entries: list[BasicEntry] = []
    chosen: list[int] = []
    given = index if index.__class__ is tuple else (index,)
    if len(given) > len(shape):
        return None
    # Not strict: axes without an entry are kept whole.
    for entry, length in zip(given, shape, strict=False):
        kind = entry.__class__
        if kind is int and -length <= entry < length:
            entries.append(entry if entry >= 0 else entry + length)
        elif kind is slice and entry.step != 0:
            selected = normalized_slice(entry, length)
            entries.append(selected)
            start, stop, step = selected.start, selected.stop, selected.step
            chosen.append(stop - start if step == 1 else len(range(start, stop, step)))
        else:
            return None
    for length in shape[len(given) :]:
        entries.append(slice(0, length, 1))
        chosen.append(length)
    return tuple(entries), tuple(chosen)


def normalized_slice(entry: slice, length: int) -> slice:
    """Return the slice with numbers for its ends, in one form per selection, so that equal selections are equal operations."""
    start, stop, step = entry.indices(length)
    if step == 1 and start < stop:
        # As below, in a third of the time: most slices are of neighbours.
        return slice(start, stop, 1)
    selected = range(start, stop, step)
    if not selected:
        return slice(0, 0, 1)
    if len(selected) == 1:
        return slice(start, start + 1, 1)
    return slice(start, selected[-1] + (1 if step > 0 else -1), step)


def _joined(first: tuple[BasicEntry, ...], second: tuple[BasicEntry, ...]) -> tuple[BasicEntry, ...] | None:
    """Return one basic index for x[first][second], None if there is none."""
    joined: list[BasicEntry] = []
    following = iter(second)
    for entry in first:
        if isinstance(entry, int):
            # An axis inserted by the second index.
            joined.append(entry)
            continue
        chosen = next(following)
        while chosen is None:
            joined.append(None)
            chosen = next(following)
        if entry is not None:
            joined.append(_part_of_slice(entry, chosen))
        elif isinstance(chosen, slice):
            if chosen.start == chosen.stop:
                # An empty slice of an axis that the first index inserted.
                return None
            joined.append(None)
    return (*joined, *following)


def _part_of_slice(entry: slice, chosen: int | slice) -> int | slice:
    """Return the integer or slice for x[entry][chosen] along one axis."""
    selected = range(entry.start, entry.stop, entry.step)
    if isinstance(chosen, int):
        return selected[chosen]
    part = selected[chosen.start : None if chosen.stop < 0 else chosen.stop : chosen.step]
    if not part:
        return slice(0, 0, part.step)
    # Keep the step even for one element, since the stride of the axis shows it, as in numpy.
    return slice(part.start, part[-1] + (1 if part.step > 0 else -1), part.step)


@dataclass(frozen=True, slots=True)
class Field(Operation):
    """One field of records, or records with some of the fields: a view.

    Reference:   https://numpy.org/doc/stable/user/basics.rec.html
    """

    names: str | tuple[str, ...]
    is_view = True
    no_derivative = "records have no cotangents"
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "getitem"

    @property
    def _index(self) -> str | list[str]:
        return self.names if isinstance(self.names, str) else list(self.names)

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        stand_in = np.zeros((), operand_types[0].dtype)[self._index]
        # A field that is an array adds its axes.
        return (tensor_type(operand_types[0].shape + np.shape(stand_in), stand_in.dtype),)

    def evaluate(self, *operands: Array) -> Any:
        return np.asarray(operands[0])[self._index]


@dataclass(frozen=True, slots=True)
class BasicIndexAdjoint(Operation):
    """Zeros, with the operand at the positions of a basic index: the adjoint of BasicIndex.

    Derivative:  the elements of g at these places
    """

    index: tuple[BasicEntry, ...]
    shape: Shape
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "getitem_adjoint"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self.shape, operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        result = np.zeros(self.shape, np.asarray(operands[0]).dtype)
        result[_as_python(self.index)] = operands[0]
        return result

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [context.xp.apply(BasicIndex(self.index), context.cotangents[0])]
