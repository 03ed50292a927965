"""power of float32 vectors.

Method: 2**(y log2 |x|) with the logarithm in two numbers, since its error is multiplied by up to 150. x = 2**e (1 + r)/c,
where a table has -log2(c) in two numbers, of which the first can be added to e without rounding. With h = r - r**2/2, in
two numbers, log2(1 + r) = h/ln(2) + r**3 p(r). Without fused multiply-add the C library's powf is used.
"""

from __future__ import annotations

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.vector import coefficients as table
from mosaic.vector.exponential import times_power
from mosaic.vector.formula import Formula
from mosaic.vector.power import settle_power
from mosaic.vector.sixteenths import Sixteenth, take_apart
from mosaic.vector.vector_types import VectorType

_x, _y = c.Name("x"), c.Name("y")
_border = 200.0
"""Beyond this power of two the result is 0 or infinity."""


def power_f32(vector: VectorType) -> Helper:
    """Return ``power_V(x, y)`` of float32."""
    f = Formula(vector, has_fma=True)
    layout = f.format
    is_rare = f.any_outside("is_rare", f.bits(_x), layout.min_normal_bits, layout.infinity_bits)
    log, log_low = _log2(f, take_apart(f, f.bits(_x) & ~f.integer(layout.sign_mask), is_rare))
    product = f.let("product", _y * log)
    lost = f.let("lost", f.fma(_y, log_low, f.fma(_y, log, -product)))
    f.comment(f"Clamp the exponent to +-{_border:g}: beyond it the result is 0 or infinity anyway.")
    w = f.let("w", f.not_below(f.not_above(product, _border), -_border))
    rest = f.let("rest", f.from_bits(f.bits(lost) & c.equal(w, product)))
    shifted = f.let("shifted", w + f.number(layout.round_constant))
    r = f.let("power_rest", w - (shifted - f.number(layout.round_constant)) + rest)
    q = f.polynomial("power_q", r, table.exp2_f32)
    z = f.let("raised", f.call(times_power(f), f.fma(r, q, f.constant(1)), shifted))
    is_large = f.any_outside("is_large", f.bits(_y) & ~f.integer(layout.sign_mask), 0, layout.infinity_bits)
    with f.when(is_rare | is_large):
        f.assign(z, f.call(settle_power(vector), _x, _y, z))
    return f.finish("power", z, "power: at most 1.25 ulp", parameters=("x", "y"))


def _log2(f: Formula, parts: Sixteenth) -> tuple[c.Name, c.Name]:
    """Name log2 of a number in two numbers."""
    r = parts.rest
    log = parts.entry(f, "log2_of_16", table.log2_of_16)
    log_low = parts.entry(f, "log2_low_of_16", table.log2_low_of_16)
    z = f.let("z", r * r)
    z_low = f.let("z_low", f.fma(r, r, -z))
    half = f.constant(-0.5)
    h = f.let("h", f.fma(half, z, r))
    h_low = f.let("h_low", f.fma(half, z_low, f.fma(half, z, r - h)))
    high, low = (f.constant(part) for part in table.inverse_ln2_f32)
    tail = f.let("tail", f.fma(z * r, f.polynomial("q", r, table.log2_cubic), log_low))
    scaled = f.let("scaled", h * high)
    tail = f.let("rest_of_log", f.fma(h_low, high, f.fma(h, low, tail)) + f.fma(h, high, -scaled))
    unit = f.constant(2.0**-f.format.mantissa_bits)
    whole = f.let("whole", f.fma(parts.exponent, unit, log))
    total = f.let("total", whole + scaled)
    return total, f.let("total_low", scaled - (total - whole) + tail)
