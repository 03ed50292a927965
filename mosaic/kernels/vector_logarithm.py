"""log, log1p, log2 and log10 of vectors.

Method: x = 2**e (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2). float32 takes a polynomial in f; float64 the series in
s = f / (2 + f) of fdlibm's e_log.c (Sun Microsystems, 1993; coefficients our own), and its split of the sum for other
bases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mosaic import c
from mosaic.kernels import vector_math_table as table
from mosaic.kernels.formula import Formula
from mosaic.kernels.helper import Helper
from mosaic.kernels.vectors import VectorType

_x = c.Name("x")
_sqrt_half_bits = {"f32": 0x3F3504F3, "f64": 0x3FE6A09E667F3BCD}
_infinity = float("inf")
_nan = float("nan")


@dataclass(frozen=True, slots=True)
class _Split:
    """The exponent as a number, and the mantissa less one."""

    exponent: c.Name
    fraction: c.Name


def log(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``log_V(x)``."""
    f = Formula(vector, has_fma)
    parts = _split(f, _x)
    result = _natural[vector.element.short](f, parts, f.vector.zero)
    return f.finish("log", _special(f, result, _x), "log: at most 1 ulp")


def log1p(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``log1p_V(x)``: log(u) + c / u, where c is what rounding u = 1 + x lost."""
    f = Formula(vector, has_fma)
    u = f.let("u", f.number(1) + _x)
    parts = _split(f, u)
    lost = f.let("lost", f.select(_x > f.number(1), f.number(1) - (u - _x), _x - (u - f.number(1))))
    is_near = f.let("is_near", c.equal(parts.exponent, f.number(0)), f.integers)
    fraction = f.let("fraction", f.select(is_near, _x, parts.fraction))
    correction = f.let("correction", f.select(is_near, f.vector.zero, lost / u))
    result = _natural[vector.element.short](f, _Split(parts.exponent, fraction), correction)
    keep_sign = f.let("finite", f.select(c.equal(_x, f.number(0)), _x, result))
    return f.finish("log1p", _special(f, keep_sign, u), "log1p: at most 1.5 ulp")


def log2(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``log2_V(x)``; exact at powers of two."""
    if vector.element.short == "f32":
        return _other_base_f32(Formula(vector, has_fma), "log2", table.log2_f32, table.inverse_ln2_f32, (1.0, 0.0))
    return _other_base(Formula(vector, has_fma), "log2", table.inverse_ln2_f64, (1.0, 0.0))


def log10(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``log10_V(x)``."""
    if vector.element.short == "f32":
        formula = Formula(vector, has_fma)
        return _other_base_f32(formula, "log10", table.log10_f32, table.inverse_ln10_f32, table.log10_2_f32)
    return _other_base(Formula(vector, has_fma), "log10", table.inverse_ln10_f64, table.log10_2_f64)


def _split(f: Formula, x: c.Expression) -> _Split:
    """Take x apart; subnormals are scaled up first."""
    layout, integers = f.format, f.integers
    scale = float(2**layout.mantissa_bits)
    is_small = f.let("is_small", x < f.number(layout.min_normal), integers)
    normal = f.let("normal", f.select(is_small, x * f.number(scale), x))
    bits = f.let("bits", f.bits(normal), integers)
    border = f.integer(_sqrt_half_bits[f.vector.element.short])
    power = f.let("power", (bits - border) >> layout.mantissa_bits, integers)
    mantissa = f.let("mantissa", f.from_bits(bits - (power << layout.mantissa_bits)))
    fraction = f.let("f", mantissa - f.number(1))
    count = f.let("count", power - (is_small & f.integer(layout.mantissa_bits)), integers)
    f.comment("The exponent as a number, by way of the bits of a constant whose last place is 1.")
    offset = f.let("offset", f.constant(layout.round_constant))
    return _Split(f.let("e", f.from_bits(count + f.bits(offset)) - offset), fraction)


def _log_f32(f: Formula, parts: _Split, correction: c.Expression) -> c.Name:
    e, fraction = parts.exponent, parts.fraction
    high, low = table.ln2_f32
    z = f.let("z", fraction * fraction)
    p = f.polynomial("p", fraction, table.log_f32)
    r = f.let("r", f.fma(e, f.constant(low), f.fma(p * z, fraction, correction)))
    f.statements.append(c.Assign(r, f.fma(f.constant(-0.5), z, r)))
    return f.let("result", f.fma(e, f.constant(high), fraction + r))


def _series(f: Formula, fraction: c.Expression) -> tuple[c.Name, c.Name]:
    """Name f**2 / 2 and s (f**2 / 2 + R): log(1 + f) = f - (f**2 / 2 - s (f**2 / 2 + R))."""
    s = f.let("s", fraction / (f.number(2) + fraction))
    z = f.let("z", s * s)
    p = f.polynomial("p", z, table.log_f64)
    half_square = f.let("half_square", f.number(0.5) * fraction * fraction)
    return half_square, f.let("tail", s * f.fma(z, p, half_square))


def _log_f64(f: Formula, parts: _Split, correction: c.Expression) -> c.Name:
    e, fraction = parts.exponent, parts.fraction
    high, low = table.ln2_f64
    half_square, tail = _series(f, fraction)
    small = f.let("small", tail + f.fma(e, f.constant(low), correction))
    return f.let("result", e * f.number(high) - (half_square - small - fraction))


_natural = {"f32": _log_f32, "f64": _log_f64}


def _other_base_f32(
    f: Formula, name: str, coefficients: tuple[float, ...], inverse: tuple[float, float], unit: tuple[float, float]
) -> Helper:
    """Return the logarithm to another base: the products with the base's constants are kept in two numbers each."""
    parts = _split(f, _x)
    e, fraction = parts.exponent, parts.fraction
    p = f.polynomial("p", fraction, coefficients)
    leading = f.let("leading", f.from_bits(f.bits(fraction) & f.integer(-(2**12))))
    trailing = f.let("trailing", fraction - leading)
    high, low = split_in_halves(inverse[0])
    whole = f.let("whole", f.fma(e, f.constant(unit[0]), leading * f.number(high)))
    lost = f.let("lost", f.fma(e, f.constant(unit[0]), -whole) + leading * f.number(high))
    rest = f.let("rest", f.fma(leading, f.constant(low + inverse[1]), trailing * f.number(inverse[0])))
    small = f.let("small", f.fma(fraction * fraction, p, f.fma(e, f.constant(unit[1]), rest)))
    result = f.let("result", whole + (small + lost))
    return f.finish(name, _special(f, result, _x), f"{name}: at most 1 ulp")


def split_in_halves(value: float) -> tuple[float, float]:
    """Return a float32 as a sum of two numbers of 12 bits."""
    mantissa, exponent = math.frexp(value)
    high = math.ldexp(round(mantissa * 2**12), exponent - 12)
    return high, value - high


def _other_base(f: Formula, name: str, inverse: tuple[float, float], unit: tuple[float, float]) -> Helper:
    """Return the logarithm to another base: the leading bits of log(1 + f) are multiplied without error."""
    parts = _split(f, _x)
    half_square, tail = _series(f, parts.fraction)
    leading = f.bits(parts.fraction - half_square) & f.integer(-(2**32))
    high = f.let("high", f.from_bits(leading))
    low = f.let("low", parts.fraction - high - half_square + tail)
    product = f.let("product", high * f.number(inverse[0]))
    whole = f.let("whole", parts.exponent * f.number(unit[0]))
    rest = f.let("rest", (low + high) * f.number(inverse[1]) + low * f.number(inverse[0]))
    total = f.let("total", whole + product)
    lost = f.let("lost", whole - total + product)
    result = f.let("result", total + (parts.exponent * f.number(unit[1]) + rest + lost))
    return f.finish(name, _special(f, result, _x), f"{name}: at most 2 ulp")


def _special(f: Formula, result: c.Expression, x: c.Expression) -> c.Expression:
    """Return the result, infinity for infinity, -infinity for zero, NaN for negative numbers and NaN."""
    large = f.let("or_infinite", f.select(c.equal(x, f.number(_infinity)), x, result))
    edge = f.let("edge", f.select(c.equal(x, f.number(0)), f.constant(-_infinity), f.constant(_nan)))
    return f.select(x > f.number(0), large, edge)
