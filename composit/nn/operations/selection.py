"""`SelectedPositions`, `SortedPositions` and `RankedPosition`: where the k largest or smallest elements of each row are, and all in order.

Where elements are equal, they choose as torch.topk, torch.sort and torch.kthvalue do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from composit.nn.operations.introselect import first_positions, is_by_heap, position_of_rank, sorted_positions
from composit.operation import Array, Operation, OperationKind, Results, TensorType, tensor_type


@dataclass(frozen=True, slots=True)
class SelectedPositions(Operation):
    """The positions of the k largest elements along an axis, or of the k smallest. NaN counts as the largest.

    is_sorted: False leaves them in the order in which the selection finds them

    Reference:   torch.topk
    """

    axis: int
    k: int
    largest: bool
    is_sorted: bool
    kind = OperationKind.REDUCTION
    no_derivative = "a position is an integer"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        shape = list(operand_types[0].shape)
        shape[self.axis] = self.k
        return (tensor_type(tuple(shape), np.int64),)

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        return _cost_of_sorting(operand_types[0], self.axis)

    def evaluate(self, *operands: Array) -> Results:
        return _each_row(operands[0], self.axis, self.k, self._positions)

    def _positions(self, rows: Array) -> Array:
        order = _stable_order(rows, self.largest)
        is_greater = _is_greater_than_before(np.take_along_axis(rows, order, -1))
        places = order[:, : self.k].copy()
        for row in self._undecided(is_greater, rows.shape[-1]):
            places[row] = first_positions(_ranks(order[row], is_greater[row]), self.k, self.is_sorted)
        return places

    def _undecided(self, is_greater: Array, length: int) -> Array:
        """Return the rows in which the order of the elements does not say what the selection returns."""
        if self.is_sorted or is_by_heap(self.k, length):
            return np.nonzero(~np.all(is_greater[:, : self.k], -1))[0]
        return np.arange(len(is_greater))


@dataclass(frozen=True, slots=True)
class SortedPositions(Operation):
    """The positions of all elements along an axis in order, descending if `largest`.

    orders_nan: whether NaN counts as the largest; False compares it as C++ does, to nothing, and sorts what is around it as it comes

    Reference:   torch.sort, torch.mode
    """

    axis: int
    largest: bool
    orders_nan: bool
    kind = OperationKind.REDUCTION
    no_derivative = "a position is an integer"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(operand_types[0].shape, np.int64),)

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        return _cost_of_sorting(operand_types[0], self.axis)

    def evaluate(self, *operands: Array) -> Results:
        return _each_row(operands[0], self.axis, operands[0].shape[self.axis], self._positions)

    def _positions(self, rows: Array) -> Array:
        order = _stable_order(rows, self.largest)
        is_greater = _is_greater_than_before(np.take_along_axis(rows, order, -1))
        are_numbers = np.full(len(rows), True) if self.orders_nan else ~np.any(rows != rows, -1)
        for row in np.nonzero(~np.all(is_greater, -1) | ~are_numbers)[0]:
            if are_numbers[row]:
                order[row] = sorted_positions(_ranks(order[row], is_greater[row]))
            else:
                order[row] = sorted_positions((-rows[row] if self.largest else rows[row]).tolist())
        return order


@dataclass(frozen=True, slots=True)
class RankedPosition(Operation):
    """The position of the k-th smallest element along an axis, which keeps the length 1. NaN counts as the largest.

    Reference:   torch.kthvalue
    """

    axis: int
    k: int
    kind = OperationKind.REDUCTION
    no_derivative = "a position is an integer"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        shape = list(operand_types[0].shape)
        shape[self.axis] = 1
        return (tensor_type(tuple(shape), np.int64),)

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        return _cost_of_sorting(operand_types[0], self.axis)

    def evaluate(self, *operands: Array) -> Results:
        return _each_row(operands[0], self.axis, 1, self._position)

    def _position(self, rows: Array) -> Array:
        order, target = _stable_order(rows, False), self.k - 1
        is_greater = _is_greater_than_before(np.take_along_axis(rows, order, -1))
        places = order[:, target : self.k].copy()
        # Whether one beside it in order is equal.
        is_tied = ~np.all(is_greater[:, max(target - 1, 0) : self.k], -1)
        for row in np.nonzero(is_tied)[0]:
            places[row] = position_of_rank(_ranks(order[row], is_greater[row]), target)
        return places


def _cost_of_sorting(x: TensorType, axis: int) -> int:
    return max(1, x.size * x.shape[axis].bit_length())


def _each_row(x: Array, axis: int, count: int, positions: Callable[[Array], Array]) -> Array:
    """Return so many positions for each row along an axis."""
    moved = np.moveaxis(x, axis, -1)
    shape = (*moved.shape[:-1], count)
    if not count or not moved.size:
        return np.moveaxis(np.zeros(shape, np.int64), -1, axis)
    return np.moveaxis(positions(moved.reshape(-1, moved.shape[-1])).reshape(shape), -1, axis)


def _stable_order(rows: Array, largest: bool) -> Array:
    """Return the positions in order, of equal elements the first first."""
    if not largest:
        return np.array(np.argsort(rows, -1, stable=True), np.int64)
    # In reversed order the last of equal elements comes first; reversing the sorted positions undoes it.
    backwards = np.flip(np.argsort(np.flip(rows, -1), -1, stable=True), -1)
    return np.array(rows.shape[-1] - 1 - backwards, np.int64)


def _ranks(order: Array, is_greater: Array) -> list[int]:
    """Return the ranks of a row's elements; equal ones have equal ranks."""
    ranks = np.zeros(order.size, np.int64)
    ranks[order[1:]] = np.cumsum(is_greater)
    found: list[int] = ranks.tolist()
    return found


def _is_greater_than_before(ordered: Array) -> Array:
    """Return where a sorted element differs from the one before it. NaN equals NaN."""
    differs: Array = ordered[:, 1:] != ordered[:, :-1]
    if ordered.dtype.kind == "f":
        differs &= ~(np.isnan(ordered[:, 1:]) & np.isnan(ordered[:, :-1]))
    return differs
