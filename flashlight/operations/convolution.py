"""Convolution and transposed convolution of one, two or three axes, windows as columns (im2col, col2im), and their derivatives."""

from __future__ import annotations

from collections.abc import Sequence

import composit.numpy as cnp
from composit import nn
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, per_axis, pulled_back
from flashlight.table import Call, register


def _convolved(
    x: LazyTensor,
    filters: LazyTensor,
    bias: LazyTensor | None,
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> LazyTensor:
    if transposed:
        return nn.transposed_convolution(
            x,
            filters,
            bias,
            strides=strides,
            padding=padding,
            output_padding=output_padding,
            dilation=dilation,
            groups=groups,
        )
    return nn.convolution(x, filters, bias, strides=strides, padding=padding, dilation=dilation, groups=groups)


@register(aten.convolution, aten.convolution_overrideable, aten._convolution)
def _convolution(
    call: Call,
    x: LazyTensor,
    weight: LazyTensor,
    bias: LazyTensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    *how: bool,
) -> LazyTensor:
    result = _convolved(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups)
    return cast(result, call.dtype)


@register(aten.mkldnn_convolution)
def _plain_convolution(
    call: Call,
    x: LazyTensor,
    weight: LazyTensor,
    bias: LazyTensor | None,
    padding: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> LazyTensor:
    return _convolution(call, x, weight, bias, stride, padding, dilation, False, (0,), groups)


@register(aten.convolution_backward)
def _convolution_backward(
    call: Call,
    g: LazyTensor,
    x: LazyTensor,
    weight: LazyTensor,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    output_mask: Sequence[bool],
) -> list[LazyTensor | None]:
    def forward(x: LazyTensor, weight: LazyTensor) -> LazyTensor:
        return _convolved(x, weight, None, stride, padding, dilation, transposed, output_padding, groups)

    of_x, of_weight = pulled_back(forward, (x, weight), g)
    of_bias = cnp.sum(g, axis=(0, *range(2, g.ndim)))
    gradients = zip((of_x, of_weight, of_bias), output_mask, strict=True)
    return [gradient if is_wanted else None for gradient, is_wanted in gradients]


@register(aten.im2col)
def _columns(
    call: Call,
    x: LazyTensor,
    kernel_size: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> LazyTensor:
    kernel = per_axis(kernel_size, 2)
    return nn.operations.unfold(x, kernel_size=kernel, strides=stride, padding=tuple(padding), dilation=dilation)


@register(aten.col2im)
def _from_columns(
    call: Call,
    x: LazyTensor,
    output_size: Sequence[int],
    kernel_size: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> LazyTensor:
    return nn.operations.fold(
        x, output_size, kernel_size=per_axis(kernel_size, 2), strides=stride, padding=padding, dilation=dilation
    )
