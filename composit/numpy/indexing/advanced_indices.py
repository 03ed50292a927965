"""Operations that choose elements by arrays of positions, and their adjoint: AdvancedIndex, AdvancedIndexAdjoint.

subscripts.py resolves what `x[...]` means, `take` is in taking.py, basic indices are in views/basic_indices.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from composit.errors import OutOfBoundsError
from composit.handle import TensorHandle
from composit.numpy.arguments.normalizing import broadcast_shapes, spell_shape
from composit.operation import (
    Array,
    Input,
    Operation,
    OperationKind,
    Shape,
    TensorType,
    VjpContext,
    tensor_type,
)

AdvancedEntry: TypeAlias = int | slice | str


# Objects, strings and records. A program wants numpy's own scalar of these: a Python object, or one with methods.
WITHOUT_LAZY_SCALARS = "OSUVT"


# Stands for the next index operand in AdvancedIndex.index.
ARRAY: Literal["array"] = "array"


@dataclass(frozen=True, slots=True)
class AdvancedIndex(Operation):
    """The elements at integer arrays that broadcast, with the axes placed as in numpy.

    index:       one entry per axis of the first operand: ARRAY (the next index operand), an integer, or slice(None)
    Shapes:      the broadcast axes replace those indexed if these are neighbours, else they come first
    Derivative:  g added at these positions, once for each time that one is chosen
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
        """The position of the index arrays' axes in the result."""
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

    Raises:  OutOfBoundsError: the shapes do not fit; an IndexError with numpy's text
    """
    try:
        return broadcast_shapes(*shapes)
    except ValueError as error:
        listed = " ".join(map(spell_shape, shapes))
        raise OutOfBoundsError(
            f"shape mismatch: indexing arrays could not be broadcast together with shapes {listed} : aligned at the"
            " last axis, their lengths must be equal or 1; use np.ix_ for all combinations"
        ) from error


@dataclass(frozen=True, slots=True)
class AdvancedIndexAdjoint(Operation):
    """Zeros, with the first operand added at the positions of index arrays: the adjoint of AdvancedIndex.

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
    """Return the values of an index if they are known: arrays, numbers, inputs with a value. Else None, as for placeholders."""
    if not isinstance(index, TensorHandle):
        return np.asarray(index)
    operation = index.node.operation
    if isinstance(operation, Input):
        return np.asarray(operation.read()) if operation.has_value else None
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
