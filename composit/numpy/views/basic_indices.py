"""Elements chosen by position: basic and advanced indexing, and their adjoints.

What `x[...]` means is resolved in subscripts.py, `take` is in taking.py; here are the operations. May import arguments, apply,
operation, errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from composit.errors import OutOfBoundsError
from composit.handle import TensorHandle
from composit.numpy.arguments.normalizing import spell_shape
from composit.operation import (
    MAX_NUM_AXES,
    Array,
    Input,
    Operation,
    OperationKind,
    Results,
    Shape,
    TensorType,
    VjpContext,
    tensor_type,
)

# Start, stop and step of a slice are as `range` takes them: a stop of -1 means "down to the first element".
BasicEntry: TypeAlias = int | slice | None
AdvancedEntry: TypeAlias = int | slice | str

# One element of these is a Python object or has methods of its own: numpy's own scalar is what a program wants.
WITHOUT_LAZY_SCALARS = "OSUVT"

# Stands for the next index operand in AdvancedIndex.index.
ARRAY: Literal["array"] = "array"


@dataclass(frozen=True, slots=True)
class BasicIndex(Operation):
    """The elements at integers and slices; None is a new axis.

    index:       covers every axis; integers are not negative, slices are as `range` takes them
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
        # numpy gives a scalar where integers are left of no axis, an array where the index has slices.
        return (tensor_type(shape, operand_types[0].dtype, not shape),)

    def evaluate(self, *operands: Array) -> Results:
        array = operands[0]
        return (array if array.__class__ is np.ndarray else np.asarray(array))[_as_python(self.index)]

    def view_of(self, array: Array) -> Array:
        # With an Ellipsis, integers for all axes give a rank-0 array that shows the element.
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


_PLAIN = frozenset((int, type(None)))


def plain_places(index: Any, shape: Shape) -> tuple[tuple[BasicEntry, ...], Shape] | None:
    """Return a basic index as `BasicIndex` takes it, and the shape it chooses; None unless it is plain.

    Plain are integers within bounds and slices of integers, alone or in a tuple: what loops over arrays are made of.
    """
    entries: list[BasicEntry] = []
    chosen: list[int] = []
    given = index if index.__class__ is tuple else (index,)
    if len(given) > len(shape):
        return None
    # Not strict: what the index leaves out is taken whole.
    for entry, length in zip(given, shape, strict=False):
        kind = entry.__class__
        if kind is int and -length <= entry < length:
            entries.append(entry if entry >= 0 else entry + length)
        elif kind is slice and entry.step != 0 and _PLAIN.issuperset(map(type, (entry.start, entry.stop, entry.step))):
            selected = normalized_slice(entry, length)
            entries.append(selected)
            chosen.append(len(range(selected.start, selected.stop, selected.step)))
        else:
            return None
    for length in shape[len(given) :]:
        entries.append(normalized_slice(_FULL, length))
        chosen.append(length)
    return tuple(entries), tuple(chosen)


_FULL = slice(None)


def normalized_slice(entry: slice, length: int) -> slice:
    """Return the slice with numbers for its ends, one form for each selection, so that equal ones are equal operations."""
    start, stop, step = entry.indices(length)
    selected = range(start, stop, step)
    if not selected:
        return slice(0, 0, 1)
    if len(selected) == 1:
        return slice(start, start + 1, 1)
    return slice(start, selected[-1] + (1 if step > 0 else -1), step)


def _joined(first: tuple[BasicEntry, ...], second: tuple[BasicEntry, ...]) -> tuple[BasicEntry, ...] | None:
    """Return the basic index that chooses what `second` chooses from what `first` chose, None where there is none."""
    joined: list[BasicEntry] = []
    following = iter(second)
    for entry in first:
        if isinstance(entry, int):
            # There is no such axis in what the first index chose.
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
                # Nothing of a new axis.
                return None
            joined.append(None)
    return (*joined, *following)


def _part_of_slice(entry: slice, chosen: int | slice) -> int | slice:
    """Return what an index along the axis that a slice chose is along the axis of the slice itself."""
    selected = range(entry.start, entry.stop, entry.step)
    if isinstance(chosen, int):
        return selected[chosen]
    part = selected[chosen.start : None if chosen.stop < 0 else chosen.stop : chosen.step]
    if not part:
        return slice(0, 0, part.step)
    # The step stays where one element is left: the stride of the axis is the step's, as numpy's is.
    return slice(part.start, part[-1] + (1 if part.step > 0 else -1), part.step)


@dataclass(frozen=True, slots=True)
class Field(Operation):
    """One field of records, or records of some fields: a view.

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
    """Zeros of a shape, with the operand at the places that a basic index chooses: the adjoint of BasicIndex.

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


@dataclass(frozen=True, slots=True)
class AdvancedIndex(Operation):
    """The elements at integer arrays that broadcast, with numpy's placement of the axes.

    index:       one entry per axis of the first operand: ARRAY (the next index operand), an integer, or slice(None)
    Shapes:      the arrays' axes stand where they were if they were neighbours, else first
    Derivative:  g added at these places, as often as they are chosen
    Reference:   https://numpy.org/doc/stable/user/basics.indexing.html#advanced-indexing
    """

    index: tuple[AdvancedEntry, ...]
    raises_by_value = True
    kind = OperationKind.MOVEMENT

    def may_raise(self, operand_types: Sequence[TensorType], are_known: Sequence[bool]) -> bool:
        return not all(are_known[1:])

    @property
    def name(self) -> str:
        return "getitem"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        x, *indices = operand_types
        chosen = broadcast_indices([index.shape for index in indices])
        kept = [x.shape[axis] for axis, entry in enumerate(self.index) if entry.__class__ is slice]
        place = self.place
        shape = (*kept[:place], *chosen, *kept[place:])
        return (tensor_type(shape, x.dtype, not shape),)

    @property
    def place(self) -> int:
        """Where in the result the axes of the index arrays begin."""
        axes = [axis for axis, entry in enumerate(self.index) if entry.__class__ is not slice]
        return axes[0] if axes[-1] - axes[0] == len(axes) - 1 else 0

    def evaluate(self, *operands: Array) -> Any:
        return operands[0][_with_arrays(self.index, operands[1:])]

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (x, *indices) = context.xp, context.operands
        adjoint = AdvancedIndexAdjoint(self.index, xp.shape(x))
        return [xp.apply(adjoint, context.cotangents[0], *indices), *[None] * len(indices)]


def _with_arrays(index: tuple[AdvancedEntry, ...], arrays: Sequence[Array]) -> tuple[Any, ...]:
    following = iter(arrays)
    return tuple([next(following) if entry.__class__ is str else entry for entry in index])


def broadcast_indices(shapes: Sequence[Shape]) -> Shape:
    """Return the shape that index arrays broadcast to.

    Raises:  OutOfBoundsError: they do not fit, an IndexError with numpy's text
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        listed = " ".join(map(spell_shape, shapes))
        raise OutOfBoundsError(
            f"shape mismatch: indexing arrays could not be broadcast together with shapes {listed} : aligned at the"
            " last axis, their lengths must be equal or 1; use np.ix_ for all combinations"
        ) from error


@dataclass(frozen=True, slots=True)
class AdvancedIndexAdjoint(Operation):
    """Zeros of a shape, with the first operand added at the places that the index arrays choose.

    Derivative:  the elements of g at these places
    """

    index: tuple[AdvancedEntry, ...]
    shape: Shape
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "getitem_adjoint"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self.shape, operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        result = np.zeros(self.shape, np.asarray(operands[0]).dtype)
        np.add.at(result, _with_arrays(self.index, operands[1:]), operands[0])
        return result

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        indices = context.operands[1:]
        return [context.xp.apply(AdvancedIndex(self.index), context.cotangents[0], *indices), *[None] * len(indices)]


def known_integers(index: Any) -> Array | None:
    """Return the values of an index if they are known without computing anything: arrays, numbers, created inputs."""
    if not isinstance(index, TensorHandle):
        return np.asarray(index)
    operation = index.node.operation
    if isinstance(operation, Input):
        return np.asarray(operation.read())
    return None if index._known is None else np.asarray(index._known.value)


def check_bounds(values: Array | None, axis: int | None, length: int) -> None:
    """Raise numpy's IndexError for the first known index out of bounds."""
    if values is None or not values.size or (values.min() >= -length and values.max() < length):
        return
    worst = values[(values < -length) | (values >= length)].flat[0]
    raise OutOfBoundsError(
        f"index {worst} is out of bounds for axis {0 if axis is None else axis} with size {length}: indices run from"
        f" {-length} to {length - 1}"
    )
