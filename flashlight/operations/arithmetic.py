"""Sums, differences, quotients and powers, with torch's promotion; bounds (clamp), choices (where) and what is built of these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import composit.numpy as cnp
from composit import nn
from composit.apply import apply
from composit.handle import TensorHandle
from composit.nn.gradient_flow import straight_through
from composit.nn.operations.logarithms import TimesLog
from composit.types import LazyTensor
from flashlight.operations.arguments import as_half, aten, cast, promote, typed
from flashlight.table import Call, register


def _times(x: Any, factor: complex) -> Any:  # Any: a tensor or a number
    # Among integers the factor wraps to the range of their dtype.
    if factor == 1:
        return x
    is_integral = isinstance(x, TensorHandle) and x.dtype.kind in "iu"
    return cnp.multiply(x, typed(factor, x.dtype) if is_integral else factor)


@register(aten.add)
def _add(call: Call, x: LazyTensor, y: LazyTensor, alpha: complex = 1) -> LazyTensor:
    x, y = promote(call, x, y)
    return cast(cnp.add(x, _times(y, as_half(call, alpha))), call.dtype)


@register(aten.sub, aten.subtract)
def _subtract(call: Call, x: LazyTensor, y: LazyTensor, alpha: complex = 1) -> LazyTensor:
    x, y = promote(call, x, y)
    return cast(cnp.subtract(x, _times(y, as_half(call, alpha))), call.dtype)


@register(aten.rsub)
def _reflected_subtract(call: Call, x: LazyTensor, y: LazyTensor, alpha: complex = 1) -> LazyTensor:
    x, y = promote(call, x, y)
    return cast(cnp.subtract(y, _times(x, as_half(call, alpha))), call.dtype)


@register(aten.div, aten.true_divide, aten.divide)
def _divide(
    call: Call, x: LazyTensor | complex, y: LazyTensor | complex, rounding_mode: str | None = None
) -> LazyTensor:
    x, y = promote(call, x, y)
    if rounding_mode == "floor":
        return cast(cnp.floor_divide(x, y), call.dtype)
    given = x.dtype if isinstance(x, TensorHandle) else call.dtype
    if rounding_mode == "trunc" and call.dtype.kind in "iu":
        return cast(_truncated_quotient(x, y), call.dtype)
    # An in-place division keeps the float dtype it has; integers are divided in the result's dtype.
    dtype = call.dtype if given.kind in "biu" else given
    dividend, divisor = cast(x, dtype), cast(y, dtype)
    quotient = cnp.divide(dividend, divisor)
    if rounding_mode == "trunc":
        # The gradient is 0 everywhere, also where that of the quotient is infinite.
        quotient = straight_through(cnp.trunc(quotient), cnp.trunc(cnp.add(dividend, divisor)))
    return cast(quotient, call.dtype)


def _truncated_quotient(x: Any, y: Any) -> LazyTensor:  # Any: tensors or numbers
    quotient = cnp.floor_divide(x, y)
    is_rounded_down = (quotient < 0) & (quotient * y != x)
    return cnp.where(is_rounded_down, quotient + 1, quotient)


@register(aten.floor_divide)
def _floor_divide(call: Call, x: LazyTensor, y: LazyTensor) -> LazyTensor:
    return cast(cnp.floor_divide(*promote(call, x, y)), call.dtype)


@register(aten.pow)
def _power(call: Call, x: LazyTensor | complex, exponent: LazyTensor | complex) -> LazyTensor:
    x, exponent = promote(call, x, exponent)
    if isinstance(x, TensorHandle) and not isinstance(exponent, TensorHandle):
        # x ** 2 -> x * x, x ** 0.5 -> sqrt(x): torch computes these so, also at infinity and -0, and they are many times faster.
        shortcut = _POWERS.get(exponent)
        if call.half is torch.float16 and exponent in (0.5, -0.5):
            # Of float16 it takes no root: (-inf) ** 0.5 is inf. numpy takes none where the exponent is an array.
            exponent = cnp.full(x.shape, exponent, x.dtype)
        elif shortcut is not None and x.dtype.kind in "fc":
            return cast(shortcut(x), call.dtype)
    if call.common_dtype(0, 1).kind in "iu" and isinstance(exponent, TensorHandle):
        return cast(_integer_power(cast(x, call.dtype), exponent), call.dtype)
    return cast(cnp.power(x, exponent), call.dtype)


def _integer_power(x: Any, exponent: LazyTensor) -> LazyTensor:
    # torch's integers to negative powers: 1 and -1 have theirs, others round to 0.
    is_negative = exponent < 0
    power = cnp.power(x, cnp.where(is_negative, 0, exponent))
    inverse = cnp.where(x == 1, 1, cnp.where(x == -1, 1 - 2 * (exponent % 2), 0))
    return cnp.where(is_negative, inverse, power)


_POWERS: dict[complex, Callable[[LazyTensor], LazyTensor]] = {
    2: cnp.square,
    0.5: cnp.sqrt,
    -0.5: lambda x: 1 / cnp.sqrt(x),
    1: lambda x: x,
    -1: lambda x: 1 / x,
}


@register(aten.ldexp)
def _times_power_of_two(call: Call, x: LazyTensor, exponent: LazyTensor) -> LazyTensor:
    return cast(cast(x, call.dtype) * cnp.exp2(cast(exponent, call.dtype)), call.dtype)


@register(aten.clamp, aten.clip)
def _clamp(call: Call, x: LazyTensor, min: LazyTensor | None = None, max: LazyTensor | None = None) -> LazyTensor:
    # Choices, not numpy's maximum: at a bound the derivative is 1, where maximum shares it.
    x = cast(x, call.dtype)
    if min is not None:
        low = _bound(min, call)
        if all(isinstance(each, TensorHandle) for each in (min, max)):
            # torch's gradient goes to a lower bound only where the upper one leaves room.
            low = cnp.where(low < _bound(max, call), low, nn.stop_gradient(low))
        x = cnp.where(x >= low, x, _beyond(x < low, low, x))
    if max is not None:
        high = _bound(max, call)
        x = cnp.where(x <= high, x, _beyond(x > high, high, x))
    return cast(x, call.dtype)


def _bound(bound: Any, call: Call) -> Any:  # Any: a tensor, or a number that becomes a scalar of the result's dtype
    if isinstance(bound, TensorHandle):
        tensor: Any = bound  # Any: a LazyTensor, of which TensorHandle is the base
        return cast(tensor, call.dtype)
    return typed(bound, call.dtype)


def _beyond(is_beyond: LazyTensor, bound: Any, x: LazyTensor) -> Any:
    """Return the bound where x is beyond it; elsewhere one of both is NaN, which has no gradient."""
    return cnp.where(is_beyond, bound, typed(np.nan, x.dtype)) if x.dtype.kind == "f" else bound


@register(aten.clamp_min)
def _clamp_min(call: Call, x: LazyTensor, low: LazyTensor) -> LazyTensor:
    return _clamp(call, x, min=low)


@register(aten.clamp_max)
def _clamp_max(call: Call, x: LazyTensor, high: LazyTensor) -> LazyTensor:
    return _clamp(call, x, max=high)


@register(aten.where.self, aten.where.ScalarOther, aten.where.ScalarSelf, aten.where.Scalar)
def _where(call: Call, condition: LazyTensor, x: LazyTensor, y: LazyTensor) -> LazyTensor:
    chosen = cnp.where(cast(condition, np.dtype(np.bool_)), cast(x, call.dtype), cast(y, call.dtype))
    return cast(chosen, call.dtype)


@register(aten.masked_fill)
def _masked_fill(call: Call, x: LazyTensor, mask: LazyTensor, value: LazyTensor) -> LazyTensor:
    chosen = cnp.where(cast(mask, np.dtype(np.bool_)), _bound(value, call), cast(x, call.dtype))
    return cast(chosen, call.dtype)


@register(aten.lerp)
def _interpolate(call: Call, x: LazyTensor, end: LazyTensor, weight: Any) -> LazyTensor:
    # From the nearer end, as torch: at weight 1 the result is `end` itself.
    from_start, from_end = cnp.add(x, weight * (end - x)), cnp.subtract(end, (end - x) * (1 - weight))
    if not isinstance(weight, TensorHandle):
        return cast(from_start if abs(weight) < 0.5 else from_end, call.dtype)
    return cast(cnp.where(cnp.absolute(weight) < 0.5, from_start, from_end), call.dtype)


@register(aten.addcmul)
def _add_product(call: Call, x: LazyTensor, y: LazyTensor, z: LazyTensor, value: complex = 1) -> LazyTensor:
    product = cast(y, call.dtype) * cast(z, call.dtype)
    return cast(cnp.add(cast(x, call.dtype), _times(product, value)), call.dtype)


@register(aten.addcdiv)
def _add_quotient(call: Call, x: LazyTensor, y: LazyTensor, z: LazyTensor, value: complex = 1) -> LazyTensor:
    quotient = cast(y, call.dtype) / cast(z, call.dtype)
    return cast(cnp.add(cast(x, call.dtype), _times(quotient, value)), call.dtype)


@register(aten.xlogy, aten.special_xlogy)
def _x_log_y(call: Call, x: LazyTensor, y: LazyTensor) -> LazyTensor:
    return _times_log(call, x, y, 0)


@register(aten.special_xlog1py)
def _x_log_one_plus_y(call: Call, x: LazyTensor, y: LazyTensor) -> LazyTensor:
    return _times_log(call, x, y, 1)


def _times_log(call: Call, x: Any, y: Any, shift: int) -> LazyTensor:
    x, y = (cnp.asarray(_bound(each, call)) for each in (x, y))
    return cast(apply(TimesLog(shift), x, y), call.dtype)
