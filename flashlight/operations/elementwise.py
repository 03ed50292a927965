"""Elementwise functions of one operand, and the binary functions that differ from numpy's only in promotion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import composit.numpy as cnp
from composit.errors import UnsupportedOperationError
from composit.nn.gradient_flow import sloped, straight_through
from composit.nn.operations.complex_parts import complex_from_parts
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, promote, typed
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
    aten.sinc: cnp.sinc,
    aten.deg2rad: cnp.deg2rad,
    aten.rad2deg: cnp.rad2deg,
}
# The dtype stays.
_SAME_DTYPE_FUNCTIONS: dict[Any, Function] = {
    aten.neg: cnp.negative,
    aten.square: cnp.square,
    aten.bitwise_not: cnp.invert,
}
_ROUNDINGS: dict[Any, Function] = {
    aten.floor: cnp.floor,
    aten.ceil: cnp.ceil,
    aten.trunc: cnp.trunc,
    aten.fix: cnp.trunc,
}
# The result is a truth value, whatever the operand.
_PREDICATES: dict[Any, Function] = {
    aten.isnan: cnp.isnan,
    aten.isinf: cnp.isinf,
    aten.isfinite: cnp.isfinite,
    aten.signbit: cnp.signbit,
    aten.isposinf: lambda x: x == np.inf,
    aten.isneginf: lambda x: x == -np.inf,
    aten.logical_not: cnp.logical_not,
}


def _larger_number(x: LazyTensor, y: LazyTensor) -> LazyTensor:
    # Of equal numbers the first is the result, also of two zeros, and has the gradient.
    return cnp.where((x >= y) | cnp.isnan(y), x, y)


def _smaller_number(x: LazyTensor, y: LazyTensor) -> LazyTensor:
    return cnp.where((x <= y) | cnp.isnan(y), x, y)


def _hypotenuse(x: LazyTensor, y: LazyTensor) -> LazyTensor:
    value = cnp.hypot(x, y)
    # The derivative x / value is NaN at the origin, as that of the root of a sum of squares.
    is_origin = value == 0
    root = cnp.sqrt(cnp.where(is_origin, x * x + y * y, 1))
    return straight_through(value, cnp.where(is_origin, root, value))


def _remainder(x: LazyTensor, y: LazyTensor) -> LazyTensor:
    rest = cnp.fmod(x, y)
    if rest.dtype.kind != "f":
        return cnp.remainder(x, y)
    # As torch computes it: a rest of 0 has the sign of x, where numpy's has that of y.
    is_opposite = (rest != 0) & ((rest < 0) != (y < 0))
    return cnp.where(is_opposite, rest + y, rest)


def _angle(y: LazyTensor, x: LazyTensor) -> LazyTensor:
    # torch's gradient at the origin is 0.
    is_origin = (x == 0) & (y == 0)
    return straight_through(cnp.arctan2(y, x), cnp.where(is_origin, 0, cnp.arctan2(y, cnp.where(is_origin, 1, x))))


def _with_sign(x: LazyTensor, sign: LazyTensor) -> LazyTensor:
    value = cnp.copysign(x, sign)
    # torch's slope is a quotient, of infinities NaN, and 0 at 0.
    followed = sloped(cnp.broadcast_to(x, value.shape), cnp.where(x == 0, 0, value / x))
    return straight_through(value, followed + cnp.copysign(typed(0, value.dtype), sign))


def _log_of_sum(x: LazyTensor, y: LazyTensor) -> LazyTensor:
    return _undefined_at_infinite_ties(cnp.logaddexp(x, y), x, y)


def _log2_of_sum(x: LazyTensor, y: LazyTensor) -> LazyTensor:
    return _undefined_at_infinite_ties(cnp.logaddexp2(x, y), x, y)


def _undefined_at_infinite_ties(value: LazyTensor, x: LazyTensor, y: LazyTensor) -> LazyTensor:
    # torch's gradient there is exp(infinity - infinity).
    slopes = cnp.where((x == y) & cnp.isinf(x), typed(np.nan, value.dtype), typed(1, value.dtype))
    return sloped(value, slopes)


# Both operands are cast to the dtype in which torch computes.
_BINARY_FUNCTIONS: dict[Any, Function] = {
    aten.mul: cnp.multiply,
    aten.multiply: cnp.multiply,
    aten.maximum: cnp.maximum,
    aten.minimum: cnp.minimum,
    aten.max.other: cnp.maximum,
    aten.min.other: cnp.minimum,
    aten.fmax: _larger_number,
    aten.fmin: _smaller_number,
    aten.remainder: _remainder,
    aten.fmod: cnp.fmod,
    aten.gcd: cnp.gcd,
    aten.lcm: cnp.lcm,
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
# Of integers torch makes floats before it computes.
_BINARY_FLOAT_FUNCTIONS: dict[Any, Function] = {
    aten.atan2: _angle,
    aten.hypot: _hypotenuse,
    aten.copysign: _with_sign,
    aten.logaddexp: _log_of_sum,
    aten.logaddexp2: _log2_of_sum,
}


def _on_result_dtype(function: Function) -> Row:
    def row(call: Call, x: LazyTensor) -> LazyTensor:
        return cast(function(cast(x, call.dtype)), call.dtype)

    return row


def _same_dtype(function: Function) -> Row:
    def row(call: Call, x: LazyTensor) -> LazyTensor:
        return function(x)

    return row


def _rounding(function: Function) -> Row:
    def row(call: Call, x: LazyTensor) -> LazyTensor:
        return function(x) if x.dtype.kind == "f" else x

    return row


def _predicate(function: Function) -> Row:
    def row(call: Call, x: LazyTensor) -> LazyTensor:
        # In place, the result keeps the operand's dtype.
        return cast(function(x), call.dtype)

    return row


def _binary(function: Function) -> Row:
    def row(call: Call, x: LazyTensor, y: LazyTensor) -> LazyTensor:
        return cast(function(*promote(call, x, y)), call.dtype)

    return row


def _binary_float(function: Function) -> Row:
    def row(call: Call, x: LazyTensor, y: LazyTensor) -> LazyTensor:
        x, y = promote(call, x, y)
        return cast(function(cast(x, call.dtype), cast(y, call.dtype)), call.dtype)

    return row


for _functions, _form in (
    (_FLOAT_FUNCTIONS, _on_result_dtype),
    (_SAME_DTYPE_FUNCTIONS, _same_dtype),
    (_ROUNDINGS, _rounding),
    (_PREDICATES, _predicate),
    (_BINARY_FUNCTIONS, _binary),
    (_BINARY_FLOAT_FUNCTIONS, _binary_float),
):
    for _operation, _function in _functions.items():
        register(_operation)(_form(_function))


@register(aten.abs, aten.absolute)
def _absolute(call: Call, x: LazyTensor) -> LazyTensor:
    # Of complex numbers the result is real.
    return cast(cnp.absolute(x), call.dtype)


@register(aten.sign)
def _sign(call: Call, x: LazyTensor) -> LazyTensor:
    if x.dtype.kind == "b":
        return x
    # torch's sign of NaN is 0.
    return cnp.where(cnp.isnan(x), 0, cnp.sign(x)) if x.dtype.kind == "f" else cnp.sign(x)


@register(aten.sgn)
def _complex_sign(call: Call, x: LazyTensor) -> LazyTensor:
    if x.dtype.kind != "c":
        return _sign(call, x)
    size = cnp.absolute(x)
    is_zero = size == 0
    divisor = cnp.where(is_zero, 1, size)
    # A complex division by a subnormal size overflows, and spreads the NaN of inf / inf to the other part.
    return cast(cnp.where(is_zero, 0, x.real / divisor + 1j * (x.imag / divisor)), call.dtype)


@register(aten.log1p)
def _log_of_one_and(call: Call, x: LazyTensor) -> LazyTensor:
    x = cast(x, call.dtype)
    if x.dtype.kind != "c":
        return cast(cnp.log1p(x), call.dtype)
    # numpy computes log(|1 + x|), which has no digits of a small x; beyond x ** 6 / 6 nothing is left of the series.
    is_small = cnp.absolute(x) < 1e-3
    small = cnp.where(is_small, x, 0)
    series = small * (1 - small * (1 / 2 - small * (1 / 3 - small * (1 / 4 - small * (1 / 5 - small / 6)))))
    return cast(cnp.where(is_small, series, cnp.log1p(x)), call.dtype)


@register(aten.heaviside)
def _step(call: Call, x: LazyTensor, at_zero: LazyTensor) -> LazyTensor:
    x, at_zero = promote(call, x, at_zero)
    # torch's step of NaN is 0, numpy's is NaN.
    return cast(cnp.where(x == 0, at_zero, x > 0), call.dtype)


@register(aten.rsqrt)
def _reciprocal_root(call: Call, x: LazyTensor) -> LazyTensor:
    return cast(1 / cnp.sqrt(cast(x, call.dtype)), call.dtype)


@register(aten.reciprocal)
def _reciprocal(call: Call, x: LazyTensor) -> LazyTensor:
    return 1 / cast(x, call.dtype)


@register(aten.round)
def _round(call: Call, x: LazyTensor, *, decimals: int = 0) -> LazyTensor:
    if x.dtype.kind != "f":
        return x
    if decimals == 0:
        return cnp.rint(x)
    # torch multiplies or divides by a power of ten, and rounds half to even.
    power = 10.0 ** abs(decimals)
    rounded = cnp.rint(x * power) / power if decimals > 0 else cnp.rint(x / power) * power
    return cast(rounded, call.dtype)


@register(aten.frac)
def _fraction(call: Call, x: LazyTensor) -> LazyTensor:
    return x - cnp.trunc(x)


@register(aten.nextafter)
def _next_number(call: Call, x: LazyTensor, y: LazyTensor) -> LazyTensor:
    if call.half is not None:
        raise UnsupportedOperationError(
            f"trace: torch called {call.operation} on {call.half}; expected float32 or float64, since half precision has other steps "
            "than float32, in which it is computed; convert the tensors with .float()"
        )
    x, y = promote(call, x, y)
    # torch's gradient counts a step as the identity, and no step as a constant.
    return straight_through(cnp.nextafter(x, y), cnp.where(x == y, typed(0, call.dtype), x))


@register(aten.frexp)
def _mantissa_and_exponent(call: Call, x: LazyTensor) -> object:
    return cnp.frexp(x)


@register(aten.nan_to_num)
def _replace_not_finite(
    call: Call, x: LazyTensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> LazyTensor:
    if x.dtype.kind == "c":
        parts = [_finite(call, part, nan, posinf, neginf) for part in (cnp.real(x), cnp.imag(x))]
        return cast(complex_from_parts(*parts), call.dtype)
    return _finite(call, x, nan, posinf, neginf) if x.dtype.kind == "f" else x


def _finite(call: Call, x: LazyTensor, nan: float | None, posinf: float | None, neginf: float | None) -> LazyTensor:
    largest = float(np.finfo(x.dtype).max) if call.half is None else torch.finfo(call.half).max
    x = cnp.where(cnp.isnan(x), 0.0 if nan is None else nan, x)
    x = cnp.where(x == np.inf, largest if posinf is None else posinf, x)
    return cnp.where(x == -np.inf, -largest if neginf is None else neginf, x)
