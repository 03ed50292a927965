"""power of float32 vectors.

Method: 2**(y log2 |x|) with the logarithm in two numbers, since its error is multiplied by up to 150. x = 2**e m, and a
table has c near 1/m, of so few bits that r = c m - 1 is exact, and -log2(c) in two numbers, of which the first is exact
when e is added (Tang, 1990). With h = r - r**2/2, in two numbers, log2(1 + r) = h/ln(2) + r**3 p(r). The entries beside
1 and 2 have c = 1 and c = 1/2, so that nothing cancels near x = 1. Without fused multiply-add the C library's powf is
used.
"""

from __future__ import annotations

from mosaic import c
from mosaic.kernels import vector_math_table as table
from mosaic.kernels.formula import Formula
from mosaic.kernels.helper import Helper
from mosaic.kernels.lanes import exponent_as_number
from mosaic.kernels.lookup import lookup
from mosaic.kernels.vector_exponential import times_power
from mosaic.kernels.vector_power import settle_power
from mosaic.kernels.vectors import VectorType

_x, _y = c.Name("x"), c.Name("y")
_border = 200.0
"""Beyond this power of two the result is 0 or infinity."""


def power_f32(vector: VectorType) -> Helper:
    """Return ``power_V(x, y)`` of float32."""
    f = Formula(vector, has_fma=True)
    layout = f.format
    is_rare = f.any_outside("is_rare", f.bits(_x), layout.min_normal_bits, layout.infinity_bits)
    log, log_low = _log2(f, *_taken_apart(f, is_rare))
    product = f.let("product", _y * log)
    lost = f.let("lost", f.fma(_y, log_low, f.fma(_y, log, -product)))
    f.comment("Beyond the border the result is 0 or infinity.")
    w = f.let("w", f.not_below(f.not_above(product, _border), -_border))
    rest = f.let("rest", f.from_bits(f.bits(lost) & c.equal(w, product)))
    shifted = f.let("shifted", w + f.number(layout.round_constant))
    r = f.let("power_rest", w - (shifted - f.number(layout.round_constant)) + rest)
    q = f.polynomial("power_q", r, table.exp2_f32)
    z = f.let("power", f.call(times_power(f), f.fma(r, q, f.constant(1)), shifted))
    is_large = f.any_outside("is_large", f.bits(_y) & ~f.integer(layout.sign_mask), 0, layout.infinity_bits)
    with f.when(is_rare | is_large):
        f.assign(z, f.call(settle_power(vector), _x, _y, z))
    return f.finish("power", z, "power: at most 1.25 ulp", parameters=("x", "y"))


def _taken_apart(f: Formula, is_rare: c.Name) -> tuple[c.Name, c.Name]:
    """Name the bits of |x|, subnormals scaled up, and those of its exponent."""
    layout = f.format
    in_place = -(1 << layout.mantissa_bits)
    bits = f.let("bits", f.bits(_x) & ~f.integer(layout.sign_mask), f.integers)
    power = f.let("exponent_bits", bits & f.integer(in_place), f.integers)
    with f.when(is_rare):
        is_small = f.let("is_small", bits < f.integer(layout.min_normal_bits), f.integers)
        scale = f.select(is_small, f.constant(2.0**layout.mantissa_bits), f.constant(1))
        f.assign(bits, f.bits(f.from_bits(bits) * scale))
        lift = is_small & f.integer(layout.mantissa_bits << layout.mantissa_bits)
        f.assign(power, (bits & f.integer(in_place)) - lift)
    return bits, power


def _log2(f: Formula, bits: c.Name, power: c.Name) -> tuple[c.Name, c.Name]:
    """Name log2 of a number in two numbers, given its bits and those of its exponent."""
    layout = f.format
    index = f.let("index", bits >> (layout.mantissa_bits - 4), f.integers)
    mantissa_mask = (1 << layout.mantissa_bits) - 1
    mantissa = f.let("m", f.from_bits((bits & f.integer(mantissa_mask)) | f.integer(layout.one_bits)))
    values = {"inverse": table.inverse_of_16, "log2_of_16": table.log2_of_16, "log2_low_of_16": table.log2_low_of_16}
    inverse, log, log_low = (f.call(lookup(name, each, f.vector), index) for name, each in values.items())
    r = f.let("r", f.fma(mantissa, inverse, f.constant(-1)))
    z = f.let("z", r * r)
    z_low = f.let("z_low", f.fma(r, r, -z))
    half = f.constant(-0.5)
    h = f.let("h", f.fma(half, z, r))
    h_low = f.let("h_low", f.fma(half, z_low, f.fma(half, z, r - h)))
    high, low = (f.constant(part) for part in table.inverse_ln2_f32)
    tail = f.let("tail", f.fma(z * r, f.polynomial("q", r, table.log2_cubic), log_low))
    scaled = f.let("scaled", h * high)
    tail = f.let("rest_of_log", f.fma(h_low, high, f.fma(h, low, tail)) + f.fma(h, high, -scaled))
    number = f.call(exponent_as_number(f.integers, f.vector), power)
    whole = f.let("whole", f.fma(number, f.constant(2.0**-layout.mantissa_bits), log))
    total = f.let("total", whole + scaled)
    return total, f.let("total_low", scaled - (total - whole) + tail)
