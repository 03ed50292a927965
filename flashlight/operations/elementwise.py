"""Elementwise functions with torch's promotion: arithmetic, comparisons, exp and its kin, clamp, where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.handle import TensorHandle
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, promote
from flashlight.table import Call, Row, register

Function = Callable[..., LazyTensor]

# Torch gives floats for integers here, so the operand is cast to the result's dtype first.
_FLOAT_FUNCTIONS: dict[Any, Function] = {
    aten.exp: cnp.exp,
    aten.exp2: cnp.exp2,
    aten.expm1: cnp.expm1,
    aten.log: cnp.log,
    aten.log2: cnp.log2,
    aten.log10: cnp.log10,
    aten.log1p: cnp.log1p,
    aten.sin: cnp.sin,
    aten.cos: cnp.cos,
    aten.tan: cnp.tan,
    aten.asin: cnp.arcsin,
    aten.acos: cnp.arccos,
    aten.atan: cnp.arctan,
    aten.sinh: cnp.sinh,
    aten.cosh: cnp.cosh,
    aten.tanh: cnp.tanh,
    aten.asinh: cnp.arcsinh,
    aten.acosh: cnp.arccosh,
    aten.atanh: cnp.arctanh,
    aten.sqrt: cnp.sqrt,
    aten.erf: cnp.erf,
    aten.deg2rad: cnp.deg2rad,
    aten.rad2deg: cnp.rad2deg,
    aten.neg: cnp.negative,
    aten.floor: cnp.floor,
    aten.ceil: cnp.ceil,
    aten.trunc: cnp.trunc,
    aten.abs: cnp.absolute,
    aten.sign: cnp.sign,
    aten.square: cnp.square,
    aten.bitwise_not: cnp.invert,
    aten.conj: cnp.conjugate,
}
# The result is a truth value, whatever the operand.
_PREDICATES: dict[Any, Function] = {
    aten.isnan: cnp.isnan,
    aten.isinf: cnp.isinf,
    aten.isfinite: cnp.isfinite,
    aten.signbit: cnp.signbit,
    aten.logical_not: cnp.logical_not,
}
# Both operands are cast to the dtype in which torch computes.
_BINARY_FUNCTIONS: dict[Any, Function] = {
    aten.mul: cnp.multiply,
    aten.maximum: cnp.maximum,
    aten.minimum: cnp.minimum,
    aten.fmax: cnp.fmax,
    aten.fmin: cnp.fmin,
    aten.remainder: cnp.remainder,
    aten.fmod: cnp.fmod,
    aten.atan2: cnp.arctan2,
    aten.hypot: cnp.hypot,
    aten.copysign: cnp.copysign,
    aten.logaddexp: cnp.logaddexp,
    aten.eq: cnp.equal,
    aten.ne: cnp.not_equal,
    aten.lt: cnp.less,
    aten.le: cnp.less_equal,
    aten.gt: cnp.greater,
    aten.ge: cnp.greater_equal,
    aten.logical_and: cnp.logical_and,
    aten.logical_or: cnp.logical_or,
    aten.logical_xor: cnp.logical_xor,
    aten.bitwise_and: cnp.bitwise_and,
    aten.bitwise_or: cnp.bitwise_or,
    aten.bitwise_xor: cnp.bitwise_xor,
    aten.__and__: cnp.bitwise_and,
    aten.__or__: cnp.bitwise_or,
    aten.__xor__: cnp.bitwise_xor,
    aten.__lshift__: cnp.left_shift,
    aten.__rshift__: cnp.right_shift,
    aten.bitwise_left_shift: cnp.left_shift,
    aten.bitwise_right_shift: cnp.right_shift,
}


def _on_result_dtype(function: Function) -> Row:
    def row(call: Call, x: LazyTensor) -> LazyTensor:
        return function(cast(x, call.dtype))

    return row


def _predicate(function: Function) -> Row:
    def row(call: Call, x: LazyTensor) -> LazyTensor:
        return function(x)

    return row


def _binary(function: Function) -> Row:
    def row(call: Call, x: LazyTensor, y: LazyTensor) -> LazyTensor:
        return cast(function(*promote(call, x, y)), call.dtype)

    return row


for _operation, _function in _FLOAT_FUNCTIONS.items():
    register(_operation)(_on_result_dtype(_function))
for _operation, _function in _PREDICATES.items():
    register(_operation)(_predicate(_function))
for _operation, _function in _BINARY_FUNCTIONS.items():
    register(_operation)(_binary(_function))


@register(aten.add)
def _add(call: Call, x: LazyTensor, y: LazyTensor, alpha: complex = 1) -> LazyTensor:
    x, y = promote(call, x, y)
    return cast(x + (y if alpha == 1 else y * alpha), call.dtype)


@register(aten.sub)
def _subtract(call: Call, x: LazyTensor, y: LazyTensor, alpha: complex = 1) -> LazyTensor:
    x, y = promote(call, x, y)
    return cast(x - (y if alpha == 1 else y * alpha), call.dtype)


@register(aten.rsub)
def _reflected_subtract(call: Call, x: LazyTensor, y: LazyTensor, alpha: complex = 1) -> LazyTensor:
    x, y = promote(call, x, y)
    return cast(y - (x if alpha == 1 else x * alpha), call.dtype)


@register(aten.div, aten.true_divide)
def _divide(call: Call, x: LazyTensor, y: LazyTensor, rounding_mode: str | None = None) -> object:
    if rounding_mode == "floor":
        return cast(cnp.floor_divide(*promote(call, x, y)), call.dtype)
    if rounding_mode == "trunc" and call.dtype.kind in "iu":
        return NotImplemented
    x, y = promote(call, x, y)
    # An in-place division keeps the float dtype it has; integers are divided in the result's dtype.
    dtype = call.dtype if x.dtype.kind in "biu" else x.dtype
    quotient = cnp.divide(cast(x, dtype), cast(y, dtype))
    return cast(cnp.trunc(quotient) if rounding_mode == "trunc" else quotient, call.dtype)


@register(aten.floor_divide)
def _floor_divide(call: Call, x: LazyTensor, y: LazyTensor) -> LazyTensor:
    return cast(cnp.floor_divide(*promote(call, x, y)), call.dtype)


@register(aten.pow)
def _power(call: Call, x: LazyTensor | complex, exponent: LazyTensor | complex) -> LazyTensor:
    x, exponent = promote(call, x, exponent)
    if isinstance(x, TensorHandle) and not isinstance(exponent, TensorHandle):
        # x ** 2 -> x * x, x ** 0.5 -> sqrt(x): torch computes these so, and they are many times faster.
        shortcut = _POWERS.get(exponent)
        if shortcut is not None and x.dtype.kind == "f":
            return cast(shortcut(x), call.dtype)
    return cast(cnp.power(x, exponent), call.dtype)


_POWERS: dict[complex, Callable[[LazyTensor], LazyTensor]] = {
    2: cnp.square,
    0.5: cnp.sqrt,
    1: lambda x: x,
    -1: lambda x: 1 / x,
}


@register(aten.rsqrt)
def _reciprocal_root(call: Call, x: LazyTensor) -> LazyTensor:
    return 1 / cnp.sqrt(cast(x, call.dtype))


@register(aten.reciprocal)
def _reciprocal(call: Call, x: LazyTensor) -> LazyTensor:
    return 1 / cast(x, call.dtype)


@register(aten.erfc)
def _complementary_erf(call: Call, x: LazyTensor) -> LazyTensor:
    return 1 - cnp.erf(cast(x, call.dtype))


@register(aten.round.default)
def _round(call: Call, x: LazyTensor) -> LazyTensor:
    return cnp.rint(x) if call.dtype.kind in "fc" else x


@register(aten.frac)
def _fraction(call: Call, x: LazyTensor) -> LazyTensor:
    return x - cnp.trunc(x)


@register(aten.clamp, aten.clip)
def _clamp(
    call: Call, x: LazyTensor, min: LazyTensor | None = None, max: LazyTensor | None = None
) -> LazyTensor:  # torch's argument names
    x = cast(x, call.dtype)
    x = x if min is None else cnp.maximum(x, cast(min, call.dtype))
    return x if max is None else cnp.minimum(x, cast(max, call.dtype))


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
    return cast(cnp.where(mask, cast(value, call.dtype), x), call.dtype)


@register(aten.lerp)
def _interpolate(call: Call, x: LazyTensor, end: LazyTensor, weight: LazyTensor) -> LazyTensor:
    return x + weight * (end - x)


@register(aten.addcmul)
def _add_product(call: Call, x: LazyTensor, y: LazyTensor, z: LazyTensor, value: complex = 1) -> LazyTensor:
    product = y * z
    return cast(x + (product if value == 1 else product * value), call.dtype)


@register(aten.addcdiv)
def _add_quotient(call: Call, x: LazyTensor, y: LazyTensor, z: LazyTensor, value: complex = 1) -> LazyTensor:
    quotient = y / z
    return cast(x + (quotient if value == 1 else quotient * value), call.dtype)


@register(aten.nan_to_num)
def _replace_not_finite(
    call: Call, x: LazyTensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> LazyTensor:
    limits = np.finfo(call.dtype)
    x = cnp.where(cnp.isnan(x), 0.0 if nan is None else nan, x)
    x = cnp.where(x == np.inf, float(limits.max) if posinf is None else posinf, x)
    return cnp.where(x == -np.inf, float(limits.min) if neginf is None else neginf, x)
