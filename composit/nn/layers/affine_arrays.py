"""Normalised elements times weight plus bias, and the three cotangents of that, by numpy: on blocks, in few passes over them.

Rows are the usual case: x normalised along its last axes, with a weight and a bias for each element of a row. Then what would
be a pass over the block is a product with a vector. Weakness: other weights than those of rows, or one for all elements of a
mean, take two passes more.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from composit.nn.blocks_of_arrays import aligned_empty, in_blocks
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
        memory, seen = _RowMemory(size[0], weight.reshape(1, -1), bias.reshape(1, -1)), x.reshape(size)
        fill = partial(_fill_rows_by_squares if _are_for_squares(seen, weight) else _fill_rows, epsilon, memory)
        in_blocks(fill, (1,), seen, *(each.reshape(rows) for each in moments), result.reshape(size), times=2)
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
        vectors = [each.reshape(1, -1) for each in (by_weight, by_bias)]
        fill = partial(_fill_gradient_of_rows, _RowMemory(mean.size, weight.reshape(1, -1), vectors[1]))
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


class _RowMemory:
    """Weight and bias, and temporaries that serve one block of rows after the other. They are as large as the first block.

    No later block is larger.

    num_rows:     those of all blocks
    weight, bias: one row each
    """

    __slots__ = ("_affine", "_columns", "_product", "_repeated", "_scaling", "bias", "num_rows", "weight")

    def __init__(self, num_rows: int, weight: Array, bias: Array) -> None:
        self.num_rows = num_rows
        self.weight = weight
        self.bias = bias
        self._affine: Array | None = None
        self._scaling: Array | None = None
        self._columns: Array | None = None
        self._product: Array | None = None
        self._repeated: Array | None = None

    def scaled_weight(self, column: Array) -> Array:
        """Return column * weight, which is there until the next call.

        BLAS computes it: a second term, of zeros, makes numpy call it, in half of the time of its own.
        """
        if self._scaling is None:
            self._scaling = np.zeros((2, self.weight.size), self.weight.dtype)
            self._scaling[0] = self.weight
        return self._with_second_term(column, self._scaling)

    def affine(self, column: Array) -> Array:
        """Return column * weight + bias, which is there until the next call."""
        if self._affine is None:
            self._affine = np.concatenate([self.weight, self.bias])
        return self._with_second_term(column, self._affine)

    def _with_second_term(self, column: Array, rows: Array) -> Array:
        count = len(column)
        if self._columns is None or self._product is None:
            self._columns = np.ones((count, 2), rows.dtype)
            self._product = aligned_empty((count, rows.shape[1]), rows.dtype)
        columns = self._columns[:count]
        columns[:, :1] = column
        found: Array = np.matmul(columns, rows, out=self._product[:count])
        return found

    def repeated_bias(self, count: int) -> Array:
        """Return what broadcasts to the bias for so many rows; if there are more blocks, numpy is faster with whole arrays."""
        if count == self.num_rows:
            return self.bias
        if self._repeated is None:
            self._repeated = np.repeat(self.bias, count, axis=0)
        return self._repeated[:count]


def _fill_rows(
    epsilon: float, memory: _RowMemory, x: Array, mean: Array, variance: Array, factor: Array, result: Array
) -> None:
    factor[...] = deviate((1,), epsilon, x, variance, mean, result)
    result *= memory.scaled_weight(factor)
    result += memory.repeated_bias(len(x))


def _fill_rows_by_squares(
    epsilon: float, memory: _RowMemory, x: Array, mean: Array, variance: Array, factor: Array, result: Array
) -> None:
    """Fill in the same without x - mean, which numpy computes row by row: x (f w) + (-mean f w + b), where that is as exact."""
    if not _fill_moments_by_squares(x, mean, variance):
        _fill_rows(epsilon, memory, x, mean, variance, factor, result)
        return
    np.divide(1, np.sqrt(variance + x.dtype.type(epsilon)), out=factor)
    np.multiply(x, memory.scaled_weight(factor), out=result)
    result += memory.affine(-mean * factor)


# With such weights, no product with x overflows where the product with x - mean does not.
_LARGEST_WEIGHT = 1e30
_FEW_BYTES = 1 << 18  # below, finding out whether squares are exact takes as long as they save


def _are_for_squares(x: Array, weight: Array) -> bool:
    return x.nbytes >= _FEW_BYTES and bool(np.max(np.abs(weight)) <= _LARGEST_WEIGHT)  # NaN is not


def _fill_moments_by_squares(x: Array, mean: Array, variance: Array) -> bool:
    """Fill in mean and mean(x x) - mean ** 2 of rows; return whether that is as exact as the mean of squared deviations.

    It is where mean ** 2 is at most the variance: the difference then loses one bit at most. Where it is not, the time is not lost:
    what reads a large x first takes longest, and from here on x is in a cache.
    """
    count = x.dtype.type(x.shape[1])
    with np.errstate(all="ignore"):  # rows with inf or NaN are computed the other way, which reports them
        squares = sum_of_products(x, x, (1,))  # in the order of memory, so it goes first
        squares /= count
        np.divide(sum_along(x, (1,)), count, out=mean)
        of_means = mean * mean
        np.subtract(squares, of_means, out=variance)
        of_means -= variance
        return bool(np.max(of_means) <= 0 and np.max(squares) < np.inf)  # NaN is not


def _fill_gradient_of_rows(
    memory: _RowMemory,
    g: Array,
    x: Array,
    mean: Array,
    factor: Array,
    by_weight: Array,
    by_bias: Array,
    result: Array,
) -> None:
    # With d = x - mean: f w g - (f f sum(f w g d) d + f sum(w g)) / n
    count, ones, weight = x.dtype.type(x.shape[1]), np.ones(len(x), x.dtype), memory.weight
    deviation = np.subtract(x, mean, out=np.empty_like(x))
    by_bias += ones @ g
    products = np.multiply(g, deviation, out=result)
    by_weight += factor.T @ products
    slope = products @ weight.T
    slope *= factor * factor * factor / count
    deviation *= slope
    deviation += (g @ weight.T) * (factor / count)
    np.multiply(g, memory.scaled_weight(factor), out=result)
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
