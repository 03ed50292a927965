"""log, log1p, log2 and log10 of vectors.

Method: x = 2**e (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2). float32 takes a polynomial in f; float64 the series in
s = f / (2 + f) of fdlibm's e_log.c (Sun Microsystems, 1993; coefficients our own). log1p gets f = 2**-e x - (1 - 2**-e)
with one rounding. log2 and log10 of float32 have a table of log(c) for a few numbers c, and a shorter polynomial.
Zeros, subnormals, negative numbers, infinities and NaN are mended under a condition that seldom holds: vectors without
them pay one comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.vector import coefficients as table
from mosaic.vector.formula import Formula
from mosaic.vector.lane_operations import exponent_as_number
from mosaic.vector.sixteenths import take_apart
from mosaic.vector.vector_types import VectorType

_x = c.Name("x")
_sqrt_half_bits = {"f32": 0x3F3504F3, "f64": 0x3FE6A09E667F3BCD}
_ln2 = {"f32": table.ln2_f32, "f64": table.ln2_f64}
_huge = {"f32": 2.0**100, "f64": 2.0**1000}
"""From here on 1 + x is x."""
_infinity, _nan = float("inf"), float("nan")


@dataclass(frozen=True, slots=True)
class _Split:
    """What a logarithm is computed from: e times 2**23 or 2**52, the bits of e in a number; and 1 + f less one."""

    exponent: c.Name
    fraction: c.Name


def log(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``log_V(x)``."""
    f = Formula(vector, has_fma)
    parts, is_rare = _split(f)
    result = f.let("result", _natural(f, parts))
    _settle(f, is_rare, result, _x)
    return f.finish("log", result, "log: at most 1 ulp")


def log1p(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``log1p_V(x)``."""
    f = Formula(vector, has_fma)
    u = f.let("u", f.number(1) + _x)
    parts, is_rare = _split_one_more(f, u)
    result = f.let("result", _natural(f, parts))
    f.comment("log1p(-0.0) is -0.0: copy the sign bit.")
    f.assign(result, f.from_bits(f.bits(result) | (f.bits(_x) & f.integer(f.format.sign_mask))))
    _settle(f, is_rare, result, u)
    return f.finish("log1p", result, "log1p: at most 1 ulp")


def log2(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``log2_V(x)``; exact at powers of two."""
    f = Formula(vector, has_fma)
    if vector.element.short == "f64":
        return _other_base_f64(f, "log2", table.inverse_ln2_f64, (1.0, 0.0))
    return _other_base_f32(f, "log2", table.log2_square, (table.log2_of_16, table.log2_low_of_16), (1.0, 0.0))


def log10(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``log10_V(x)``."""
    f = Formula(vector, has_fma)
    if vector.element.short == "f64":
        return _other_base_f64(f, "log10", table.inverse_ln10_f64, table.log10_2_f64)
    logs = (table.log10_of_16, table.log10_low_of_16)
    return _other_base_f32(f, "log10", table.log10_square, logs, table.log10_2_f32)


def _exponent_bits(f: Formula, name: str, bits: c.Expression) -> c.Name:
    """Name e * 2**23 (2**52 of float64) of x = 2**e (1 + f), from the bits of x."""
    in_place = -(1 << f.format.mantissa_bits)
    return f.let(name, (bits - f.integer(_sqrt_half_bits[f.vector.element.short])) & f.integer(in_place), f.integers)


def _number(f: Formula, exponent_bits: c.Expression) -> c.Expression:
    return f.call(exponent_as_number(f.integers, f.vector), exponent_bits)


def _split(f: Formula) -> tuple[_Split, c.Name]:
    """Take x apart, subnormals scaled up; name also whether some lane is not a normal number above 0."""
    layout = f.format
    bits = f.let("bits", f.bits(_x), f.integers)
    is_rare = f.any_outside("is_rare", bits, layout.min_normal_bits, layout.infinity_bits)
    power = _exponent_bits(f, "power", bits)
    exponent = f.let("e", _number(f, power))
    mantissa = f.let("mantissa", f.from_bits(bits - power))
    with f.when(is_rare):
        is_small = f.let("is_small", _x < f.number(layout.min_normal), f.integers)
        scale = f.constant(2.0**layout.mantissa_bits)
        scaled = f.let("scaled", f.bits(_x * f.select(is_small, scale, f.constant(1))), f.integers)
        small_power = _exponent_bits(f, "small_power", scaled)
        lifted = is_small & f.integer(layout.mantissa_bits << layout.mantissa_bits)
        f.assign(exponent, _number(f, small_power - lifted))
        f.assign(mantissa, f.from_bits(scaled - small_power))
    return _Split(exponent, f.let("f", mantissa - f.number(1))), is_rare


def _split_one_more(f: Formula, u: c.Name) -> tuple[_Split, c.Name]:
    """Take 1 + x apart, given u = 1 + x as rounded; name also whether some lane is not above 0 or huge."""
    layout, short = f.format, f.vector.element.short
    bits = f.let("bits", f.bits(u), f.integers)
    huge_bits = layout.one_bits + (int(_huge[short]).bit_length() - 1 << layout.mantissa_bits)
    is_rare = f.any_outside("is_rare", bits, layout.min_normal_bits, huge_bits)
    power = _exponent_bits(f, "power", bits)
    inverse = f.let("inverse", f.from_bits(f.integer(layout.one_bits) - power))
    fraction = f.let("f", f.fma(_x, inverse, inverse - f.number(1)))
    with f.when(is_rare):
        is_huge = u > f.number(_huge[short])
        f.assign(fraction, f.select(is_huge, f.from_bits(bits - power) - f.number(1), fraction))
    return _Split(f.let("e", _number(f, power)), fraction), is_rare


def _natural(f: Formula, parts: _Split) -> c.Expression:
    """Return e ln(2) + log(1 + f), in which e ln(2) is added with its leading bits last."""
    exponent, fraction = parts.exponent, parts.fraction
    high, low = (f.constant(part / 2**f.format.mantissa_bits) for part in _ln2[f.vector.element.short])
    if f.vector.element.short == "f32":
        z = f.let("z", fraction * fraction)
        q = f.polynomial("q", fraction, table.log_f32)
        return f.fma(exponent, high, fraction + f.fma(z, q, exponent * low))
    half_square, tail = _series(f, fraction)
    return f.fma(exponent, high, fraction - (half_square - f.fma(exponent, low, tail)))


def _series(f: Formula, fraction: c.Expression) -> tuple[c.Name, c.Name]:
    """Name f**2 / 2 and s (f**2 / 2 + R): log(1 + f) = f - (f**2 / 2 - s (f**2 / 2 + R))."""
    s = f.let("s", fraction / (f.number(2) + fraction))
    z = f.let("z", s * s)
    p = f.polynomial("p", z, table.log_f64)
    half_square = f.let("half_square", f.number(0.5) * fraction * fraction)
    return half_square, f.let("tail", s * f.fma(z, p, half_square))


def _other_base_f64(f: Formula, name: str, inverse: tuple[float, float], unit: tuple[float, float]) -> Helper:
    """Return the logarithm to another base: f / ln(base), the largest part, has its leading bits added last."""
    parts, is_rare = _split(f)
    fraction = parts.fraction
    high, low = (f.constant(part) for part in inverse)
    unit_high, unit_low = (f.constant(part / 2**f.format.mantissa_bits) for part in unit)
    half_square, tail = _series(f, fraction)
    rest = f.fma(fraction, low, (tail - half_square) * high)
    if unit[1]:
        rest = f.fma(parts.exponent, unit_low, rest)
    result = f.let("result", f.fma(parts.exponent, unit_high, f.fma(fraction, high, rest)))
    _settle(f, is_rare, result, _x)
    return f.finish(name, result, f"{name}: at most 1 ulp")


def _other_base_f32(
    f: Formula,
    name: str,
    coefficients: tuple[float, ...],
    logs: tuple[tuple[float, ...], tuple[float, ...]],
    unit: tuple[float, float],
) -> Helper:
    """Return the logarithm to another base by table: e, the leading bits of -log(c), and what is small beside them.

    `coefficients` are those of log(1 + r)/r: the first of them, which r is multiplied by last, and the rest.
    """
    layout = f.format
    is_rare = f.any_outside("is_rare", f.bits(_x), layout.min_normal_bits, layout.infinity_bits)
    parts = take_apart(f, f.bits(_x), is_rare)
    high, low = (parts.entry(f, f"{name}{part}_of_16", each) for part, each in zip(("", "_low"), logs, strict=True))
    unit_high, unit_low = (f.constant(part / 2**layout.mantissa_bits) for part in unit)
    if unit[1]:
        low = f.fma(parts.exponent, unit_low, low)
    first, *others = coefficients
    r = parts.rest
    small = f.let("small", f.fma(r * r, f.polynomial("q", r, others), low))
    whole = f.let("whole", f.fma(parts.exponent, unit_high, high))
    result = f.let("result", whole + f.fma(r, f.constant(first), small))
    _settle(f, is_rare, result, _x)
    return f.finish(name, result, f"{name}: at most 1 ulp")


def _settle(f: Formula, is_rare: c.Name, result: c.Name, x: c.Name) -> None:
    """Replace the results of special lanes: infinity for infinity, -infinity for zero, NaN for negative numbers and NaN."""
    with f.when(is_rare):
        edge = f.let("edge", f.select(c.equal(x, f.number(0)), f.constant(-_infinity), f.constant(_nan)))
        positive = f.let("positive", f.select(c.equal(x, f.number(_infinity)), x, result))
        f.assign(result, f.select(x > f.number(0), positive, edge))
