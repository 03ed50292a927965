"""exp, exp2, expm1, tanh and erf of vectors.

Method: Cody and Waite's reduction x = n ln(2) + r, a minimax polynomial on |r| <= ln(2)/2, and scaling by 2**n in two
steps, so that overflow and subnormal results round as numpy's do.
"""

from __future__ import annotations

from mosaic import c
from mosaic.kernels import vector_math_table as table
from mosaic.kernels.formula import Formula
from mosaic.kernels.helper import Helper
from mosaic.kernels.vectors import VectorType

_x = c.Name("x")
_exp_coefficients = {"f32": table.exp_f32, "f64": table.exp_f64}
_ln2 = {"f32": table.ln2_f32, "f64": table.ln2_f64}
_exp_range = {"f32": (-104.0, 89.0), "f64": (-746.0, 710.0)}
_exp2_range = {"f32": (-151.0, 130.0), "f64": (-1080.0, 1030.0)}
"""Beyond these the result is 0 or infinity."""

_tanh_coefficients = {"f32": table.tanh_f32, "f64": table.tanh_f64}
_erf_coefficients = {"f32": table.erf_f32, "f64": table.erf_f64}
_erf_border = {"f32": 0.9375, "f64": 1.0}
_erf_end = {"f32": 4.0, "f64": 6.0}
"""Where erf is 1 to the last place."""


def exp(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``exp_V(x)``."""
    f = Formula(vector, has_fma)
    low, high = _exp_range[vector.element.short]
    clamped = _clamp(f, _x, low, high)
    count, rounded = _nearest(f, f.fma(clamped, f.constant(1.4426950408889634), f.constant(f.format.round_constant)))
    r = _remainder(f, clamped, rounded)
    p = f.polynomial("p", r, _exp_coefficients[vector.element.short])
    f.statements.append(c.Assign(p, f.fma(r * r, p, r) + f.number(1)))
    return f.finish("exp", _scaled(f, p, count), "exp: at most 1 ulp")


def exp2(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``exp2_V(x)``."""
    f = Formula(vector, has_fma)
    low, high = _exp2_range[vector.element.short]
    clamped = _clamp(f, _x, low, high)
    count, rounded = _nearest(f, clamped + f.number(f.format.round_constant))
    r = f.let("r", (clamped - rounded) * f.number(0.6931471805599453))
    p = f.polynomial("p", r, _exp_coefficients[vector.element.short])
    f.statements.append(c.Assign(p, f.fma(r * r, p, r) + f.number(1)))
    return f.finish("exp2", _scaled(f, p, count), "exp2: at most 1 ulp")


def expm1(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``expm1_V(x)``: 2**n expm1(r) + (2**n - 1), at half scale so that n = 1024 does not overflow."""
    f = Formula(vector, has_fma)
    _, high = _exp_range[vector.element.short]
    clamped = _clamp(f, _x, -50.0, high)
    count, rounded = _nearest(f, f.fma(clamped, f.constant(1.4426950408889634), f.constant(f.format.round_constant)))
    r = _remainder(f, clamped, rounded)
    p = f.polynomial("p", r, _exp_coefficients[vector.element.short])
    f.statements.append(c.Assign(p, f.fma(r * r, p, r)))
    half = f.let("half", f.from_bits((count + f.integer(f.format.bias - 1)) << f.format.mantissa_bits))
    result = f.let("result", f.number(2) * f.fma(p, half, half - f.number(0.5)))
    keep_sign = f.select(c.equal(_x, f.number(0)), _x, result)
    return f.finish("expm1", keep_sign, "expm1: at most 2 ulp")


def tanh(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``tanh_V(x)``: an odd polynomial up to 0.625, beyond it 1 - 2 / (exp(2 x) + 1)."""
    f = Formula(vector, has_fma)
    a = f.magnitude("a", _x)
    z = f.let("z", a * a)
    p = f.polynomial("p", z, _tanh_coefficients[vector.element.short])
    near = f.let("near", f.fma(a, z * p, a))
    e = f.let("e", f.call(exp(vector, has_fma), a + a))
    far = f.let("far", f.number(1) - f.number(2) / (e + f.number(1)))
    result = f.let("result", f.select(a < f.number(0.625), near, far))
    return f.finish("tanh", f.with_sign_of(result, _x), "tanh: at most 1.5 ulp")


def erf(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``erf_V(x)``: an odd polynomial up to about 1, beyond it 1 - exp(log(erfc(x))), the log a polynomial."""
    f = Formula(vector, has_fma)
    short = vector.element.short
    a = f.magnitude("a", _x)
    near = f.polynomial("near", a * a, _erf_coefficients[short])
    f.statements.append(c.Assign(near, f.fma(a, near, a)))
    f.comment(f"From {_erf_end[short]:g} on the result is 1; a NaN stays.")
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
    clamped = _clamp(f, a, 0.0, high + 2)
    count, rounded = _nearest(f, f.fma(clamped, f.constant(1.4426950408889634), f.constant(f.format.round_constant)))
    r = _remainder(f, clamped, rounded)
    p = f.polynomial("p", r, _exp_coefficients[f.vector.element.short])
    f.statements.append(c.Assign(p, f.fma(r * r, p, r) + f.number(1)))
    return _scaled(f, p, f.let("less", count - f.integer(1), f.integers))


def _clamp(f: Formula, x: c.Expression, low: float, high: float) -> c.Name:
    """Name x cut to a range; a NaN passes, since it compares false."""
    below = f.let("below", f.select(x > f.number(high), f.constant(high), x))
    return f.let("clamped", f.select(below < f.number(low), f.constant(low), below))


def _nearest(f: Formula, shifted: c.Expression) -> tuple[c.Name, c.Name]:
    """Name the nearest integer, as an integer and as a number, given the sum with the rounding constant."""
    total = f.let("shifted", shifted)
    offset = f.let("offset", f.constant(f.format.round_constant))
    count = f.let("n", f.bits(total) - f.bits(offset), f.integers)
    return count, f.let("rounded", total - offset)


def _remainder(f: Formula, x: c.Expression, rounded: c.Expression) -> c.Name:
    high, low = _ln2[f.vector.element.short]
    first = f.fma(rounded, f.constant(-high), x)
    return f.let("r", f.fma(rounded, f.constant(-low), first))


def _scaled(f: Formula, p: c.Expression, count: c.Expression) -> c.Expression:
    """Return p * 2**count, in two factors: one alone would overflow, or lose bits of a subnormal twice."""
    shift, bias = f.format.mantissa_bits, f.integer(f.format.bias)
    half = f.let("half", count >> 1, f.integers)
    return p * f.from_bits((half + bias) << shift) * f.from_bits((count - half + bias) << shift)
