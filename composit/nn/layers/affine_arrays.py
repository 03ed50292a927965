"""Normalised elements times weight plus bias, and the three cotangents of that, by numpy: on blocks, in few passes over them.

Rows are the usual case: x normalised along its last axes, with a weight and a bias for each element of a row. Then what would
be a pass over the block is a product with a vector. Weakness: other weights than those of rows, or one for all elements of a
mean, take two passes more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from composit.nn.blocks_of_arrays import in_blocks
from composit.nn.layers.normalized import deviate
from composit.nn.row_sums import count_along, sum_along, sum_of_products
from composit.numpy.reductions.arguments import reduced_shape
from composit.operation import Array, Axes, Shape

Results = tuple[Array, Array, Array, Array]


def normalize_affine(axes: Axes, epsilon: float, x: Array, weight: Array, bias: Array) -> Results:
    """Return (x - mean) factor weight + bias, the mean, the variance, and factor = 1 / sqrt(variance + epsilon)."""
    result, shape = np.empty_like(x, subok=False), reduced_shape(x.shape, axes, True)
    mean, variance, factor = (np.empty(shape, x.dtype) for _ in range(3))
    moments = (mean, variance, factor)
    if _are_rows(axes, x, weight.shape, bias.shape):
        size, rows = (math.prod(shape), weight.size), (math.prod(shape), 1)
        seen = (x.reshape(size), weight.reshape(1, -1), bias.reshape(1, -1), *(each.reshape(rows) for each in moments))
        fill = partial(_fill_rows, epsilon, _RowMemory(math.prod(shape)))
        in_blocks(fill, (1,), *seen, result.reshape(size), times=2)
    else:
        in_blocks(partial(_fill, axes, epsilon), axes, x, weight, bias, *moments, result)
    return result, mean, variance, factor


def affine_gradient(
    axes: Axes, bias_shape: Shape, g: Array, x: Array, mean: Array, factor: Array, weight: Array
) -> tuple[Array, Array, Array]:
    """Return the cotangents of x, weight and bias from g, that of the result. Blocks add to sums in the order of the blocks."""
    result = np.empty_like(x, subok=False)
    by_weight, by_bias = (
        np.zeros((1,) * (x.ndim - len(shape)) + shape, x.dtype) for shape in (weight.shape, bias_shape)
    )
    if _are_rows(axes, x, weight.shape, bias_shape):
        size, rows = (mean.size, weight.size), (mean.size, 1)
        seen = (g.reshape(size), x.reshape(size), mean.reshape(rows), factor.reshape(rows))
        vectors = (each.reshape(1, -1) for each in (weight, by_weight, by_bias))
        fill = partial(_fill_gradient_of_rows, _RowMemory(mean.size))
        in_blocks(fill, (1,), *seen, *vectors, result.reshape(size))
    else:
        is_one = all(by_weight.shape[axis] == by_bias.shape[axis] == 1 for axis in axes)
        general = partial(_fill_gradient_of_one if is_one else _fill_gradient, axes)
        in_blocks(general, axes, g, x, mean, factor, weight, by_weight, by_bias, result)
    return result, by_weight.reshape(weight.shape), by_bias.reshape(bias_shape)


def _are_rows(axes: Axes, x: Array, weight_shape: Shape, bias_shape: Shape) -> bool:
    """Return whether x is normalised along its last axes, whose lengths are the shapes of weight and bias."""
    start = x.ndim - len(axes)
    is_last = sorted(axes) == list(range(start, x.ndim))
    return is_last and bool(x.size) and x.flags.c_contiguous and weight_shape == bias_shape == x.shape[start:]


def _fill(
    axes: Axes,
    epsilon: float,
    x: Array,
    weight: Array,
    bias: Array,
    mean: Array,
    variance: Array,
    factor: Array,
    result: Array,
) -> None:
    factor[...] = deviate(axes, epsilon, x, variance, mean, result)
    result *= factor
    result *= weight
    result += bias


@dataclass(slots=True)
class _RowMemory:
    """Arrays as large as a block that serve one block after the other; the first block is the largest.

    num_rows: those of all blocks
    """

    num_rows: int
    product: Array | None = None
    repeated: Array | None = None

    def outer(self, column: Array, row: Array) -> Array:
        """Return column * row, which is there until the next call.

        BLAS computes it: a second term, of zeros, makes numpy call it, in half of the time of its own.
        """
        if self.product is None:
            self.product = np.empty((len(column), row.size), row.dtype)
        terms = np.hstack([column, np.zeros_like(column)]), np.vstack([row, np.zeros_like(row)])
        found: Array = np.matmul(*terms, out=self.product[: len(column)])
        return found

    def rows(self, row: Array, count: int) -> Array:
        """Return what broadcasts to a row for each of so many; if there are more blocks, numpy is faster with whole arrays."""
        if count == self.num_rows:
            return row
        if self.repeated is None:
            self.repeated = np.repeat(row, count, axis=0)
        return self.repeated[:count]


def _fill_rows(
    epsilon: float,
    memory: _RowMemory,
    x: Array,
    weight: Array,
    bias: Array,
    mean: Array,
    variance: Array,
    factor: Array,
    result: Array,
) -> None:
    factor[...] = deviate((1,), epsilon, x, variance, mean, result)
    result *= memory.outer(factor, weight)
    result += memory.rows(bias, len(x))


def _fill_gradient_of_rows(
    memory: _RowMemory,
    g: Array,
    x: Array,
    mean: Array,
    factor: Array,
    weight: Array,
    by_weight: Array,
    by_bias: Array,
    result: Array,
) -> None:
    # With d = x - mean: f w g - (f f sum(f w g d) d + f sum(w g)) / n
    count, ones = x.dtype.type(x.shape[1]), np.ones(len(x), x.dtype)
    deviation = np.subtract(x, mean, out=np.empty_like(x))
    by_bias += ones @ g
    products = np.multiply(g, deviation, out=result)
    by_weight += factor.T @ products
    slope = products @ weight.T
    slope *= factor * factor * factor / count
    deviation *= slope
    deviation += (g @ weight.T) * (factor / count)
    np.multiply(g, memory.outer(factor, weight), out=result)
    result -= deviation


def _sums_to(x: Array, result: Array) -> Array:
    """Return x summed along the axes in which the result has the length 1."""
    return sum_along(x, tuple(axis for axis, length in enumerate(result.shape) if length == 1))


def _fill_gradient_of_one(
    axes: Axes,
    g: Array,
    x: Array,
    mean: Array,
    factor: Array,
    weight: Array,
    by_weight: Array,
    by_bias: Array,
    result: Array,
) -> None:
    """Fill in where one weight belongs to all elements of a mean, so that sums of g w are those of g, times w."""
    count = x.dtype.type(count_along(x.shape, axes))
    deviation = np.subtract(x, mean, out=np.empty_like(x))
    of_products, of_g = factor * sum_of_products(g, deviation, axes), sum_along(g, axes)
    by_weight += _sums_to(of_products, by_weight)
    by_bias += _sums_to(of_g, by_bias)
    deviation *= factor * of_products / count
    np.subtract(g, deviation, out=result)
    result -= of_g / count
    result *= factor * weight


def _fill_gradient(
    axes: Axes,
    g: Array,
    x: Array,
    mean: Array,
    factor: Array,
    weight: Array,
    by_weight: Array,
    by_bias: Array,
    result: Array,
) -> None:
    count = x.dtype.type(count_along(x.shape, axes))
    y = np.subtract(x, mean, out=np.empty_like(x))
    y *= factor
    by_bias += _sums_to(g, by_bias)
    by_weight += _sums_to(np.multiply(g, y, out=result), by_weight)
    scaled = np.multiply(g, weight, out=result)
    along_y, along = sum_of_products(scaled, y, axes) / count, sum_along(scaled, axes) / count
    y *= along_y
    scaled -= along
    scaled -= y
    scaled *= factor
