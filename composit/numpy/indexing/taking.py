"""Elements taken at positions along one axis: take, take_along_axis, and their adjoints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import DtypeError, NoRuleError, OutOfBoundsError, ParameterError, ShapeError
from composit.numpy.arguments.normalizing import AxisLike, TensorLike, handle_of, is_number, normalize_axis
from composit.numpy.arguments.positions import positions_of
from composit.numpy.calls.declarations import rule_for
from composit.numpy.indexing.advanced_indices import (
    WITHOUT_LAZY_SCALARS,
    broadcast_indices,
    check_bounds,
    known_integers,
)
from composit.numpy.manipulation.reshaping import ravel
from composit.operation import Array, Operation, OperationKind, Shape, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["take", "take_along_axis"]


@dataclass(frozen=True, slots=True)
class Take(Operation):
    """The elements at integer positions along one axis or in the flattened array. Operands: array and indices.

    mode:        what to do with an index out of bounds: "raise", "wrap" or "clip"
    Derivative:  g added at these positions, once for each time that one is taken
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.take.html
    """

    axis: int | None
    mode: str
    raises_by_value = True
    kind = OperationKind.MOVEMENT

    def may_raise(self, operand_types: Sequence[TensorType], are_known: Sequence[bool]) -> bool:
        return self.mode == "raise" and not are_known[1]

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        x, indices = operand_types
        axis = self.axis
        shape = indices.shape if axis is None else (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
        length = x.size if axis is None else x.shape[axis]
        if not length and indices.size:
            raise OutOfBoundsError(
                f"cannot do a non-empty take from an empty axes.: take of {indices.size} indices from shape {x.shape},"
                f" axis {axis}"
            )
        return (tensor_type(shape, x.dtype, not shape),)

    def evaluate(self, *operands: Array) -> Any:
        return np.take(operands[0], operands[1], self.axis, mode=self.mode)  # type: ignore[call-overload]  # checked by take

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp = context.xp
        adjoint = TakeAdjoint(self.axis, self.mode, xp.shape(context.operands[0]))
        return [xp.apply(adjoint, context.cotangents[0], context.operands[1]), None]


@dataclass(frozen=True, slots=True)
class TakeAdjoint(Operation):
    """Zeros, with the first operand added at the indices along an axis: the adjoint of Take.

    Derivative:  the elements of g at the indices
    """

    axis: int | None
    mode: str
    shape: Shape
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "take_adjoint"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self.shape, operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        g, indices = operands
        result = np.zeros(self.shape, np.asarray(g).dtype)
        target, axis = (result.reshape(-1), 0) if self.axis is None else (result, self.axis)
        if self.mode == "wrap":
            indices = np.remainder(indices, target.shape[axis])
        elif self.mode == "clip":
            indices = np.clip(indices, 0, target.shape[axis] - 1)
        if axis == 0 and _are_worth_sorting(target, indices):
            _add_rows(target, indices.reshape(-1), np.asarray(g).reshape(indices.size, *target.shape[1:]))
        else:
            place: tuple[Any, ...] = (*[slice(None)] * axis, indices)
            np.add.at(target, place, g)
        return result

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [context.xp.take(context.cotangents[0], context.operands[1], axis=self.axis, mode=self.mode), None]


# np.add.at adds rows one by one, some microseconds each. Sorting the indices pays from so many rows of so many elements on.
_FEWEST_ROWS = 32
_SHORTEST_ROW = 4


def _are_worth_sorting(target: Array, indices: Array) -> bool:
    is_large = indices.size >= _FEWEST_ROWS and target[:1].size >= _SHORTEST_ROW and target.dtype.kind in "fc"
    # np.add.at raises for an index out of bounds.
    return is_large and indices.min() >= -len(target) and indices.max() < len(target)


def _add_rows(target: Array, indices: Array, rows: Array) -> None:
    """Add each row at its index: rows of one index lie together after sorting, and are added in one call for all."""
    places = np.where(indices < 0, indices + len(target), indices)
    order = np.argsort(places, kind="stable")
    places = places[order]
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    target[places[starts]] += np.add.reduceat(rows[order], starts, axis=0)


@dataclass(frozen=True, slots=True)
class TakeAlongAxis(Operation):
    """The elements at integers along an axis, row by row. Operands: array and indices, which broadcast.

    Derivative:  g added at these positions, once for each time that one is taken
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.take_along_axis.html
    """

    axis: int
    raises_by_value = True
    kind = OperationKind.MOVEMENT

    def may_raise(self, operand_types: Sequence[TensorType], are_known: Sequence[bool]) -> bool:
        return not all(are_known[1:])

    @property
    def name(self) -> str:
        return "take_along_axis"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        x, indices = operand_types
        rows = (*x.shape[: self.axis], 1, *x.shape[self.axis + 1 :])
        return (tensor_type(broadcast_indices([rows, indices.shape]), x.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return np.take_along_axis(operands[0], operands[1], self.axis)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp = context.xp
        adjoint = TakeAlongAxisAdjoint(self.axis, xp.shape(context.operands[0]))
        return [xp.apply(adjoint, context.cotangents[0], context.operands[1]), None]


@dataclass(frozen=True, slots=True)
class TakeAlongAxisAdjoint(Operation):
    """Zeros, with the first operand added at the indices, row by row: the adjoint of TakeAlongAxis.

    Derivative:  the elements of g at the indices
    """

    axis: int
    shape: Shape
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "take_along_axis_adjoint"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self.shape, operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        g, indices = np.broadcast_arrays(*operands)
        result, length = np.zeros(self.shape, g.dtype), self.shape[self.axis]
        if not indices.size:
            return result
        if indices.min() < 0 or indices.max() >= length:
            indices = _counted_from_start(indices, self.axis, length)
        # np.add.at takes one index in place of one for each axis at a third of the cost.
        places = np.zeros(indices.shape, np.intp)
        for axis, count in enumerate(self.shape):
            along = indices if axis == self.axis else np.arange(count).reshape(-1, *[1] * (indices.ndim - 1 - axis))
            places += along * math.prod(self.shape[axis + 1 :])
        np.add.at(result.reshape(-1), places.reshape(-1), g.reshape(-1))
        return result

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [context.xp.take_along_axis(context.cotangents[0], context.operands[1], self.axis), None]


def _counted_from_start(indices: Array, axis: int, length: int) -> Array:
    """Return indices of which negative ones count from the end as others; raises IndexError with numpy's words."""
    is_outside = (indices < -length) | (indices >= length)
    if is_outside.any():
        index = indices[is_outside][0]
        raise OutOfBoundsError(
            f"index {index} is out of bounds for axis {axis} with size {length}: pass smaller indices"
        )
    return np.where(indices < 0, indices + length, indices)


@rule_for(np.take)
def take(
    a: TensorLike, indices: TensorLike, axis: AxisLike | None = None, out: None = None, mode: str = "raise"
) -> LazyTensor:
    """Return the elements at the indices along an axis. See np.take."""
    if mode not in ("raise", "wrap", "clip"):
        raise ParameterError(
            f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r}): choose what take does then"
        )
    tensor = handle_of(a)
    # numpy accepts axis 0 and -1 for a scalar.
    position = None if axis is None else normalize_axis(axis, tensor.ndim or 1)
    position = position if tensor.ndim else None
    places = _places_of(indices)
    if not np.can_cast(places.dtype, np.intp, "same_kind"):
        raise DtypeError(
            f"Cannot cast array data from {places.dtype!r} to {np.dtype(np.intp)!r} according to the rule 'same_kind':"
            " take needs integers as indices; convert them with astype(int)"
        )
    result = apply(Take(position, mode), tensor, places)
    if result.type.is_scalar and tensor.dtype.kind in WITHOUT_LAZY_SCALARS:
        raise NoRuleError("take: one element of an array of objects")
    if mode == "raise" and result.size:
        length = tensor.size if position is None else tensor.shape[position]
        check_bounds(known_integers(places), position, length)
    return result


def _places_of(indices: TensorLike) -> LazyTensor:
    """Return the indices as a tensor; a number is cast to an integer, which numpy does for numbers but not for arrays."""
    if hasattr(indices, "__lazy_tensor__"):
        tensor = handle_of(indices)
        return tensor.astype(np.intp) if tensor.type.is_scalar and tensor.dtype.kind == "f" else tensor
    # numpy reads an empty list as integers, although it has no dtype.
    is_empty_list = isinstance(indices, list | tuple) and not np.size(indices)
    values = np.zeros(np.shape(indices), np.intp) if is_empty_list else np.asarray(indices)
    return positions_of(values.astype(np.intp) if is_number(indices) and values.dtype.kind == "f" else values)


@rule_for(np.take_along_axis)
def take_along_axis(arr: TensorLike, indices: TensorLike, axis: AxisLike | None = -1) -> LazyTensor:
    """Return the elements at the indices along an axis, row by row. See np.take_along_axis."""
    tensor = handle_of(arr)
    places = handle_of(indices) if hasattr(indices, "__lazy_tensor__") else positions_of(np.asarray(indices))
    if places.dtype.kind not in "iu":
        raise OutOfBoundsError(
            f"`indices` must be an integer array: take_along_axis was given {places.dtype}; use astype(int)"
        )
    if axis is None:
        if places.ndim != 1:
            raise ShapeError(
                "when axis=None, `indices` must have a single dimension.: take_along_axis was given shape"
                f" {places.shape}; ravel it"
            )
        tensor, axis = ravel(tensor), 0
    position = normalize_axis(axis, tensor.ndim)
    if tensor.ndim != places.ndim:
        raise ShapeError(
            f"`indices` and `arr` must have the same number of dimensions: the shapes are {places.shape} and"
            f" {tensor.shape}; expand_dims the indices"
        )
    check_bounds(known_integers(indices), position, tensor.shape[position])
    return apply(TakeAlongAxis(position), tensor, places)
