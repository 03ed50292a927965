"""Sums along axes by numpy, for operations that are short of time: rows of the last axes are added by a matrix product."""

from __future__ import annotations

import math

import numpy as np

from composit.operation import Array, Axes, Shape


def count_along(shape: Shape, axes: Axes) -> int:
    """Return the number of elements that a reduction along the axes combines, at least 1."""
    return max(1, math.prod(shape[axis] for axis in axes))


def sum_along(x: Array, axes: Axes) -> Array:
    """Return the sum along axes, with the axes kept."""
    inner = _last_of(axes, x.ndim)
    outer = tuple(axis for axis in axes if axis not in inner)
    if not inner or not _is_dense(x):
        return np.asarray(np.sum(x, axis=axes, keepdims=True))
    rows = _rows(x, len(inner))
    # numpy's own sum of rows takes three times as long.
    total = (rows @ np.ones(rows.shape[1], x.dtype)).reshape(_kept(x, len(inner)))
    return np.asarray(np.sum(total, axis=outer, keepdims=True) if outer else total)


def sum_of_products(x: Array, y: Array, axes: Axes) -> Array:
    """Return sum(x y) along axes, with the axes kept, without an array of products where the last axes are summed."""
    inner = _last_of(axes, y.ndim)
    if not inner or x.shape != y.shape or not (_is_dense(x) and _is_dense(y)):
        return sum_along(np.asarray(x * y), axes)
    total = np.asarray(np.vecdot(_rows(x, len(inner)), _rows(y, len(inner)))).reshape(_kept(y, len(inner)))
    outer = tuple(axis for axis in axes if axis not in inner)
    return np.asarray(np.sum(total, axis=outer, keepdims=True) if outer else total)


def _last_of(axes: Axes, ndim: int) -> Axes:
    """Return those of the axes that are the last ones, without a gap."""
    first = ndim
    while first - 1 in axes:
        first -= 1
    return tuple(range(first, ndim))


def _is_dense(x: Array) -> bool:
    return x.flags.c_contiguous and x.dtype.char in "fd" and x.size > 0


def _rows(x: Array, num_inner: int) -> Array:
    return x.reshape(-1, math.prod(x.shape[x.ndim - num_inner :]))


def _kept(x: Array, num_inner: int) -> Shape:
    return (*x.shape[: x.ndim - num_inner], *(1,) * num_inner)
