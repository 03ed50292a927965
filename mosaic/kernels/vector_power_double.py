"""power of float64 vectors.

Method: 2**(y log2 |x|) with the logarithm in two numbers, since its error is multiplied by up to 1024: with
s = (m - 1)/(m + 1), log(m) = 2 s (1 + s**2/3 + s**4 p(s**2)), where s and the first two terms are kept in two numbers each
(Dekker, 1971, with fused multiply-add). Without fused multiply-add the C library's pow is used.
"""

from __future__ import annotations

from mosaic import c
from mosaic.kernels import vector_math_table as table
from mosaic.kernels.formula import Formula
from mosaic.kernels.helper import Helper
from mosaic.kernels.lanes import any_lane
from mosaic.kernels.vector_power import settle_power
from mosaic.kernels.vectors import VectorType

_x, _y = c.Name("x"), c.Name("y")
_infinity = float("inf")
_border = 1100.0
"""Beyond this power of two the result is 0 or infinity."""

Pair = tuple[c.Name, c.Name]


def power_f64(vector: VectorType) -> Helper:
    """Return ``power_V(x, y)`` of float64."""
    f = Formula(vector, has_fma=True)
    exponent, mantissa = _taken_apart(f)
    high, low = _log2(f, exponent, mantissa)
    product, lost = _times(f, "w", (high, low), _y)
    is_far = f.let("is_far", f.magnitude("size", product) > f.number(_border), f.integers)
    border = f.with_sign_of(f.constant(_border), product)
    w = f.let("power", f.select(is_far, border, product))
    rest = f.let("rest", f.select(is_far, f.vector.zero, lost))
    z = f.let("z", _exp2(f, w, rest))
    infinity = f.number(_infinity)
    is_plain = (_x > f.number(0)) & (_x < infinity) & (f.magnitude("b", _y) < infinity)
    settled = f.call(settle_power(vector), _x, _y, z)
    f.statements.append(c.If(f.call(any_lane(f.integers), ~is_plain), (c.Return(settled),)))
    return f.finish("power", z, "power: at most 1.25 ulp", parameters=("x", "y"))


def _taken_apart(f: Formula) -> Pair:
    """Name exponent and mantissa of |x|, the mantissa between sqrt(1/2) and sqrt(2)."""
    layout = f.format
    a = f.magnitude("a", _x)
    is_small = f.let("is_small", a < f.number(layout.min_normal), f.integers)
    scaled = f.let("scaled", f.select(is_small, a * f.number(2.0**layout.mantissa_bits), a))
    bits = f.let("bits", f.bits(scaled), f.integers)
    count = f.let("count", (bits - f.integer(0x3FE6A09E667F3BCD)) >> layout.mantissa_bits, f.integers)
    mantissa = f.let("m", f.from_bits(bits - (count << layout.mantissa_bits)))
    offset = f.let("offset", f.constant(layout.round_constant))
    whole = count - (is_small & f.integer(layout.mantissa_bits))
    return f.let("e", f.from_bits(whole + f.bits(offset)) - offset), mantissa


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
    series = f.polynomial("series", z, table.log_series_f64)
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
    """Return 2**(w + low), in two factors because one alone would overflow."""
    layout = f.format
    offset = c.Name("offset")
    shifted = f.let("shifted", w + offset)
    count = f.let("n", f.bits(shifted) - f.bits(offset), f.integers)
    r = f.let("r", (w - (shifted - offset) + low) * f.number(0.6931471805599453))
    p = f.polynomial("p", r, table.exp_f64)
    f.statements.append(c.Assign(p, f.fma(r * r, p, r) + f.number(1)))
    half = f.let("half", count >> 1, f.integers)
    bias, shift = f.integer(layout.bias), layout.mantissa_bits
    return p * f.from_bits((half + bias) << shift) * f.from_bits((count - half + bias) << shift)
