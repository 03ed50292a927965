"""exp, exp2, expm1, tanh and erf of vectors.

Method: Cody and Waite's reduction x = n ln(2) + r, a minimax polynomial on |r| <= ln(2)/2, and scaling by 2**n such that
overflow and subnormal results round as numpy's do.
"""

from __future__ import annotations

from mosaic import c
from mosaic.c.helpers import Helper, inline_function
from mosaic.vector import coefficients as table
from mosaic.vector.formula import Formula
from mosaic.vector.instructions import instruction
from mosaic.vector.vector_types import VectorType

_x = c.Name("x")
_exp_coefficients = {"f32": table.exp_f32, "f64": table.exp_f64}
_ln2 = {"f32": table.ln2_f32, "f64": table.ln2_f64}
_exp_range = {"f32": (-104.0, 89.0), "f64": (-746.0, 710.0)}
_exp2_range = {"f32": (-151.0, 130.0), "f64": (-1080.0, 1030.0)}
"""Beyond these the result is 0 or infinity."""

_exp2_coefficients = {"f32": table.exp2_f32, "f64": table.exp2_f64}
_tanh_end = {"f32": 10.0, "f64": 20.0}
"""Where tanh is 1 to the last place."""

_tanh_coefficients = {"f32": table.tanh_f32, "f64": table.tanh_f64}
_erf_coefficients = {"f32": table.erf_f32, "f64": table.erf_f64}
_erf_border = {"f32": 0.9375, "f64": 1.0}
_erf_end = {"f32": 4.0, "f64": 6.0}
"""Where erf is 1 to the last place."""


def exp(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``exp_V(x)``."""
    f = Formula(vector, has_fma)
    low, high = _exp_range[vector.element.short]
    clamped = f.let("clamped", f.not_below(f.not_above(_x, high), low))
    p, shifted = _exp_of_rest(f, clamped, f.format.round_constant)
    f.assign(p, p + f.number(1))
    return f.finish("exp", f.call(times_power(f), p, shifted), "exp: at most 1 ulp")


def exp2(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``exp2_V(x)``."""
    f = Formula(vector, has_fma)
    low, high = _exp2_range[vector.element.short]
    clamped = f.let("clamped", f.not_below(f.not_above(_x, high), low))
    shifted = f.let("shifted", clamped + f.number(f.format.round_constant))
    r = f.let("r", clamped - (shifted - f.number(f.format.round_constant)))
    p = f.polynomial("p", r, _exp2_coefficients[vector.element.short])
    f.assign(p, f.fma(p, r, f.constant(1)))
    return f.finish("exp2", f.call(times_power(f), p, shifted), "exp2: at most 1 ulp")


def expm1(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``expm1_V(x)``: 2**n expm1(r) + (2**n - 1), at half scale so that n = 1024 does not overflow."""
    f = Formula(vector, has_fma)
    _, high = _exp_range[vector.element.short]
    clamped = f.let("clamped", f.not_below(f.not_above(_x, high), -50.0))
    p, shifted = _exp_of_rest(f, clamped, f.format.round_constant)
    count = f.let("n", f.bits(shifted) - f.bits(f.constant(f.format.round_constant)), f.integers)
    half = f.let("half", f.from_bits((count + f.integer(f.format.bias - 1)) << f.format.mantissa_bits))
    result = f.let("result", f.number(2) * f.fma(p, half, half - f.number(0.5)))
    keep_sign = f.select(c.equal(_x, f.number(0)), _x, result)
    return f.finish("expm1", keep_sign, "expm1: at most 2 ulp")


def tanh(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``tanh_V(x)``: an odd polynomial up to 0.625, beyond it 1 - 2 / (exp(2 x) + 1).

    There an error of exp(2 x) counts for less than half, and for less the larger it is: 2**t needs no second part of t.
    """
    f = Formula(vector, has_fma)
    short = vector.element.short
    a = f.magnitude("a", _x)
    z = f.let("z", a * a)
    p = f.polynomial("p", z, _tanh_coefficients[short])
    near = f.let("near", f.fma(a, z * p, a))
    f.comment("exp(2 a) = 2**t. The rounding constant contains the exponent's bias, so a shift makes the power of two.")
    clamped = f.let("clamped", f.not_above(a, _tanh_end[short]))
    factor = f.constant(2 * 1.4426950408889634)
    offset = f.format.round_constant + f.format.bias
    shifted = f.let("shifted", f.fma(clamped, factor, f.constant(offset)))
    r = f.let("r", f.fma(clamped, factor, f.number(offset) - shifted))
    q = f.polynomial("q", r, _exp2_coefficients[short])
    f.assign(q, f.fma(q, r, f.constant(1)))
    e = f.let("e", f.from_bits(f.bits(shifted) << f.format.mantissa_bits))
    far = f.let("far", f.number(1) - f.number(2) / f.fma(q, e, f.constant(1)))
    result = f.let("result", f.select(a < f.number(0.625), near, far))
    return f.finish("tanh", f.with_sign_of(result, _x), "tanh: at most 1.5 ulp")


def erf(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``erf_V(x)``: an odd polynomial up to about 1, beyond it 1 - exp(log(erfc(x))), the log a polynomial."""
    f = Formula(vector, has_fma)
    short = vector.element.short
    a = f.magnitude("a", _x)
    near = f.polynomial("near", a * a, _erf_coefficients[short])
    f.statements.append(c.Assign(near, f.fma(a, near, a)))
    f.comment(f"Clamp a to {_erf_end[short]:g}, from where erf rounds to 1. A NaN is not greater, so it passes.")
    b = f.let("b", f.select(a > f.number(_erf_end[short]), f.constant(_erf_end[short]), a))
    far = f.let("far", _far_erf_f32(f, b) if short == "f32" else _far_erf_f64(f, b))
    result = f.let("result", f.select(a < f.number(_erf_border[short]), near, far))
    return f.finish("erf", f.with_sign_of(result, _x), "erf: at most 2 ulp")


def _far_erf_f64(f: Formula, x: c.Expression) -> c.Expression:
    log_erfc = f.polynomial("log_erfc", x, table.log_erfc_f64)
    return f.number(1) - f.call(exp(f.vector, f.has_fma), log_erfc)


def _far_erf_f32(f: Formula, x: c.Expression) -> c.Expression:
    """Return 1 - 2**log2(erfc(x)): the power is between 2**-26 and 0.2, so it needs neither borders nor all its bits.

    The rounding constant carries the bias of the exponent: its low bits, shifted, are 2**n.
    """
    power = f.polynomial("power", x, table.log2_erfc_f32)
    offset = f.format.round_constant + f.format.bias
    shifted = f.let("shifted", power + f.number(offset))
    r = f.let("r", power - (shifted - f.number(offset)))
    p = f.polynomial("p", r, table.exp2_rough_f32)
    f.statements.append(c.Assign(p, f.fma(p, r, f.constant(1))))
    return f.fma(-p, f.from_bits(f.bits(shifted) << f.format.mantissa_bits), f.constant(1))


def half_exp(f: Formula, a: c.Expression) -> c.Expression:
    """Return exp(a) / 2 of numbers that are not negative; it overflows where 2 exp(a) would."""
    _, high = _exp_range[f.vector.element.short]
    clamped = f.let("clamped", f.not_above(a, high + 2))
    p, shifted = _exp_of_rest(f, clamped, f.format.round_constant - 1)
    f.assign(p, p + f.number(1))
    return f.call(times_power(f), p, shifted)


def _exp_of_rest(f: Formula, x: c.Expression, offset: float) -> tuple[c.Name, c.Name]:
    """Name exp(x - n ln(2)) - 1, and n + `offset` for the nearest whole n."""
    high, low = _ln2[f.vector.element.short]
    shifted = f.let("shifted", f.fma(x, f.constant(1.4426950408889634), f.constant(offset)))
    rounded = f.let("rounded", shifted - f.number(offset))
    r = f.let("r", f.fma(rounded, f.constant(-low), f.fma(rounded, f.constant(-high), x)))
    p = f.polynomial("p", r, _exp_coefficients[f.vector.element.short])
    f.assign(p, f.fma(r * r, p, r))
    return p, shifted


def times_power(f: Formula) -> Helper:
    """Return ``times_power_V(x, shifted)``: x * 2**n for x near 1, given the sum of n and the rounding constant.

    A subnormal result is rounded once. Without the instruction it takes two factors: one alone would overflow, or lose
    bits twice.
    """
    vector, integers, layout = f.vector, f.integers, f.format
    name, shifted = f"times_power_{vector.name}", c.Name("shifted")
    parameters = (c.Parameter(vector.ctype, "x"), c.Parameter(vector.ctype, "shifted"))
    own = Formula(vector, f.has_fma)
    offset = own.let("offset", own.constant(layout.round_constant))
    count = own.let("n", own.bits(shifted) - own.bits(offset), integers)
    half = own.let("half", count >> 1, integers)
    bias, shift = own.integer(layout.bias), layout.mantissa_bits
    scaled = _x * own.from_bits((half + bias) << shift) * own.from_bits((count - half + bias) << shift)
    item: c.TopLevel = inline_function(name, vector.ctype, parameters, (*own.statements, c.Return(scaled)))
    found = instruction("scale", vector)
    if found is not None:
        body = (c.Return(found.call(_x, shifted - f.number(layout.round_constant), _x)),)
        condition = f"defined({found.macro}) && !defined(__clang__)"
        item = c.CompiledIf(condition, (inline_function(name, vector.ctype, parameters, body),), (item,))
    return Helper(name, (item,), (vector.helper, integers.helper, *own.helpers.values()))
