"""Maxima, averages and norms of windows of one, two or three spatial axes, and unpooling.

As torch has them: `ceil_mode`, what padding counts for, and which of equal elements is the largest. Pooling to a given
number of positions is in `adaptive_pooling`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np

import composit.numpy as cnp
from composit.apply import apply, as_tensor
from composit.errors import DtypeError, ParameterError, ShapeError
from composit.nn.arguments import counted_from_start
from composit.nn.operations.pooling_windows import WindowMaximum, WindowSum, indices_of_maxima
from composit.nn.operations.spatial import (
    Padding,
    PerAxis,
    Sides,
    check_kernel_fits,
    effective_lengths,
    padding_sides,
    per_axis,
)
from composit.numpy.tensor.lazy_tensor import LazyTensor
from composit.operation import Array, Dtype, Shape

__all__ = ["average_pool", "lp_pool", "max_pool", "max_unpool"]

# Any, in arguments: tensors, arrays, and objects with __lazy_tensor__.


@dataclass(frozen=True, slots=True)
class _Pooling:
    """One call, with x in the form (n, channels, *lengths).

    sides: how much each axis is padded; `after` reaches to the end of the last window
    """

    x: LazyTensor
    kernel: Shape
    strides: Shape
    dilation: Shape
    sides: Sides
    positions: Shape
    channels_last: bool
    is_single: bool

    def padded(self, value: float) -> LazyTensor:
        """Return x with a border of one value."""
        if not any(map(any, self.sides)):
            return self.x
        return cnp.pad(self.x, ((0, 0), (0, 0), *self.sides), constant_values=value)

    def finished(self, result: LazyTensor) -> LazyTensor:
        """Return the result in the caller's form."""
        if self.channels_last:
            result = cnp.moveaxis(result, 1, -1)
        return cnp.squeeze(result, 0) if self.is_single else result

    @property
    def moves(self) -> tuple[Shape, Shape, Shape]:
        """The parameters of operations on windows."""
        return self.kernel, self.strides, self.dilation


def _pooling(
    function: str,
    x: Any,
    kernel_size: PerAxis,
    channels_last: bool,
    strides: PerAxis | None,
    padding: Padding,
    dilation: PerAxis,
    ceil_mode: bool,
) -> _Pooling:
    tensor, rank, is_single = spatial_operand(function, x, kernel_size, channels_last)
    kernel = per_axis(function, "kernel_size", kernel_size, rank)
    steps = kernel if strides is None else per_axis(function, "strides", strides, rank)
    apart, lengths = per_axis(function, "dilation", dilation, rank), tensor.shape[2:]
    sides = padding_sides(function, padding, lengths, kernel, steps, apart)
    spans = effective_lengths(kernel, apart)
    padded = tuple(length + sum(side) for length, side in zip(lengths, sides, strict=True))
    if ceil_mode:
        kernel = tuple(map(_taps_within, kernel, apart, steps, padded))
    check_kernel_fits(function, kernel, apart, lengths, sides)
    if any(max(side) > span // 2 for side, span in zip(sides, spans, strict=True)):
        raise ParameterError(
            f"{function}: padding={padding!r} was given for kernels that span {spans} elements; expected at most half of that on each"
            " side, so that each window has an element of x; pass less padding, or pad x with cnp.pad"
        )
    found = [
        _positions(length, span, step, side, ceil_mode)
        for length, span, step, side in zip(lengths, spans, steps, sides, strict=True)
    ]
    reached = tuple(
        (before, max(after, (count - 1) * step + span - length - before))
        for (before, after), count, step, span, length in zip(
            sides, found, steps, effective_lengths(kernel, apart), lengths, strict=True
        )
    )
    return _Pooling(tensor, kernel, steps, apart, reached, tuple(found), channels_last, is_single)


def _taps_within(taps: int, apart: int, step: int, padded: int) -> int:
    """Return how many taps a window needs along an axis that it may reach beyond: with one window, those within the axis.

    EfficientNet's last pooling has kernels of 2560 x 2560 elements on images of 7 x 7.
    """
    beyond = apart * (taps - 1) + 1 - padded
    return (padded - 1) // apart + 1 if 0 < beyond < step and padded else taps


def _positions(length: int, span: int, step: int, side: tuple[int, int], ceil_mode: bool) -> int:
    """Return the number of windows along an axis; with `ceil_mode`, the last may reach beyond the padding."""
    room = length + sum(side) - span
    if not ceil_mode:
        return room // step + 1
    count = -(-room // step) + 1
    # The last window starts within x or the padding before it.
    return count - 1 if (count - 1) * step >= length + side[0] else count


def spatial_operand(function: str, x: Any, per_axis_argument: Any, channels_last: bool) -> tuple[LazyTensor, int, bool]:
    """Return x as (n, channels, *lengths), the number of spatial axes, and whether x came without n.

    An argument with one number for each spatial axis says how many there are; else x has all its axes.

    Raises:  ShapeError: x has other numbers of axes; DtypeError: x does not hold real numbers
    """
    tensor = as_tensor(x)
    given = len(per_axis_argument) if np.ndim(per_axis_argument) else 0
    rank = given if given > 1 or tensor.ndim == 2 else tensor.ndim - 2
    if rank not in (1, 2, 3) or tensor.ndim not in (rank + 1, rank + 2):
        raise ShapeError(
            f"{function}: got x with shape {tensor.shape} and {per_axis_argument!r}; expected x with axes for batch and channels and one"
            " to three spatial ones, or without batch and with one number for each spatial axis; reshape x"
        )
    if tensor.dtype.kind not in "iuf":
        raise DtypeError(f"{function}: got x of {tensor.dtype}; expected real numbers; convert it with astype")
    is_single = tensor.ndim == rank + 1
    if is_single:
        tensor = cnp.expand_dims(tensor, 0)
    return cnp.moveaxis(tensor, -1, 1) if channels_last else tensor, rank, is_single


def _lowest(dtype: Dtype) -> float:
    return -np.inf if dtype.kind == "f" else int(np.iinfo(dtype).min)


@overload
def max_pool(
    x: Any,
    *,
    kernel_size: PerAxis,
    channels_last: bool = ...,
    strides: PerAxis | None = ...,
    padding: Padding = ...,
    dilation: PerAxis = ...,
    ceil_mode: bool = ...,
    return_indices: Literal[False] = ...,
) -> LazyTensor: ...


@overload
def max_pool(
    x: Any,
    *,
    kernel_size: PerAxis,
    channels_last: bool = ...,
    strides: PerAxis | None = ...,
    padding: Padding = ...,
    dilation: PerAxis = ...,
    ceil_mode: bool = ...,
    return_indices: Literal[True],
) -> tuple[LazyTensor, LazyTensor]: ...


def max_pool(
    x: Any,
    *,
    kernel_size: PerAxis,
    channels_last: bool = False,
    strides: PerAxis | None = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> LazyTensor | tuple[LazyTensor, LazyTensor]:
    """Return the largest element of each window; with `return_indices`, also its index in the spatial axes, flattened.

    strides:   1 unless given (torch's default is the kernel size: None here)
    padding:   elements that are never the largest, on both sides: at most half of the kernel
    ceil_mode: also windows that reach beyond the padded end, as long as they start before it

    Shapes:      (n, channels, *lengths) -> (n, channels, *positions); channels_last: (n, *lengths, channels) -> ...
                 x may be without n if kernel_size has a number for each spatial axis
    Raises:      ShapeError, ParameterError: shapes, sizes or padding that do not fit
    Example:
        >>> max_pool(cnp.ones((1, 3, 8, 8)), kernel_size=2, strides=2).shape
        (1, 3, 4, 4)

    Reference:   torch.nn.functional.max_pool2d
    """
    pooling = _pooling("max_pool", x, kernel_size, channels_last, strides, padding, dilation, ceil_mode)
    x, seen = pooling.x, pooling.padded(_lowest(pooling.x.dtype))
    maximum = WindowMaximum(*pooling.moves, tuple(before for before, _ in pooling.sides))
    if not return_indices:
        return pooling.finished(apply(maximum, x) if seen is x else apply(maximum, x, seen))
    outer = x.shape[:2]
    indices = indices_of_maxima(apply, maximum, x.shape[2:], seen, (*outer, *pooling.positions))
    values = cnp.take_along_axis(flattened(x), flattened(indices), axis=2)
    return pooling.finished(cnp.reshape(values, indices.shape)), pooling.finished(indices.astype(np.int64))


def flattened(x: LazyTensor) -> LazyTensor:
    """Return x with its spatial axes as one: (n, channels, elements)."""
    return cnp.reshape(x, (*x.shape[:2], math.prod(x.shape[2:])))


def average_pool(
    x: Any,
    *,
    kernel_size: PerAxis,
    channels_last: bool = False,
    strides: PerAxis | None = 1,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> LazyTensor:
    """Return the average of each window.

    strides:           1 unless given (torch's default is the kernel size: None here)
    padding:           zeros, on both sides: at most half of the kernel
    ceil_mode:         also windows that reach beyond the padded end; what lies there does not count
    count_include_pad: whether the padding counts as elements
    divisor_override:  what sums are divided by, instead of the number of elements

    Shapes:      as max_pool
    Dtype:       that of x; float64 for integers
    Raises:      ShapeError, ParameterError: shapes, sizes or padding that do not fit
    Example:
        >>> average_pool(cnp.ones((1, 3, 8, 8)), kernel_size=2, strides=2).shape
        (1, 3, 4, 4)

    Reference:   torch.nn.functional.avg_pool2d
    """
    if divisor_override is not None and not divisor_override:
        raise ParameterError(
            "average_pool: divisor_override=0 was given; expected a number other than 0; pass None for the number of elements"
        )
    asked = padding
    pooling = _pooling("average_pool", x, kernel_size, channels_last, strides, padding, 1, ceil_mode)
    sums = apply(WindowSum(*pooling.moves), pooling.padded(0))
    if divisor_override is not None:
        return pooling.finished(sums / divisor_override)
    plain = padding_sides("average_pool", asked, pooling.x.shape[2:], *pooling.moves) if count_include_pad else None
    return pooling.finished(sums / _divisors(pooling, plain, sums.dtype))


def _divisors(pooling: _Pooling, counted: Sides | None, dtype: Dtype) -> int | Array:
    """Return how many elements each window has, of x and the sides that count: one number where it is the same for all."""
    result: Array = np.ones((), np.int64)
    for axis, count in enumerate(pooling.positions):
        length, before = pooling.x.shape[2 + axis], pooling.sides[axis][0]
        low, high = (0, length) if counted is None else (-before, length + counted[axis][1])
        start = np.arange(count) * pooling.strides[axis] - before
        inside = np.minimum(start + pooling.kernel[axis], high) - np.maximum(start, low)
        result = result[..., None] * inside
    if result.size and (result == result.flat[0]).all():
        return int(result.flat[0])
    return result.astype(dtype if dtype.kind == "f" else np.float64)


def lp_pool(
    x: Any,
    norm: float,
    *,
    kernel_size: PerAxis,
    channels_last: bool = False,
    strides: PerAxis | None = 1,
    ceil_mode: bool = False,
) -> LazyTensor:
    """Return the norm of each window: (sum of x ** norm) ** (1 / norm), as torch has it.

    Shapes:      as max_pool
    Raises:      ShapeError, ParameterError: shapes or sizes that do not fit
    Example:
        >>> lp_pool(cnp.ones((1, 3, 8, 8)), 2, kernel_size=2, strides=2).shape
        (1, 3, 4, 4)

    Reference:   torch.nn.functional.lp_pool2d
    """
    if not norm:
        raise ParameterError("lp_pool: norm=0 was given; expected another number; count elements with average_pool")
    powers = cnp.power(x, norm)
    averages = average_pool(
        powers, kernel_size=kernel_size, channels_last=channels_last, strides=strides, ceil_mode=ceil_mode
    )
    _, rank, _ = spatial_operand("lp_pool", x, kernel_size, channels_last)
    sums = averages * math.prod(per_axis("lp_pool", "kernel_size", kernel_size, rank))
    return cnp.power(sums, 1.0 / norm)


def max_unpool(
    x: Any,
    indices: Any,
    *,
    kernel_size: PerAxis,
    channels_last: bool = False,
    strides: PerAxis | None = None,
    padding: PerAxis = 0,
    output_size: Sequence[int] | None = None,
) -> LazyTensor:
    """Return zeros with the elements of x at their indices, as `max_pool` returns them.

    output_size: the spatial lengths of the result; without, (positions - 1) * strides - 2 * padding + kernel_size

    Shapes:      two of (n, channels, *positions) -> (n, channels, *output_size); channels_last as max_pool
    Raises:      ShapeError: x and indices differ in shape; ParameterError: sizes that do not fit;
                 IndexError: numpy's, an index is negative or out of bounds
    Example:
        >>> values, indices = max_pool(cnp.ones((1, 3, 8, 8)), kernel_size=2, strides=2, return_indices=True)
        >>> max_unpool(values, indices, kernel_size=2).shape
        (1, 3, 8, 8)

    Reference:   torch.nn.functional.max_unpool2d
    """
    tensor, rank, is_single = spatial_operand("max_unpool", x, kernel_size, channels_last)
    places = spatial_operand("max_unpool", indices, kernel_size, channels_last)[0]
    if tensor.shape != places.shape:
        raise ShapeError(
            f"max_unpool: got x with shape {np.shape(x)} and indices with shape {np.shape(indices)}; expected equal shapes; pass both as"
            " max_pool returned them"
        )
    kernel = per_axis("max_unpool", "kernel_size", kernel_size, rank)
    steps = kernel if strides is None else per_axis("max_unpool", "strides", strides, rank)
    cuts = per_axis("max_unpool", "padding", padding, rank, least=0)
    lengths = tuple(
        (count - 1) * step - 2 * cut + taps
        for count, step, cut, taps in zip(tensor.shape[2:], steps, cuts, kernel, strict=True)
    )
    if output_size is not None:
        lengths = per_axis("max_unpool", "output_size", tuple(output_size)[-rank:], rank)
    outer = tensor.shape[:2]
    result = cnp.zeros((*outer, math.prod(lengths)), tensor.dtype)
    flat = (*outer, math.prod(tensor.shape[2:]))
    positions = counted_from_start(cnp.reshape(places, flat), result.shape[-1])
    cnp.put_along_axis(result, positions, cnp.reshape(tensor, flat), -1)
    spread = cnp.reshape(result, (*outer, *lengths))
    if channels_last:
        spread = cnp.moveaxis(spread, 1, -1)
    return cnp.squeeze(spread, 0) if is_single else spread
