"""power of float64 vectors.

Method: 2**(y log2 |x|) with the logarithm in two numbers, since its error is multiplied by up to 1024: with
s = (m - 1)/(m + 1), log(m) = 2 s (1 + s**2/3 + s**4 p(s**2)), where s and the first two terms are kept in two numbers each
(Dekker, 1971, with fused multiply-add). Without fused multiply-add the C library's pow is used.
"""

from __future__ import annotations

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.vector import coefficients as table
from mosaic.vector.exponential import times_power
from mosaic.vector.formula import Formula
from mosaic.vector.lane_operations import exponent_as_number
from mosaic.vector.power import settle_power
from mosaic.vector.vector_types import VectorType

_x, _y = c.Name("x"), c.Name("y")
_border = 1100.0
"""Beyond this power of two the result is 0 or infinity."""

Pair = tuple[c.Name, c.Name]


def power_f64(vector: VectorType) -> Helper:
    """Return ``power_V(x, y)`` of float64."""
    f = Formula(vector, has_fma=True)
    layout = f.format
    is_rare = f.any_outside("is_rare", f.bits(_x), layout.min_normal_bits, layout.infinity_bits)
    high, low = _log2(f, *_taken_apart(f, is_rare))
    product, lost = _times(f, "w", (high, low), _y)
    f.comment(f"Clamp the exponent to +-{_border:g}: beyond it the result is 0 or infinity anyway.")
    w = f.let("power", f.not_below(f.not_above(product, _border), -_border))
    inside = f.let("inside", c.equal(w, product), f.integers)
    rest = f.let("rest", f.from_bits(f.bits(lost) & inside))
    z = f.let("z", _exp2(f, w, rest))
    is_large = f.any_outside("is_large", f.bits(_y) & ~f.integer(layout.sign_mask), 0, layout.infinity_bits)
    with f.when(is_rare | is_large):
        f.assign(z, f.call(settle_power(vector), _x, _y, z))
    return f.finish("power", z, "power: at most 1.25 ulp", parameters=("x", "y"))


def _taken_apart(f: Formula, is_rare: c.Name) -> Pair:
    """Name exponent and mantissa of |x|, the mantissa between sqrt(1/2) and sqrt(2)."""
    layout = f.format
    a = f.magnitude("a", _x)
    power = f.let("count", _exponent_bits(f, f.bits(a)), f.integers)
    mantissa = f.let("m", f.from_bits(f.bits(a) - power))
    with f.when(is_rare):
        is_small = f.let("is_small", a < f.number(layout.min_normal), f.integers)
        scale = f.select(is_small, f.constant(2.0**layout.mantissa_bits), f.constant(1))
        scaled = f.let("scaled", f.bits(a * scale), f.integers)
        f.assign(power, _exponent_bits(f, scaled))
        f.assign(mantissa, f.from_bits(scaled - power))
        f.assign(power, power - (is_small & f.integer(layout.mantissa_bits << layout.mantissa_bits)))
    exponent = f.call(exponent_as_number(f.integers, f.vector), power)
    return f.let("e", exponent * f.number(2.0**-layout.mantissa_bits)), mantissa


def _exponent_bits(f: Formula, bits: c.Expression) -> c.Expression:
    """Return the bits of e where they are in a number: x = 2**e m, sqrt(1/2) <= m < sqrt(2)."""
    return (bits - f.integer(0x3FE6A09E667F3BCD)) & f.integer(-(1 << f.format.mantissa_bits))


def _log2(f: Formula, exponent: c.Name, m: c.Name) -> Pair:
    """Name e + log2(m) in two numbers."""
    one = f.number(1)
    top = f.let("top", m - one)
    bottom = f.let("bottom", m + one)
    inverse = f.let("inverse", one / bottom)
    s = f.let("s", top * inverse)
    missing = f.fma(-s, bottom, top) - s * (m - (bottom - one))
    s_low = f.let("s_low", missing * inverse)
    z, z_low = _times(f, "square", (s, s_low), s)
    z_low = f.let("z_low", f.fma(s, s_low, z_low))
    series = f.split_polynomial("series", z, table.log_series_f64)
    third, third_low = table.third_f64
    t = f.let("t", z * f.number(third))
    t_error = f.fma(z, f.constant(third), -t)
    t_rest = f.fma(z, f.constant(third_low), f.fma(z_low, f.constant(third), z * z * series))
    t_low = f.let("t_low", t_error + t_rest)
    q = f.let("q", one + t)
    q_low = f.let("q_low", t - (q - one) + t_low)
    unit, unit_low = table.two_over_ln2_f64
    a, a_low = _times(f, "scaled_s", (s, s_low), f.constant(unit))
    a_low = f.let("a_low", f.fma(s, f.constant(unit_low), a_low))
    log, log_low = _times(f, "log", (a, a_low), q)
    log_low = f.let("log_rest", f.fma(a, q_low, log_low))
    high = f.let("high", exponent + log)
    return high, f.let("low", log - (high - exponent) + log_low)


def _times(f: Formula, name: str, pair: Pair, factor: c.Expression) -> Pair:
    """Name a number of two parts times a number, in two parts."""
    product = f.let(name, pair[0] * factor)
    return product, f.let(f"{name}_lost", f.fma(pair[1], factor, f.fma(pair[0], factor, -product)))


def _exp2(f: Formula, w: c.Name, low: c.Name) -> c.Expression:
    """Return 2**(w + low)."""
    offset = f.number(f.format.round_constant)
    shifted = f.let("shifted", w + offset)
    r = f.let("r", w - (shifted - offset) + low)
    p = f.polynomial("p", r, table.exp2_f64)
    return f.call(times_power(f), f.fma(p, r, f.constant(1)), shifted)
