"""Windows as columns and back (unfold, fold), and channels moved into positions and back (pixel_shuffle, channel_shuffle).

UnfoldedWindows and FoldedWindows are each other's derivative.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.apply import apply, as_tensor
from composit.errors import ParameterError, ShapeError
from composit.nn.operations.pooling import spatial_operand
from composit.nn.operations.spatial import (
    Padding,
    PerAxis,
    check_kernel_fits,
    output_lengths,
    padding_sides,
    per_axis,
    windows,
)
from composit.numpy.tensor.lazy_tensor import LazyTensor
from composit.operation import Array, Operation, OperationKind, Shape, TensorType, VjpContext, tensor_type

__all__ = ["channel_shuffle", "fold", "pixel_shuffle", "pixel_unshuffle", "unfold"]

# Any, in arguments: tensors, arrays, and objects with __lazy_tensor__.


@dataclass(frozen=True, slots=True)
class UnfoldedWindows(Operation):
    """The windows along the last axes.

    Shapes:      (..., *lengths) -> (..., *kernel, *positions)
    Derivative:  FoldedWindows(g)
    """

    kernel: Shape
    strides: Shape
    dilation: Shape
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "unfolded_windows"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        start = x.ndim - len(self.kernel)
        positions = output_lengths(x.shape[start:], self.kernel, self.strides, self.dilation)
        return (tensor_type((*x.shape[:start], *self.kernel, *positions), x.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return windows(operands[0], self.kernel, self.strides, self.dilation).copy()

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        shape = context.xp.shape(context.operands[0])
        lengths = shape[len(shape) - len(self.kernel) :]
        folded = FoldedWindows(self.kernel, self.strides, self.dilation, lengths)
        return [context.xp.apply(folded, context.cotangents[0])]


@dataclass(frozen=True, slots=True)
class FoldedWindows(Operation):
    """The sum of all windows, each at its position: the adjoint of UnfoldedWindows.

    Shapes:      (..., *kernel, *positions) -> (..., *lengths)
    Derivative:  UnfoldedWindows(g)
    """

    kernel: Shape
    strides: Shape
    dilation: Shape
    lengths: Shape
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "folded_windows"

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        # Each element of a window is added once.
        return max(1, operand_types[0].size)

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        return (tensor_type((*x.shape[: x.ndim - 2 * len(self.kernel)], *self.lengths), x.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        (x,) = operands
        outer = x.shape[: x.ndim - 2 * len(self.kernel)]
        result = np.zeros((*outer, *self.lengths), x.dtype)
        seen = windows(result, self.kernel, self.strides, self.dilation)
        for tap in np.ndindex(*self.kernel):
            place = (slice(None),) * len(outer) + tap
            seen[place] += x[place]
        return result

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        unfolded = UnfoldedWindows(self.kernel, self.strides, self.dilation)
        return [context.xp.apply(unfolded, context.cotangents[0])]


def unfold(
    x: Any, *, kernel_size: PerAxis, strides: PerAxis = 1, padding: Padding = 0, dilation: PerAxis = 1
) -> LazyTensor:
    """Return the windows of x as columns.

    Shapes:      (n, channels, *lengths) -> (n, channels * taps, positions), taps and positions of all axes in row-major order
    Raises:      ShapeError, ParameterError: shapes, sizes or padding that do not fit
    Example:
        >>> unfold(cnp.ones((1, 3, 8, 8)), kernel_size=3).shape
        (1, 27, 36)

    Reference:   torch.nn.functional.unfold
    """
    tensor, rank, is_single = spatial_operand("unfold", x, kernel_size, False)
    kernel, steps = per_axis("unfold", "kernel_size", kernel_size, rank), per_axis("unfold", "strides", strides, rank)
    apart, lengths = per_axis("unfold", "dilation", dilation, rank), tensor.shape[2:]
    sides = padding_sides("unfold", padding, lengths, kernel, steps, apart)
    check_kernel_fits("unfold", kernel, apart, lengths, sides)
    padded = cnp.pad(tensor, ((0, 0), (0, 0), *sides)) if any(map(any, sides)) else tensor
    found = apply(UnfoldedWindows(kernel, steps, apart), padded)
    num_batch, num_channels = tensor.shape[:2]
    taps = math.prod(kernel)
    columns = cnp.reshape(found, (num_batch, num_channels * taps, math.prod(found.shape[2 + rank :])))
    return cnp.squeeze(columns, 0) if is_single else columns


def fold(
    x: Any,
    output_size: Sequence[int],
    *,
    kernel_size: PerAxis,
    strides: PerAxis = 1,
    padding: PerAxis = 0,
    dilation: PerAxis = 1,
) -> LazyTensor:
    """Return the sum of windows that are given as columns, each at its position: the derivative of `unfold`.

    Shapes:      (n, channels * taps, positions) -> (n, channels, *output_size)
    Raises:      ShapeError: the number of rows or columns does not fit; ParameterError: sizes of wrong form
    Example:
        >>> fold(cnp.ones((1, 27, 36)), (8, 8), kernel_size=3).shape
        (1, 3, 8, 8)

    Reference:   torch.nn.functional.fold
    """
    tensor, rank = as_tensor(x), len(output_size)
    is_single = tensor.ndim == 2
    if is_single:
        tensor = cnp.expand_dims(tensor, 0)
    lengths = per_axis("fold", "output_size", output_size, rank)
    kernel, steps = per_axis("fold", "kernel_size", kernel_size, rank), per_axis("fold", "strides", strides, rank)
    apart, cuts = per_axis("fold", "dilation", dilation, rank), per_axis("fold", "padding", padding, rank, least=0)
    padded = tuple(length + 2 * cut for length, cut in zip(lengths, cuts, strict=True))
    positions, taps = output_lengths(padded, kernel, steps, apart), math.prod(kernel)
    if tensor.ndim != 3 or tensor.shape[1] % taps or tensor.shape[2] != math.prod(positions) or min(positions) < 1:
        raise ShapeError(
            f"fold: got x with shape {np.shape(x)} for output_size {lengths} and kernels {kernel}; expected a multiple of {taps} rows and"
            f" {math.prod(positions)} columns, for {positions} positions; pass what unfold returned, and its parameters"
        )
    num_batch, num_channels = tensor.shape[0], tensor.shape[1] // taps
    split = cnp.reshape(tensor, (num_batch, num_channels, *kernel, *positions))
    whole = apply(FoldedWindows(kernel, steps, apart, padded), split)
    inside = tuple(slice(cut, cut + length) for cut, length in zip(cuts, lengths, strict=True))
    result = whole[:, :, *inside] if any(cuts) else whole
    return cnp.squeeze(result, 0) if is_single else result


def _factor(function: str, name: str, value: Any) -> int:
    return per_axis(function, name, value, 1)[0]


def pixel_shuffle(x: Any, upscale_factor: int) -> LazyTensor:
    """Return channels moved into positions: each position becomes factor x factor of them.

    Shapes:      (..., channels * factor ** 2, h, w) -> (..., channels, h * factor, w * factor)
    Raises:      ShapeError: the factor does not fit the channels, or x has less than three axes
    Example:
        >>> pixel_shuffle(cnp.ones((1, 8, 3, 3)), 2).shape
        (1, 2, 6, 6)

    Reference:   torch.nn.functional.pixel_shuffle
    """
    tensor, factor = as_tensor(x), _factor("pixel_shuffle", "upscale_factor", upscale_factor)
    if tensor.ndim < 3 or tensor.shape[-3] % factor**2:
        raise ShapeError(
            f"pixel_shuffle: got x with shape {tensor.shape} and upscale_factor={factor}; expected three axes or more, and channels (axis"
            f" -3) that {factor**2} divides; choose another factor"
        )
    *outer, channels, height, width = tensor.shape
    split = cnp.reshape(tensor, (*outer, channels // factor**2, factor, factor, height, width))
    count = len(outer)
    moved = cnp.transpose(split, (*range(count + 1), count + 3, count + 1, count + 4, count + 2))
    return cnp.reshape(moved, (*outer, channels // factor**2, height * factor, width * factor))


def pixel_unshuffle(x: Any, downscale_factor: int) -> LazyTensor:
    """Return positions moved into channels, as `pixel_shuffle` backwards.

    Shapes:      (..., channels, h * factor, w * factor) -> (..., channels * factor ** 2, h, w)
    Raises:      ShapeError: the factor does not divide height and width, or x has less than three axes
    Example:
        >>> pixel_unshuffle(cnp.ones((1, 2, 6, 6)), 2).shape
        (1, 8, 3, 3)

    Reference:   torch.nn.functional.pixel_unshuffle
    """
    tensor, factor = as_tensor(x), _factor("pixel_unshuffle", "downscale_factor", downscale_factor)
    if tensor.ndim < 3 or tensor.shape[-1] % factor or tensor.shape[-2] % factor:
        raise ShapeError(
            f"pixel_unshuffle: got x with shape {tensor.shape} and downscale_factor={factor}; expected three axes or more, and a height and"
            " width that the factor divides; pad or crop x"
        )
    *outer, channels, height, width = tensor.shape
    split = cnp.reshape(tensor, (*outer, channels, height // factor, factor, width // factor, factor))
    count = len(outer)
    moved = cnp.transpose(split, (*range(count + 1), count + 2, count + 4, count + 1, count + 3))
    return cnp.reshape(moved, (*outer, channels * factor**2, height // factor, width // factor))


def channel_shuffle(x: Any, groups: int) -> LazyTensor:
    """Return the channels in another order: the first of each group, then the second of each, ...

    Shapes:      (n, channels, ...) -> the same
    Raises:      ShapeError: x has less than two axes; ParameterError: groups do not divide the channels
    Example:
        >>> cnp.evaluate(channel_shuffle(cnp.arange(4).reshape(1, 4), 2)).tolist()
        [[0, 2, 1, 3]]

    Reference:   torch.nn.functional.channel_shuffle
    """
    tensor, count = as_tensor(x), _factor("channel_shuffle", "groups", groups)
    if tensor.ndim < 2:
        raise ShapeError(
            f"channel_shuffle: got x with shape {tensor.shape}; expected axes for batch and channels; add one with expand_dims"
        )
    num_batch, channels, *rest = tensor.shape
    if channels % count:
        raise ParameterError(
            f"channel_shuffle: groups={groups!r} was given for {channels} channels of x with shape {tensor.shape}; expected a number that"
            f" divides {channels}; pass groups=1 to leave them"
        )
    split = cnp.reshape(tensor, (num_batch, count, channels // count, *rest))
    return cnp.reshape(cnp.swapaxes(split, 1, 2), tensor.shape)
