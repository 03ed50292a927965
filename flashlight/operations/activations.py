"""Activation functions and softmax, written in operations that a compiler can fuse. Formulas: torch.nn's documentation of each."""

from __future__ import annotations

import math

import numpy as np

import composit.numpy as cnp
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast
from flashlight.table import Call, register


@register(aten.relu)
def _relu(call: Call, x: LazyTensor) -> LazyTensor:
    return cnp.maximum(x, 0)


@register(aten.relu6)
def _relu6(call: Call, x: LazyTensor) -> LazyTensor:
    return cnp.minimum(cnp.maximum(x, 0), 6)


@register(aten.sigmoid)
def _sigmoid(call: Call, x: LazyTensor) -> LazyTensor:
    return _logistic(cast(x, call.dtype))


def _logistic(x: LazyTensor) -> LazyTensor:
    # tanh cannot overflow; 1 / (1 + exp(-x)) does for x = -100 in float32.
    return 0.5 * cnp.tanh(0.5 * x) + 0.5


@register(aten.silu)
def _silu(call: Call, x: LazyTensor) -> LazyTensor:
    return x * _logistic(x)


@register(aten.gelu)
def _gelu(call: Call, x: LazyTensor, approximate: str = "none") -> LazyTensor:
    if approximate == "none":
        return x * 0.5 * (1.0 + cnp.erf(x * math.sqrt(0.5)))
    inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * (x * x * x))
    return 0.5 * x * (1.0 + cnp.tanh(inner))


@register(aten.leaky_relu)
def _leaky_relu(call: Call, x: LazyTensor, negative_slope: float = 0.01) -> LazyTensor:
    return cnp.where(x > 0, x, x * negative_slope)


@register(aten.prelu, aten._prelu_kernel)
def _prelu(call: Call, x: LazyTensor, weight: LazyTensor) -> LazyTensor:
    if weight.ndim == 1 and x.ndim > 1:
        weight = cnp.reshape(weight, (1, -1) + (1,) * (x.ndim - 2))
    return cnp.where(x > 0, x, x * weight)


@register(aten.elu)
def _elu(call: Call, x: LazyTensor, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> LazyTensor:
    # Clip first: expm1 of a large positive x would overflow, although `where` drops its value.
    negative = alpha * cnp.expm1(cnp.minimum(x, 0) * input_scale)
    return cnp.where(x > 0, x, negative) * scale


@register(aten.celu)
def _celu(call: Call, x: LazyTensor, alpha: float = 1) -> LazyTensor:
    return cnp.maximum(x, 0) + cnp.minimum(alpha * cnp.expm1(cnp.minimum(x, 0) / alpha), 0)


@register(aten.selu)
def _selu(call: Call, x: LazyTensor) -> LazyTensor:
    # Constants of Klambauer et al. 2017, as torch has them.
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * cnp.where(x > 0, x, alpha * cnp.expm1(cnp.minimum(x, 0)))


@register(aten.softplus)
def _softplus(call: Call, x: LazyTensor, beta: float = 1, threshold: float = 20) -> LazyTensor:
    scaled = x * beta
    # log(1 + exp(s)) = max(s, 0) + log1p(exp(-|s|)), which does not overflow
    soft = (cnp.maximum(scaled, 0) + cnp.log1p(cnp.exp(-cnp.absolute(scaled)))) / beta
    return cnp.where(scaled > threshold, x, soft)


@register(aten.mish)
def _mish(call: Call, x: LazyTensor) -> LazyTensor:
    return x * cnp.tanh(_softplus(call, x))


@register(aten.log_sigmoid, aten.log_sigmoid_forward)
def _log_sigmoid(call: Call, x: LazyTensor) -> LazyTensor | tuple[LazyTensor, LazyTensor]:
    value = cnp.minimum(x, 0) - cnp.log1p(cnp.exp(-cnp.absolute(x)))
    if call.operation is aten.log_sigmoid_forward.default:
        # The second result is scratch memory of torch's backward pass, empty on the CPU.
        return value, cnp.zeros(tuple(call.result[1].shape), dtype=call.dtype)
    return value


@register(aten.hardtanh)
def _hardtanh(call: Call, x: LazyTensor, low: float = -1, high: float = 1) -> LazyTensor:
    return cnp.minimum(cnp.maximum(x, low), high)


@register(aten.hardsigmoid)
def _hardsigmoid(call: Call, x: LazyTensor) -> LazyTensor:
    return cnp.minimum(cnp.maximum(x + 3, 0), 6) / 6


@register(aten.hardswish)
def _hardswish(call: Call, x: LazyTensor) -> LazyTensor:
    return x * cnp.minimum(cnp.maximum(x + 3, 0), 6) / 6


@register(aten.hardshrink)
def _hardshrink(call: Call, x: LazyTensor, lambd: float = 0.5) -> LazyTensor:
    return cnp.where(cnp.absolute(x) > lambd, x, 0)


@register(aten.softshrink)
def _softshrink(call: Call, x: LazyTensor, lambd: float = 0.5) -> LazyTensor:
    return cnp.where(x > lambd, x - lambd, cnp.where(x < -lambd, x + lambd, 0 * x))


@register(aten.threshold)
def _threshold(call: Call, x: LazyTensor, threshold: float, value: float) -> LazyTensor:
    return cnp.where(x <= threshold, value, x)


@register(aten.glu)
def _glu(call: Call, x: LazyTensor, dim: int = -1) -> LazyTensor:
    value, gate = cnp.split(x, 2, axis=dim)
    return value * _logistic(gate)


def softmax_of(x: LazyTensor, axis: int) -> LazyTensor:
    """Return softmax as max, subtract, exp, sum, divide: five operations that fuse into one loop nest."""
    exponentials = cnp.exp(x - cnp.max(x, axis=axis, keepdims=True))
    return exponentials / cnp.sum(exponentials, axis=axis, keepdims=True)


@register(aten.softmax, aten._softmax, aten.special_softmax)
def _softmax(call: Call, x: LazyTensor, dim: int, half_to_float: bool = False, dtype: object = None) -> LazyTensor:
    x = cast(x, call.dtype)
    return softmax_of(x, dim) if x.ndim else cnp.exp(x - x)


@register(aten.log_softmax, aten._log_softmax, aten.special_log_softmax)
def _log_softmax(call: Call, x: LazyTensor, dim: int, half_to_float: bool = False, dtype: object = None) -> LazyTensor:
    x = cast(x, call.dtype)
    if not x.ndim:
        return x - x
    shifted = x - cnp.max(x, axis=dim, keepdims=True)
    return shifted - cnp.log(cnp.sum(cnp.exp(shifted), axis=dim, keepdims=True))


@register(aten._safe_softmax)
def _safe_softmax(call: Call, x: LazyTensor, dim: int, dtype: object = None) -> LazyTensor:
    return masked_softmax_of(cast(x, call.dtype), dim)


def masked_softmax_of(x: LazyTensor, axis: int) -> LazyTensor:
    """Return softmax that is 0, not NaN, in rows that are all minus infinity (fully masked), as in torch's attention.

    In other rows the maximum is finite and the sum at least exp(0) = 1, so neither bound changes them.
    """
    largest = cnp.maximum(cnp.max(x, axis=axis, keepdims=True), float(np.finfo(x.dtype).min))
    exponentials = cnp.exp(x - largest)
    return exponentials / cnp.maximum(cnp.sum(exponentials, axis=axis, keepdims=True), 1.0)
