"""Fake quantisation: numbers rounded to those that few bits can stand for, with the gradient of the identity in their range."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import composit.numpy as cnp
from composit import nn
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, pulled_back
from flashlight.table import Call, register


def _quantized(x: LazyTensor, scale: Any, zero_point: Any, low: int, high: int) -> list[LazyTensor]:
    """Return x rounded to multiples of the scale, and whether each element was in the range."""
    steps = cnp.rint(x * (1 / scale)) + zero_point
    is_inside = (steps >= low) & (steps <= high)
    # NaN becomes the lowest number, as in torch.
    value = cast((cnp.fmin(cnp.fmax(steps, low), high) - zero_point) * scale, x.dtype)
    # The difference is 0: only its derivative counts, which is that of x where it is in the range.
    inside = cnp.where(is_inside, x, 0)
    return [cnp.add(nn.stop_gradient(value), inside - nn.stop_gradient(inside)), is_inside]


@register(aten.fake_quantize_per_tensor_affine_cachemask)
def _per_tensor(
    call: Call, x: LazyTensor, scale: float, zero_point: int, quant_min: int, quant_max: int
) -> list[LazyTensor]:
    return _quantized(x, scale, zero_point, quant_min, quant_max)


@register(aten._fake_quantize_per_tensor_affine_cachemask_tensor_qparams)
def _per_tensor_by_tensors(
    call: Call,
    x: LazyTensor,
    scale: LazyTensor,
    zero_point: LazyTensor,
    fake_quant_enabled: LazyTensor,
    quant_min: int,
    quant_max: int,
) -> list[LazyTensor]:
    value, is_inside = _quantized(x, cast(scale, x.dtype), cast(zero_point, x.dtype), quant_min, quant_max)
    is_on = fake_quant_enabled != 0
    return [cnp.where(is_on, value, x), is_inside | ~is_on]


@register(aten.fake_quantize_per_channel_affine_cachemask)
def _per_channel(
    call: Call,
    x: LazyTensor,
    scale: LazyTensor,
    zero_point: LazyTensor,
    axis: int,
    quant_min: int,
    quant_max: int,
) -> list[LazyTensor]:
    shape = (-1,) + (1,) * (x.ndim - 1 - axis % x.ndim)
    factor, zero = (cnp.reshape(cast(each, x.dtype), shape) for each in (scale, zero_point))
    return _quantized(x, factor, zero, quant_min, quant_max)


@register(
    aten.fake_quantize_per_tensor_affine_cachemask_backward, aten.fake_quantize_per_channel_affine_cachemask_backward
)
def _backward(call: Call, g: LazyTensor, mask: LazyTensor) -> LazyTensor:
    return cnp.where(mask, g, 0)


@register(aten._fake_quantize_learnable_per_tensor_affine)
def _learnable(
    call: Call,
    x: LazyTensor,
    scale: LazyTensor,
    zero_point: LazyTensor,
    quant_min: int,
    quant_max: int,
    grad_factor: float = 1.0,
) -> LazyTensor:
    return _learned(x, scale, zero_point, (quant_min, quant_max), grad_factor, (1,) * x.ndim)


@register(aten._fake_quantize_learnable_per_channel_affine)
def _learnable_per_channel(
    call: Call,
    x: LazyTensor,
    scale: LazyTensor,
    zero_point: LazyTensor,
    axis: int,
    quant_min: int,
    quant_max: int,
    grad_factor: float = 1.0,
) -> LazyTensor:
    shape = (1,) * (axis % x.ndim) + (-1,) + (1,) * (x.ndim - 1 - axis % x.ndim)
    return _learned(x, scale, zero_point, (quant_min, quant_max), grad_factor, shape)


@register(aten._fake_quantize_learnable_per_tensor_affine_backward)
def _learnable_backward(
    call: Call, g: LazyTensor, x: LazyTensor, scale: LazyTensor, zero_point: LazyTensor, *how: Any
) -> list[LazyTensor]:
    return _pulled_back(call, lambda *operands: _learnable(call, *operands, *how), (x, scale, zero_point), g)


@register(aten._fake_quantize_learnable_per_channel_affine_backward)
def _learnable_per_channel_backward(
    call: Call, g: LazyTensor, x: LazyTensor, scale: LazyTensor, zero_point: LazyTensor, *how: Any
) -> list[LazyTensor]:
    return _pulled_back(
        call, lambda *operands: _learnable_per_channel(call, *operands, *how), (x, scale, zero_point), g
    )


def _pulled_back(
    call: Call, function: Callable[..., LazyTensor], operands: Sequence[LazyTensor], g: LazyTensor
) -> list[LazyTensor]:
    gradients = pulled_back(function, operands, g)
    return [
        cnp.reshape(cast(each, dtype), shape) for each, (dtype, shape) in zip(gradients, call.result_types, strict=True)
    ]


def _learned(
    x: LazyTensor,
    scale: LazyTensor,
    zero_point: LazyTensor,
    limits: tuple[int, int],
    factor: float,
    shape: tuple[int, ...],
) -> LazyTensor:
    """Return x rounded to multiples of a scale that is learned; rounding has the derivative of the identity."""
    width, zero = (cnp.reshape(_slower(cast(each, x.dtype), factor), shape) for each in (scale, zero_point))
    # torch rounds the zero point by cutting off what is behind the point.
    whole = zero + nn.stop_gradient(cnp.trunc(cnp.clip(zero + 0.5, *limits)) - zero)
    steps = x / width + whole
    rounded = steps + nn.stop_gradient(cnp.rint(steps) - steps)
    # Choices, not numpy's clip: at the limits, which rounded numbers often are, the derivative is 1, where clip shares it.
    low, high = limits
    rounded = cnp.where(rounded < low, low, cnp.where(rounded > high, high, rounded))
    result: LazyTensor = (rounded - whole) * width
    return cast(result, x.dtype)


def _slower(parameter: LazyTensor, factor: float) -> LazyTensor:
    """Return a parameter whose gradient is multiplied by a factor."""
    if factor == 1:
        return parameter
    return cnp.add(parameter * factor, nn.stop_gradient(parameter * (1 - factor)))
