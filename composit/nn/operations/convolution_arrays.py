"""Convolution of arrays, and its two adjoints, by numpy: windows are copied to columns, and products go through BLAS.

Algorithm: im2col with one product per group. Where the columns of all taps would be large, there is one product for each
tap of the first kernel axes instead, so that memory stays near that of the operands.
Weakness: for depthwise filters a product has one row, so the copy of the columns takes longer than the product.
Shapes:   x (n, groups * c, *lengths), filters (groups * o, c, *kernel), result (n, groups * o, *positions)
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from composit.nn.operations.spatial import windows
from composit.operation import Array, Shape

# Fresh memory for larger columns takes longer than the further products (measured at 38 and 302 MB: 0.9 and 2.4 of the time).
_MOST_COLUMN_BYTES = 1 << 25


class Steps(NamedTuple):
    """How a kernel moves: strides, dilation, and the number of groups of channels."""

    strides: Shape
    dilation: Shape
    groups: int


def convolve(x: Array, filters: Array, steps: Steps) -> Array:
    """Return result[n, o, p] = sum over c, k of x[n, c, strides * p + dilation * k] * filters[o, c, k]."""
    seen, by_group = _windows_by_group(x, filters.shape[2:], steps), _by_group(filters, 0, steps.groups)
    positions = seen.shape[1 + filters.ndim :]
    result = np.empty((len(x), *by_group.shape[:2], math.prod(positions)), seen.dtype)
    taps, target, product = _outer_taps(seen, filters.ndim - 2), result, None
    columns = _Columns(len(taps))
    for number, tap in enumerate(taps):
        factor = _matrices(by_group[_at(tap)], 2)
        part = columns.of(seen[_at(tap)])
        matrix = part.reshape(*part.shape[:2], factor.shape[2], result.shape[3])
        if number == 0:
            np.matmul(factor, matrix, out=target)
        else:
            product = np.matmul(factor, matrix, out=product)
            target += product
    return result.reshape(len(x), len(filters), *positions)


def spread(g: Array, filters: Array, lengths: Shape, steps: Steps) -> Array:
    """Return the adjoint of `convolve` in x: each g[n, o, p] times a filter, added where its window was."""
    by_group = _by_group(filters, 0, steps.groups)
    num_channels = steps.groups * filters.shape[1]
    result = np.zeros((len(g), num_channels, *lengths), g.dtype)
    seen = _windows_by_group(result, filters.shape[2:], steps)
    matrix = _matrices(_by_group(g, 1, steps.groups), 3)
    product = None
    for tap in _outer_taps(seen, filters.ndim - 2):
        target = seen[_at(tap)]
        factor = _matrices(by_group[_at(tap)], 2).swapaxes(1, 2)
        product = np.matmul(factor, matrix, out=product)
        parts = product.reshape(target.shape)
        for inner in np.ndindex(*filters.shape[2 + len(tap) :]):
            place = _at(inner)
            target[place] += parts[place]
    return result


def correlate(x: Array, g: Array, kernel: Shape, steps: Steps) -> Array:
    """Return the adjoint of `convolve` in the filters: each window of x times its g[n, o, p], summed over n and p."""
    seen, rank = _windows_by_group(x, kernel, steps), len(kernel)
    by_group = _by_group(g, 1, steps.groups)
    num_each, num_channels = by_group.shape[2], seen.shape[2]
    matrix = _matrices(np.moveaxis(by_group, 0, 2), 2)
    result = np.empty((steps.groups, num_each, num_channels, *kernel), seen.dtype)
    taps = _outer_taps(seen, rank)
    columns = _Columns(len(taps))
    for tap in taps:
        # (n, groups, c, *inner, *p) -> (groups, c, *inner, n, *p)
        part = np.moveaxis(seen[_at(tap)], 0, -1 - rank)
        target = result[_at(tap)]
        num_columns = math.prod(target.shape[2:])
        product = matrix @ columns.of(part).reshape(steps.groups, num_columns, matrix.shape[2]).swapaxes(1, 2)
        target[...] = product.reshape(target.shape)
    return result.reshape(steps.groups * num_each, num_channels, *kernel)


def _by_group(array: Array, axis: int, groups: int) -> Array:
    """Return the array with its channels as two axes: group, and channel of the group."""
    shape = array.shape
    return array.reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])


def _at(tap: tuple[int, ...]) -> tuple[slice | int, ...]:
    """Return the index of a tap, whose axes come after three others."""
    return (slice(None),) * 3 + tap


def _matrices(array: Array, axis: int) -> Array:
    """Return the array with all axes from one on as one; an empty array cannot have that length worked out by reshape."""
    return array.reshape(*array.shape[:axis], math.prod(array.shape[axis:]))


def _windows_by_group(x: Array, kernel: Shape, steps: Steps) -> Array:
    return windows(_by_group(x, 1, steps.groups), kernel, steps.strides, steps.dilation)


def _outer_taps(seen: Array, rank: int) -> list[tuple[int, ...]]:
    """Return the taps of the first kernel axes, each of which gets a product of its own; one empty tap for a single product."""
    kernel = seen.shape[3 : 3 + rank]
    num_bytes, num_outer = seen.size * seen.itemsize, 0
    while num_outer < rank and num_bytes > _MOST_COLUMN_BYTES:
        num_bytes //= kernel[num_outer]
        num_outer += 1
    return list(np.ndindex(*kernel[:num_outer]))


class _Columns:
    """Windows in C order; those of several taps share their memory."""

    __slots__ = ("_is_shared", "_memory")

    def __init__(self, num_taps: int) -> None:
        self._is_shared = num_taps > 1
        self._memory: Array | None = None

    def of(self, part: Array) -> Array:
        """Return the windows of one tap: those of a single tap uncopied if they lie in C order."""
        if not self._is_shared:
            return np.ascontiguousarray(part)
        if self._memory is None:
            self._memory = np.empty(part.shape, part.dtype)
        np.copyto(self._memory, part)
        return self._memory
