"""Activation functions and softmax, by composit.nn. Integers, of which nn makes floats, keep their dtype where torch keeps it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit import nn
from composit.apply import apply
from composit.nn.operations.exponentials import MaskedSoftmax
from composit.nn.operations.logistic import Elu
from composit.types import LazyTensor
from flashlight.inputs import copied_input
from flashlight.operations.arguments import as_half, aten, cast, typed
from flashlight.table import Call, Row, register


def _of_nn(function: Callable[..., LazyTensor]) -> Row:
    def row(call: Call, x: LazyTensor, *how: Any, **more: Any) -> LazyTensor:
        return cast(function(cast(x, call.dtype), *how, **more), call.dtype)

    return row


_ROWS: dict[Any, Callable[..., LazyTensor]] = {  # Any: operations of torch
    aten.gelu: nn.gelu,
    aten.hardsigmoid: nn.hard_sigmoid,
    aten.hardswish: nn.hard_swish,
    aten.leaky_relu: nn.leaky_relu,
    aten.mish: nn.mish,
    aten.softplus: nn.softplus,
    aten.log_sigmoid: nn.log_sigmoid,
    aten.glu: nn.glu,
}
for _operation, _function in _ROWS.items():
    register(_operation)(_of_nn(_function))


@register(aten.hardshrink)
def _hard_shrink(call: Call, x: LazyTensor, lambd: float = 0.5) -> LazyTensor:
    return _shrunk(call, nn.hard_shrink, x, as_half(call, lambd).real)


@register(aten.softshrink)
def _soft_shrink(call: Call, x: LazyTensor, lambd: float = 0.5) -> LazyTensor:
    return _shrunk(call, nn.soft_shrink, x, lambd)


def _shrunk(call: Call, shrink: Callable[..., LazyTensor], x: LazyTensor, threshold: float) -> LazyTensor:
    x = cast(x, call.dtype)
    # NaN stays, without a gradient.
    return cast(cnp.where(cnp.isnan(x), typed(np.nan, x.dtype), shrink(x, threshold)), call.dtype)


@register(aten.hardshrink_backward, aten.softshrink_backward)
def _shrink_backward(call: Call, g: LazyTensor, x: LazyTensor, lambd: float) -> LazyTensor:
    return cast(cnp.where((x >= -lambd) & (x <= lambd), 0, g), call.dtype)


@register(aten.relu)
def _relu(call: Call, x: LazyTensor) -> LazyTensor:
    return nn.relu(x) if x.dtype.kind == "f" else cnp.maximum(x, 0)


@register(aten.relu6)
def _relu6(call: Call, x: LazyTensor) -> LazyTensor:
    return _hardtanh(call, x, 0, 6)


@register(aten.hardtanh)
def _hardtanh(call: Call, x: LazyTensor, low: float = -1, high: float = 1) -> LazyTensor:
    if x.dtype.kind == "f" and low <= high:
        return nn.hard_tanh(x, low, high)
    return cnp.minimum(cnp.maximum(x, typed(low, x.dtype)), typed(high, x.dtype))


@register(aten.threshold)
def _threshold(call: Call, x: LazyTensor, threshold: float, value: float) -> LazyTensor:
    if x.dtype.kind == "f":
        return nn.threshold(x, threshold, value)
    return cnp.where(x <= typed(threshold, x.dtype), typed(value, x.dtype), x)


@register(aten.sigmoid)
def _sigmoid(call: Call, x: LazyTensor) -> LazyTensor:
    x = cast(x, call.dtype)
    return 1 / (1 + cnp.exp(-x)) if x.dtype.kind == "c" else cast(nn.sigmoid(x), call.dtype)


@register(aten.silu)
def _silu(call: Call, x: LazyTensor) -> LazyTensor:
    return x / (1 + cnp.exp(-x)) if x.dtype.kind == "c" else cast(nn.silu(x), call.dtype)


@register(aten.prelu, aten._prelu_kernel)
def _prelu(call: Call, x: LazyTensor, weight: LazyTensor) -> LazyTensor:
    if weight.ndim == 1 and x.ndim > 1:
        return nn.prelu(x, weight)
    # Infinite elements that are positive have no weight: 0 times infinity would be its gradient.
    return cnp.where(x > 0, x, cnp.where(x > 0, 0, x) * weight)


@register(aten.elu)
def _elu(call: Call, x: LazyTensor, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> LazyTensor:
    y = apply(Elu(float(alpha), 1 / input_scale), x)
    return cast(y if scale == 1 else y * scale, call.dtype)


@register(aten.celu)
def _celu(call: Call, x: LazyTensor, alpha: float = 1) -> LazyTensor:
    return cast(nn.celu(x, alpha), call.dtype)


@register(aten.selu)
def _selu(call: Call, x: LazyTensor) -> LazyTensor:
    return cast(nn.selu(x), call.dtype)


@register(aten.log_sigmoid_forward)
def _log_sigmoid_forward(call: Call, x: LazyTensor) -> list[LazyTensor]:
    value = cast(nn.log_sigmoid(x), call.dtype)
    # On the CPU torch's backward pass starts from exp(-|x|), the second result; elsewhere that is empty.
    (dtype, shape), *_ = call.result_types[1:]
    return [value, cast(cnp.exp(-cnp.absolute(x)), dtype) if shape == x.shape else cnp.zeros(shape, dtype)]


@register(aten.rrelu_with_noise)
def _rrelu(
    call: Call,
    x: LazyTensor,
    noise: LazyTensor,
    lower: float = 0.125,
    upper: float = 1 / 3,
    training: bool = False,
    generator: object = None,
) -> object:
    if not training:
        return nn.leaky_relu(x, (lower + upper) / 2), noise
    # torch draws a slope for each element that is not positive, one after the other, and writes it into the noise, from which its
    # derivative starts; 1 for others. Reading the signs makes a guard: for others torch would draw other slopes.
    np.asarray(x <= 0)
    slopes = copied_input(call.arguments[1])
    return x * slopes, slopes


@register(aten.softmax, aten._softmax, aten.special_softmax)
def _softmax(call: Call, x: LazyTensor, dim: int, half_to_float: bool = False, dtype: object = None) -> LazyTensor:
    x = cast(x, call.dtype)
    return cast(nn.softmax(x, dim if x.ndim else None), call.dtype)


@register(aten.log_softmax, aten._log_softmax, aten.special_log_softmax)
def _log_softmax(call: Call, x: LazyTensor, dim: int, half_to_float: bool = False, dtype: object = None) -> LazyTensor:
    x = cast(x, call.dtype)
    return cast(nn.log_softmax(x, dim if x.ndim else None), call.dtype)


@register(aten._safe_softmax)
def _safe_softmax(call: Call, x: LazyTensor, dim: int, dtype: object = None) -> LazyTensor:
    x = cast(x, call.dtype)
    return cast(apply(MaskedSoftmax((dim % x.ndim,) if x.ndim else ()), x), call.dtype)
