"""float32 numbers taken apart for a logarithm by table: x = 2**e m, and r = c m - 1 with a tabulated c near 1/m.

c has so few bits that r, at most 1/16, is exact. Beside 1 and 2 c is 1 and 1/2, so that nothing cancels near x = 1.

Reference: Tang, Table-driven implementation of the logarithm function (1990).
"""

from __future__ import annotations

from dataclasses import dataclass

from mosaic import c
from mosaic.vector import coefficients as table
from mosaic.vector.formula import Formula
from mosaic.vector.lane_operations import exponent_as_number
from mosaic.vector.lookup import lookup

_x = c.Name("x")


@dataclass(frozen=True, slots=True)
class Sixteenth:
    """The exponent times 2**23, the entry of the table as an index, and r."""

    exponent: c.Name
    index: c.Name
    rest: c.Name

    def entry(self, f: Formula, name: str, values: tuple[float, ...]) -> c.Expression:
        """Return the numbers that belong to c."""
        return f.call(lookup(name, values, f.vector), self.index)


def take_apart(f: Formula, bits: c.Expression, is_rare: c.Name) -> Sixteenth:
    """Name the parts of positive numbers with these bits; in rare vectors subnormal ones are scaled up first."""
    layout = f.format
    in_place = -(1 << layout.mantissa_bits)
    bits = f.let("normal_bits", bits, f.integers)
    power = f.let("power", (bits & f.integer(in_place)) - f.integer(layout.one_bits), f.integers)
    with f.when(is_rare):
        is_small = f.let("is_small", bits < f.integer(layout.min_normal_bits), f.integers)
        scale = f.select(is_small, f.constant(2.0**layout.mantissa_bits), f.constant(1))
        f.assign(bits, f.bits(f.from_bits(bits) * scale))
        lifted = f.integer(layout.one_bits) + (is_small & f.integer(layout.mantissa_bits << layout.mantissa_bits))
        f.assign(power, (bits & f.integer(in_place)) - lifted)
    index = f.let("index", bits >> (layout.mantissa_bits - 4), f.integers)
    fraction_bits = bits & f.integer((1 << layout.mantissa_bits) - 1)
    mantissa = f.let("m", f.from_bits(fraction_bits | f.integer(layout.one_bits)))
    exponent = f.let("e", f.call(exponent_as_number(f.integers, f.vector), power))
    inverse = f.call(lookup("inverse_of_16", table.inverse_of_16, f.vector), index)
    return Sixteenth(exponent, index, f.let("r", _rest(f, mantissa, inverse)))


def _rest(f: Formula, mantissa: c.Name, inverse: c.Expression) -> c.Expression:
    """Return m c - 1. Where products are rounded, m is taken in two parts of 12 bits."""
    if f.has_fma:
        return f.fma(mantissa, inverse, f.constant(-1))
    factor = f.let("inverse", inverse)
    leading = f.let("leading", f.from_bits(f.bits(mantissa) & f.integer(-(2**12))))
    return leading * factor - f.number(1) + (mantissa - leading) * factor
