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


def maximum_positions(x: Array, kernel: Kernel) -> Array:
    """Return the number of the tap with the largest element of each window: of equal ones the first, of NaNs the last."""
    start = x.ndim - kernel.rank
    result = np.empty((*x.shape[:start], *output_lengths(x.shape[start:], *kernel)), np.int64)
    in_blocks(partial(_fill_positions, kernel), tuple(range(start, x.ndim)), result, x)
    return result


def _fill_positions(kernel: Kernel, result: Array, x: Array) -> None:
    largest, positions = _positions(x, kernel, np.greater)
    if np.isnan(largest).any():
        _, positions = _positions(x, kernel, _is_greater_or_nan)
    result[...] = positions


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


def pick(positions: Array, x: Array, kernel: Kernel) -> Array:
    """Return from each window the element of the tap whose number is given."""
    places = _places(positions, x.shape, kernel)
    return np.take(x, places)


def spread_picked(positions: Array, g: Array, lengths: Shape, kernel: Kernel) -> Array:
    """Return the adjoint of `pick`: each g added to the element of its window whose tap has the given number."""
    start = g.ndim - kernel.rank
    result = np.zeros((*g.shape[:start], *lengths), g.dtype)
    in_blocks(partial(_add_picked, kernel), tuple(range(start, g.ndim)), positions, g, result)
    return result


def _add_picked(kernel: Kernel, positions: Array, g: Array, result: Array) -> None:
    places, values = _places(positions, result.shape, kernel).reshape(positions.size), g.reshape(g.size)
    flat = result.reshape(result.size, copy=False)  # a block is dense: it is cut along the first axes
    if all(step > apart * (length - 1) for length, step, apart in zip(*kernel, strict=True)):
        # Windows share no element, so each place gets one value.
        flat[places] = values
    else:
        np.add.at(flat, places, values)


def _places(positions: Array, shape: Shape, kernel: Kernel) -> Array:
    """Return the places in a dense array of that shape of the chosen elements of its windows."""
    lengths, counts = shape[-kernel.rank :], positions.shape[-kernel.rank :]
    steps = [math.prod(lengths[axis + 1 :]) for axis in range(kernel.rank)]
    taps, starts = (
        _sum_of_all([np.arange(n) * (step * move) for n, step, move in zip(numbers, steps, moves, strict=True)])
        for numbers, moves in ((kernel.shape, kernel.dilation), (counts, kernel.strides))
    )
    num_outer = math.prod(shape[: -kernel.rank])
    places: Array = np.take(taps, positions).reshape(num_outer, starts.size)
    places += starts
    places += (np.arange(num_outer) * math.prod(lengths))[:, np.newaxis]
    return places.reshape(positions.shape)


def _sum_of_all(parts: list[Array]) -> Array:
    """Return the sums of one number of each part, in row-major order."""
    total = np.zeros(1, np.int64)
    for part in parts:
        total = np.add.outer(total, part).reshape(total.size * part.size)
    return total
