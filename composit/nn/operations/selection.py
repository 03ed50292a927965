"""`SelectedPositions`: the positions of the k largest or smallest elements of each row.

Where elements are equal, it chooses as torch.topk does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from composit.nn.operations.introselect import first_positions, is_by_heap
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
        (x,) = operand_types
        return max(1, x.size * x.shape[self.axis].bit_length())

    def evaluate(self, *operands: Array) -> Results:
        moved = np.moveaxis(operands[0], self.axis, -1)
        shape = (*moved.shape[:-1], self.k)
        if not self.k or not moved.size:
            return np.moveaxis(np.zeros(shape, np.int64), -1, self.axis)
        rows = moved.reshape(-1, moved.shape[-1])
        order = self._order(rows)
        is_greater = _is_greater_than_before(np.take_along_axis(rows, order, -1))
        places = np.array(order[:, : self.k], np.int64)
        for row in self._undecided(is_greater, rows.shape[-1]):
            ranks = np.zeros(rows.shape[-1], np.int64)
            ranks[order[row, 1:]] = np.cumsum(is_greater[row])
            places[row] = first_positions(ranks.tolist(), self.k, self.is_sorted)
        return np.moveaxis(places.reshape(shape), -1, self.axis)

    def _order(self, rows: Array) -> Array:
        if not self.largest:
            return np.argsort(rows, -1, stable=True)
        # In reversed order the last of equal elements comes first; reversing the sorted positions undoes it.
        backwards = np.flip(np.argsort(np.flip(rows, -1), -1, stable=True), -1)
        order: Array = rows.shape[-1] - 1 - backwards
        return order

    def _undecided(self, is_greater: Array, length: int) -> Array:
        """Return the rows in which the order of the elements does not say what the selection returns."""
        if self.is_sorted or is_by_heap(self.k, length):
            return np.nonzero(~np.all(is_greater[:, : self.k], -1))[0]
        return np.arange(len(is_greater))


def _is_greater_than_before(ordered: Array) -> Array:
    """Return where a sorted element differs from the one before it. NaN equals NaN."""
    differs: Array = ordered[:, 1:] != ordered[:, :-1]
    if ordered.dtype.kind == "f":
        differs &= ~(np.isnan(ordered[:, 1:]) & np.isnan(ordered[:, :-1]))
    return differs
