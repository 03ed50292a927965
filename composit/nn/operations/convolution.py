"""Convolution of one, two or three spatial axes, and transposed convolution.

The sum of x * filters * g over all positions and taps is linear in each of the three, so three operations suffice for derivatives
of every order: each is the derivative of the other two. They take padded operands with channels first; the functions bring
their arguments into this form. What numpy computes is in `convolution_arrays`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.apply import apply, as_tensor
from composit.errors import DtypeError, ParameterError, ShapeError
from composit.nn.operations.convolution_arrays import Steps, convolve, correlate, spread
from composit.nn.operations.spatial import (
    Padding,
    PerAxis,
    Sides,
    check_kernel_fits,
    output_lengths,
    padding_sides,
    per_axis,
)
from composit.numpy.tensor.lazy_tensor import LazyTensor
from composit.operation import Array, Dtype, Operation, OperationKind, Shape, TensorType, VjpContext, tensor_type

__all__ = ["convolution", "transposed_convolution"]

# Any, in arguments: tensors, arrays, and objects with __lazy_tensor__.

_NUMPYS_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@dataclass(frozen=True, slots=True)
class Convolution(Operation):
    """result[n, o, p] = sum over c, k of x[n, c, strides * p + dilation * k] * filters[o, c, k], group by group.

    Shapes:      (n, groups * c, *lengths), (groups * o, c, *kernel) -> (n, groups * o, *positions)
    Dtype:       numpy promotion of both operands
    Derivative:  dx = TransposedConvolution(g, filters), dfilters = FilterGradient(x, g)
    """

    strides: Shape
    dilation: Shape
    groups: int
    kind = OperationKind.CONTRACTION

    @property
    def aliases(self) -> tuple[str, ...]:
        return "conv", f"conv{len(self.strides)}d"

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        return _num_products(result_types[0], operand_types[1])

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        x, filters = operand_types
        positions = output_lengths(x.shape[2:], filters.shape[2:], self.strides, self.dilation)
        return (tensor_type((x.shape[0], filters.shape[0], *positions), _product_dtype(x, filters)),)

    def evaluate(self, *operands: Array) -> Array:
        return convolve(*_of_one_dtype(*operands), Steps(self.strides, self.dilation, self.groups))

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x, filters) = context.xp, context.cotangents, context.operands
        steps = (self.strides, self.dilation, self.groups)
        return [
            xp.apply(TransposedConvolution(*steps, xp.shape(x)[2:]), g, filters) if context.needs[0] else None,
            xp.apply(FilterGradient(*steps, xp.shape(filters)[2:]), x, g) if context.needs[1] else None,
        ]


@dataclass(frozen=True, slots=True)
class TransposedConvolution(Operation):
    """result[n, c, q] = sum of x[n, o, p] * filters[o, c, k] over all o, p, k with strides * p + dilation * k = q.

    lengths: the spatial lengths of the result, for which a convolution has as many positions as x

    Shapes:      (n, groups * o, *positions), (groups * o, c, *kernel) -> (n, groups * c, *lengths)
    Dtype:       numpy promotion of both operands
    Derivative:  dx = Convolution(g, filters), dfilters = FilterGradient(g, x)
    """

    strides: Shape
    dilation: Shape
    groups: int
    lengths: Shape
    kind = OperationKind.CONTRACTION

    @property
    def name(self) -> str:
        return "transposed_convolution"

    @property
    def aliases(self) -> tuple[str, ...]:
        return "conv_transpose", f"conv_transpose{len(self.strides)}d"

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        return _num_products(*operand_types)

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        x, filters = operand_types
        shape = (x.shape[0], self.groups * filters.shape[1], *self.lengths)
        return (tensor_type(shape, _product_dtype(x, filters)),)

    def evaluate(self, *operands: Array) -> Array:
        return spread(*_of_one_dtype(*operands), self.lengths, Steps(self.strides, self.dilation, self.groups))

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x, filters) = context.xp, context.cotangents, context.operands
        steps = (self.strides, self.dilation, self.groups)
        return [
            xp.apply(Convolution(*steps), g, filters) if context.needs[0] else None,
            xp.apply(FilterGradient(*steps, xp.shape(filters)[2:]), g, x) if context.needs[1] else None,
        ]


@dataclass(frozen=True, slots=True)
class FilterGradient(Operation):
    """result[o, c, k] = sum over n, p of x[n, c, strides * p + dilation * k] * g[n, o, p], group by group.

    Shapes:      (n, groups * c, *lengths), (n, groups * o, *positions) -> (groups * o, c, *kernel)
    Dtype:       numpy promotion of both operands
    Derivative:  dx = TransposedConvolution(g, cotangent), dg = Convolution(x, cotangent)
    """

    strides: Shape
    dilation: Shape
    groups: int
    kernel: Shape
    kind = OperationKind.CONTRACTION

    @property
    def name(self) -> str:
        return "filter_gradient"

    @property
    def aliases(self) -> tuple[str, ...]:
        return "conv_weight", f"conv{len(self.strides)}d_weight"

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        return _num_products(operand_types[1], result_types[0])

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        x, g = operand_types
        shape = (g.shape[1], x.shape[1] // self.groups, *self.kernel)
        return (tensor_type(shape, _product_dtype(x, g)),)

    def evaluate(self, *operands: Array) -> Array:
        return correlate(*_of_one_dtype(*operands), self.kernel, Steps(self.strides, self.dilation, self.groups))

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (cotangent,), (x, g) = context.xp, context.cotangents, context.operands
        steps = (self.strides, self.dilation, self.groups)
        return [
            xp.apply(TransposedConvolution(*steps, xp.shape(x)[2:]), g, cotangent) if context.needs[0] else None,
            xp.apply(Convolution(*steps), x, cotangent) if context.needs[1] else None,
        ]


def _num_products(positions: TensorType, filters: TensorType) -> int:
    # Each element of the result of a convolution is a sum over one filter.
    return max(1, positions.size * math.prod(filters.shape[1:]))


def _product_dtype(first: TensorType, second: TensorType) -> Dtype:
    return np.result_type(first.dtype, second.dtype)


def _of_one_dtype(first: Array, second: Array) -> tuple[Array, Array]:
    dtype = np.result_type(first, second)
    return first.astype(dtype, copy=False), second.astype(dtype, copy=False)


def convolution(
    x: Any,
    filters: Any,
    bias: Any = None,
    *,
    channels_last: bool = False,
    strides: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> LazyTensor:
    """Return the convolution of x with filters: as usual in networks, the filters are not reversed.

    padding:      a number, one or a pair (before, after) for each axis, "same" for ceil(length / stride) positions, or "valid"
    padding_mode: "zeros", "reflect", "replicate" or "circular"

    Shapes:      (n, channels, *lengths), (outputs, channels / groups, *kernel) -> (n, outputs, *positions)
                 channels_last: (n, *lengths, channels), (outputs, *kernel, channels / groups) -> (n, *positions, outputs)
                 x may be without n; there are one to three spatial axes, as many as filters has
    Dtype:       numpy promotion of the operands
    Raises:      ShapeError: shapes that do not fit each other; ParameterError: strides, padding, ... of wrong form or value

    Example:
        >>> convolution(cnp.ones((1, 3, 8, 8)), cnp.ones((16, 3, 3, 3)), strides=2, padding=1).shape
        (1, 16, 4, 4)

    Reference:   torch.nn.functional.conv2d
    """
    tensor, kernels, is_single = _channels_first("convolution", x, filters, channels_last)
    rank, kernel = kernels.ndim - 2, kernels.shape[2:]
    moves = per_axis("convolution", "strides", strides, rank), per_axis("convolution", "dilation", dilation, rank)
    groups = _checked_groups("convolution", groups, kernels.shape[0], "outputs (axis 0) of filters", kernels.shape)
    if tensor.shape[1] != kernels.shape[1] * groups:
        raise ShapeError(
            f"convolution: x with shape {np.shape(x)} has {tensor.shape[1]} channels, but filters with shape {np.shape(filters)} take"
            f" {kernels.shape[1]} in each of {groups} groups; expected channels = groups * {kernels.shape[1]}; transpose one of"
            f" them, or change groups or channels_last={channels_last}"
        )
    sides = padding_sides("convolution", padding, tensor.shape[2:], kernel, *moves)
    check_kernel_fits("convolution", kernel, moves[1], tensor.shape[2:], sides)
    result = apply(Convolution(*moves, groups), _padded(tensor, sides, padding_mode), kernels)
    return _finished(_with_bias("convolution", result, bias), channels_last, is_single)


def transposed_convolution(
    x: Any,
    filters: Any,
    bias: Any = None,
    *,
    channels_last: bool = False,
    strides: PerAxis = 1,
    padding: PerAxis = 0,
    output_padding: PerAxis = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> LazyTensor:
    """Return the derivative by its input of a convolution with these parameters: x spread over a larger result.

    padding:        how much to cut from both sides of each axis of the result
    output_padding: how much longer the result is at the end, where a convolution with strides reads lengths as one

    Shapes:      (n, channels, *positions), (channels, outputs / groups, *kernel) -> (n, outputs, *lengths)
                 lengths = (positions - 1) * strides - 2 * padding + dilation * (kernel - 1) + output_padding + 1
                 channels_last: (n, *positions, channels), (channels, *kernel, outputs / groups) -> (n, *lengths, outputs)
    Dtype:       numpy promotion of the operands
    Raises:      ShapeError, ParameterError: as convolution

    Example:
        >>> transposed_convolution(cnp.ones((1, 16, 4, 4)), cnp.ones((16, 3, 2, 2)), strides=2).shape
        (1, 3, 8, 8)

    Reference:   torch.nn.functional.conv_transpose2d
    """
    function = "transposed_convolution"
    tensor, kernels, is_single = _channels_first(function, x, filters, channels_last)
    rank, positions, kernel = kernels.ndim - 2, tensor.shape[2:], kernels.shape[2:]
    moves = per_axis(function, "strides", strides, rank), per_axis(function, "dilation", dilation, rank)
    cuts = per_axis(function, "padding", padding, rank, least=0)
    extra = per_axis(function, "output_padding", output_padding, rank, least=0)
    groups = _checked_groups(function, groups, tensor.shape[1], "channels of x", np.shape(x))
    _check_output_padding(extra, *moves)
    if tensor.shape[1] != kernels.shape[0]:
        raise ShapeError(
            f"{function}: x with shape {np.shape(x)} has {tensor.shape[1]} channels, but filters with shape {np.shape(filters)} take"
            f" {kernels.shape[0]} (axis 0); expected equal numbers; transpose one of them, or change channels_last={channels_last}"
        )
    full = [
        (max(count, 1) - 1) * step + apart * (taps - 1) + 1
        for count, taps, step, apart in zip(positions, kernel, *moves, strict=True)
    ]
    lengths = [length - 2 * cut + more for length, cut, more in zip(full, cuts, extra, strict=True)]
    if min(lengths, default=1) < 1 or 0 in positions:
        raise ShapeError(
            f"{function}: x with spatial lengths {positions}, kernels {kernel} and padding {cuts} give a result with lengths"
            f" {tuple(lengths)}; expected at least 1; pass less padding"
        )
    # A convolution of a length has one more position with each further `strides` elements: the rest is zeros.
    reached = tuple(length + min(more, step - 1) for length, more, step in zip(full, extra, moves[0], strict=True))
    result = apply(TransposedConvolution(*moves, groups, reached), tensor, kernels)
    rest = tuple((0, length + more - have) for length, more, have in zip(full, extra, reached, strict=True))
    result = _padded(result, rest, "zeros")
    inside = tuple(slice(cut, cut + length) for cut, length in zip(cuts, lengths, strict=True))
    cropped = result if result.shape[2:] == tuple(lengths) else result[:, :, *inside]
    return _finished(_with_bias(function, cropped, bias), channels_last, is_single)


def _channels_first(function: str, x: Any, filters: Any, channels_last: bool) -> tuple[LazyTensor, LazyTensor, bool]:
    """Return both operands with channels first, x with an axis for the batch, and whether x came without that axis."""
    tensor, kernels = as_tensor(x), as_tensor(filters)
    if kernels.ndim not in (3, 4, 5) or tensor.ndim not in (kernels.ndim, kernels.ndim - 1):
        raise ShapeError(
            f"{function}: got x with shape {tensor.shape} and filters with shape {kernels.shape}; expected filters with two axes of"
            " channels and one to three spatial ones, and x with as many axes, or one less without a batch; reshape them"
        )
    if {tensor.dtype.kind, kernels.dtype.kind} - set("iufc"):
        raise DtypeError(
            f"{function}: got x of {tensor.dtype} and filters of {kernels.dtype}; expected numbers; convert them with astype"
        )
    if 0 in (kernels.shape[1:-1] if channels_last else kernels.shape[2:]):
        raise ShapeError(
            f"{function}: got filters with shape {kernels.shape}; expected kernels of at least one element along each axis; pass"
            " filters with elements"
        )
    is_single = tensor.ndim < kernels.ndim
    if is_single:
        tensor = cnp.expand_dims(tensor, 0)
    if channels_last:
        tensor, kernels = cnp.moveaxis(tensor, -1, 1), cnp.moveaxis(kernels, -1, 1)
    return tensor, kernels, is_single


def _checked_groups(function: str, groups: object, count: int, what: str, shape: Shape) -> int:
    if not isinstance(groups, int | np.integer) or groups < 1 or count % groups:
        raise ParameterError(
            f"{function}: groups={groups!r} was given for {count} {what} with shape {shape}; expected a number that divides {count};"
            " pass groups=1 for one group"
        )
    return int(groups)


def _check_output_padding(extra: Shape, strides: Shape, dilation: Shape) -> None:
    if any(more and more >= max(step, apart) for more, step, apart in zip(extra, strides, dilation, strict=True)):
        raise ParameterError(
            f"transposed_convolution: output_padding={extra} was given with strides {strides} and dilation {dilation}; expected less than"
            " the stride or the dilation along each axis; pad the result for more zeros"
        )


def _padded(tensor: LazyTensor, sides: Sides, mode: str) -> LazyTensor:
    if mode not in _NUMPYS_MODES:
        raise ParameterError(
            f"convolution: padding_mode={mode!r} was given; expected one of {', '.join(_NUMPYS_MODES)}; pad x with cnp.pad for others"
        )
    if not any(map(any, sides)):
        return tensor
    return cnp.pad(tensor, ((0, 0), (0, 0), *sides), mode=_NUMPYS_MODES[mode])


def _with_bias(function: str, result: LazyTensor, bias: Any) -> LazyTensor:
    if bias is None:
        return result
    tensor = as_tensor(bias)
    if tensor.shape != (result.shape[1],):
        raise ShapeError(
            f"{function}: bias with shape {tensor.shape} was given for {result.shape[1]} outputs; expected shape ({result.shape[1]},);"
            " add other shapes to the result instead"
        )
    return result + cnp.reshape(tensor, (-1, *[1] * (result.ndim - 2)))


def _finished(result: LazyTensor, channels_last: bool, is_single: bool) -> LazyTensor:
    """Return the result in the caller's form."""
    if channels_last:
        result = cnp.moveaxis(result, 1, -1)
    return cnp.squeeze(result, 0) if is_single else result
