"""Sums and maxima of windows of arrays, and their adjoints, by numpy: one step for each tap of a kernel, on whole arrays.

Sums and maxima go axis by axis, so that a kernel of k x k takes 2 k steps. Shapes: x (..., *lengths), results (..., *positions).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from composit.nn.blocks_of_arrays import in_blocks
from composit.nn.operations.spatial import output_lengths, windows
from composit.operation import Array, Shape


class Kernel(NamedTuple):
    """A kernel without weights: its lengths, strides and dilation."""

    shape: Shape
    strides: Shape
    dilation: Shape

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self.shape)

    def over(self, array: Array) -> Array:
        """Return the windows of an array, the axes of the kernel first: (*kernel, ..., *positions)."""
        seen = windows(array, self.shape, self.strides, self.dilation)
        start = array.ndim - self.rank
        return np.moveaxis(seen, range(start, start + self.rank), range(self.rank))

    def along(self, place: int) -> Kernel:
        """Return the part of the kernel along one spatial axis."""
        return Kernel(*((numbers[place],) for numbers in self))


def reduce_windows(function: np.ufunc, x: Array, kernel: Kernel) -> Array:
    """Return the sums (np.add) or maxima (np.maximum) of all windows."""
    result = x
    for place in range(kernel.rank):
        seen = _windows_along(result, kernel, place)
        # All further parts are added to the first two in their memory.
        result = seen[0].copy() if len(seen) == 1 else function(seen[0], seen[1])
        for part in seen[2:]:
            function(result, part, out=result)
    return result


def _windows_along(x: Array, kernel: Kernel, place: int) -> Array:
    """Return the windows along one spatial axis, the axis of the taps first and the others where they were."""
    axis = x.ndim - kernel.rank + place
    return np.moveaxis(kernel.along(place).over(np.moveaxis(x, axis, -1)), -1, axis + 1)


def spread_sums(g: Array, lengths: Shape, kernel: Kernel) -> Array:
    """Return the adjoint of sums: each g added to all elements of its window."""
    result = np.zeros((*g.shape[: g.ndim - kernel.rank], *lengths), g.dtype)
    seen = kernel.over(result)
    for tap in np.ndindex(*kernel.shape):
        target = seen[tap]
        target += g
    return result


def maximum_indices(x: Array, kernel: Kernel, offsets: Shape, starts: Array, inside: Array | None = None) -> Array:
    """Return the index of the largest element of each window: of equal ones the first, of NaNs the last.

    offsets: of each tap, how far its element is behind that of the first tap
    starts:  of each window, the index of its first element; `inside`: of the first one that is not in a border
    """
    start = x.ndim - kernel.rank
    result = np.empty((*x.shape[:start], *output_lengths(x.shape[start:], *kernel)), starts.dtype)
    table = np.array(offsets, starts.dtype)
    in_blocks(partial(_fill_indices, kernel, table, starts, inside), tuple(range(start, x.ndim)), result, x)
    return result


def _fill_indices(kernel: Kernel, table: Array, starts: Array, inside: Array | None, result: Array, x: Array) -> None:
    taps = _maximum_positions(x, kernel)
    np.add(np.take(table, taps), starts, out=result)
    if inside is not None and result.size:
        # The first tap is the largest in a border only if no element is larger than the border.
        in_border = np.flatnonzero(inside != starts)
        flat = (*result.shape[: result.ndim - kernel.rank], starts.size)
        indices = result.reshape(flat, copy=False)  # a block is dense: it is cut along the first axes
        is_first = taps.reshape(flat)[..., in_border] == 0
        indices[..., in_border] = np.where(is_first, inside.reshape(-1)[in_border], indices[..., in_border])


def _maximum_positions(x: Array, kernel: Kernel) -> Array:
    """Return the number of the tap with the largest element of each window."""
    largest, positions = _positions(x, kernel, np.greater)
    if np.isnan(largest).any():
        _, positions = _positions(x, kernel, _is_greater_or_nan)
    return positions


def _positions(x: Array, kernel: Kernel, is_better: Callable[[Array, Array], Array]) -> tuple[Array, Array]:
    """Return the largest elements and the numbers of their taps, axis by axis from the last: numbers count it fastest."""
    largest, positions, num_inner = x, np.zeros((1,) * x.ndim, np.min_scalar_type(math.prod(kernel.shape))), 1
    for place in reversed(range(kernel.rank)):
        # A dense copy: comparing elements with steps between them takes five times as long, and copying twice.
        seen = _windows_along(largest, kernel, place).copy()
        is_known = num_inner > 1
        numbers = _windows_along(positions, kernel, place).copy() if is_known else np.zeros(seen.shape, positions.dtype)
        largest, positions = seen[0], numbers[0]
        for tap in range(1, kernel.shape[place]):
            numbers[tap] += positions.dtype.type(tap * num_inner)
            _replace(positions, numbers[tap], is_better(seen[tap], largest))
            np.maximum(largest, seen[tap], out=largest)
        num_inner *= kernel.shape[place]
    return largest, positions


def _replace(numbers: Array, others: Array, where: Array) -> None:
    """Put other whole numbers where a condition holds, by bits: np.copyto has a branch for each element, which costs 30 times as much.

    The others are overwritten.
    """
    changed = np.bitwise_xor(numbers, others, out=others)
    changed &= np.negative(where.view(np.uint8).astype(numbers.dtype, copy=False))  # 0, or all bits
    numbers ^= changed


def _is_greater_or_nan(x: Array, other: Array) -> Array:
    return np.greater(x, other) | np.isnan(x)


def tap_offsets(kernel: Kernel, lengths: Shape) -> Shape:
    """Return how far each tap's element is behind that of the first tap, in flattened axes of these lengths."""
    moves = (np.arange(count) * apart for count, apart in zip(kernel.shape, kernel.dilation, strict=True))
    return tuple(_flattened(list(moves), lengths).ravel().tolist())


def window_starts(kernel: Kernel, before: Shape, lengths: Shape, positions: Shape, is_inside: bool) -> Array:
    """Return the index of each window's first element in flattened axes; with `is_inside`, of the first that is in no border."""
    starts = [
        np.arange(count) * step - border for count, step, border in zip(positions, kernel.strides, before, strict=True)
    ]
    if is_inside:
        # From a start before the axis, as many steps of the dilation as it takes.
        starts = [
            start + np.maximum(-(start // apart), 0) * apart
            for start, apart in zip(starts, kernel.dilation, strict=True)
        ]
    return _flattened(starts, lengths)


def _flattened(places: list[Array], lengths: Shape) -> Array:
    """Return the indices in flattened axes of all combinations of places along them: one axis for each."""
    total = np.zeros((), np.int64)
    for along, length in zip(places, lengths, strict=True):
        total = np.add.outer(total * length, along)
    return total
