"""Sums along axes by numpy, for operations that are short of time: rows of the last axes are added by a matrix product."""

from __future__ import annotations

import math

import numpy as np

from composit.operation import Array, Axes, Shape

_SHORT_ROW = 128  # elements: calls for shorter rows take longer than reading them
_FEW_BYTES = 1 << 18  # as much may well be in the second-level cache


def count_along(shape: Shape, axes: Axes) -> int:
    """Return the number of elements that a reduction along the axes combines, at least 1."""
    return max(1, math.prod(shape[axis] for axis in axes))


def sum_along(x: Array, axes: Axes) -> Array:
    """Return the sum along axes, with the axes kept."""
    inner = _last_of(axes, x.ndim)
    outer = tuple(axis for axis in axes if axis not in inner)
    if not inner or not _has_dense_rows(x, len(inner)):
        return np.asarray(np.sum(x, axis=axes, keepdims=True))
    rows = _rows(x, len(inner))
    # numpy's own sum of rows takes three times as long.
    total = (rows @ np.ones(rows.shape[-1], x.dtype)).reshape(_kept(x, len(inner)))
    return np.asarray(np.sum(total, axis=outer, keepdims=True) if outer else total)


def sum_along_unread(x: Array, axes: Axes) -> Array:
    """Return the same for an array that lies outside of the caches; within them, this takes a third longer.

    The product with a vector reads several rows at once, which memory serves at half of its speed.
    """
    inner = _last_of(axes, x.ndim)
    length = math.prod(x.shape[x.ndim - len(inner) :])
    if length < _SHORT_ROW or x.nbytes < _FEW_BYTES or not _has_dense_rows(x, len(inner)):
        return sum_along(x, axes)
    outer = tuple(axis for axis in axes if axis not in inner)
    total = np.asarray(np.vecdot(_rows(x, len(inner)), np.ones(length, x.dtype))).reshape(_kept(x, len(inner)))
    return np.asarray(np.sum(total, axis=outer, keepdims=True) if outer else total)


def sum_of_products(x: Array, y: Array, axes: Axes) -> Array:
    """Return sum(x y) along axes, with the axes kept, without an array of products where the last axes are summed."""
    inner = _last_of(axes, y.ndim)
    if not inner or x.shape != y.shape or not all(_has_dense_rows(each, len(inner)) for each in (x, y)):
        return sum_along(np.asarray(x * y), axes)
    if x.flags.c_contiguous != y.flags.c_contiguous:  # one in more axes than the other would not match it
        x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    total = np.asarray(np.vecdot(_rows(x, len(inner)), _rows(y, len(inner)))).reshape(_kept(y, len(inner)))
    outer = tuple(axis for axis in axes if axis not in inner)
    return np.asarray(np.sum(total, axis=outer, keepdims=True) if outer else total)


def _last_of(axes: Axes, ndim: int) -> Axes:
    """Return those of the axes that are the last ones, without a gap."""
    first = ndim
    while first - 1 in axes:
        first -= 1
    return tuple(range(first, ndim))


def _has_dense_rows(x: Array, num_inner: int) -> bool:
    """Return whether the last axes lie in memory without a gap, as in a part of an array of examples."""
    if x.dtype.char not in "fd" or not x.size:
        return False
    if x.flags.c_contiguous:
        return True
    step = x.itemsize
    for axis in reversed(range(x.ndim - num_inner, x.ndim)):
        if x.shape[axis] > 1 and x.strides[axis] != step:
            return False
        step *= x.shape[axis]
    return True


def _rows(x: Array, num_inner: int) -> Array:
    """Return x with the last axes as one, and those before as one too where that needs no copy."""
    length = math.prod(x.shape[x.ndim - num_inner :])
    return x.reshape((-1, length) if x.flags.c_contiguous else (*x.shape[: x.ndim - num_inner], length))


def _kept(x: Array, num_inner: int) -> Shape:
    return (*x.shape[: x.ndim - num_inner], *(1,) * num_inner)
