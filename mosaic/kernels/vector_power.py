"""power and cbrt of vectors.

power of float32 is 2**(y log2 |x|) in float64 lanes, with a sign and the special values of C's pow (Annex F.10.4.4)
around it. cbrt takes a guess from a third of the exponent and two steps of the inverse cube root, then one correction.
"""

from __future__ import annotations

from mosaic import c
from mosaic.kernels import vector_math_table as table
from mosaic.kernels.formula import Formula
from mosaic.kernels.halves import Part, halves, joined
from mosaic.kernels.helper import Helper
from mosaic.kernels.lanes import any_lane, convert, rounding
from mosaic.kernels.vectors import VectorType

_x, _y = c.Name("x"), c.Name("y")
_infinity, _nan = float("inf"), float("nan")


def power_f32(vector: VectorType, has_fma: bool, vector_bytes: int) -> Helper:
    """Return ``power_V(x, y)`` of float32: y log2 |x| in float64 lanes, its power of two in float32 again."""
    f = Formula(vector, has_fma)
    layout = f.format
    a = f.magnitude("a", _x)
    is_small = f.let("is_small", a < f.number(layout.min_normal), f.integers)
    scaled = f.let("scaled", f.select(is_small, a * f.number(2.0**layout.mantissa_bits), a))
    power = f.let("power", (f.bits(scaled) - f.integer(0x3F3504F3)) >> layout.mantissa_bits, f.integers)
    mantissa = f.from_bits(f.bits(scaled) - (power << layout.mantissa_bits))
    fraction = f.let("f", mantissa - f.number(1))
    count = power - (is_small & f.integer(layout.mantissa_bits))
    exponent = f.let("e", f.call(convert(f.integers, vector), count))
    pieces = [_rounded_product(f, fraction, exponent, part) for part in halves(vector, vector_bytes)]
    n = f.let("n", joined(vector, [piece[0] for piece in pieces]), f.integers)
    r = f.let("r", joined(vector, [piece[1] for piece in pieces]))
    q = f.polynomial("q", r, table.exp2_rough)
    half = f.let("half", n >> 1, f.integers)
    shift, bias = layout.mantissa_bits, f.integer(layout.bias)
    first, second = f.from_bits((half + bias) << shift), f.from_bits((n - half + bias) << shift)
    z = f.let("z", f.fma(r, q, f.constant(1)) * first * second)
    infinity = f.number(_infinity)
    is_plain = (_x > f.number(0)) & (_x < infinity) & (f.magnitude("b", _y) < infinity)
    settled = f.call(settle_power(vector), _x, _y, z)
    f.statements.append(c.If(f.call(any_lane(f.integers), ~is_plain), (c.Return(settled),)))
    return f.finish("power", z, "power: at most 1.25 ulp", parameters=("x", "y"))


def _rounded_product(f: Formula, fraction: c.Name, exponent: c.Name, part: Part) -> tuple[c.Expression, c.Expression]:
    """Return y (e + log2(1 + f)) of some lanes as the nearest integer and the rest, kept within 2**-200 and 2**200."""
    wide = Formula(part.vector.of("f64"), f.has_fma)
    values = [f.call(convert(part.vector, wide.vector), part.of(x)) for x in (fraction, exponent, _y)]
    w = f.let(f"w{part.start}", f.call(_product_function(wide), *values), wide.vector)
    offset = wide.constant(wide.format.round_constant)
    whole = f.let(f"whole{part.start}", w + offset - offset, wide.vector)
    f.helpers.update(wide.helpers)
    count = f.call(convert(wide.vector, part.vector.of("i32")), whole)
    return count, f.call(convert(wide.vector, part.vector), w - whole)


def _product_function(f: Formula) -> Helper:
    """Return ``log2_product_V(f, e, y)`` of float64 lanes: y (e + log2(1 + f)), the logarithm to 2**-33."""
    fraction, exponent, y = c.Name("f"), c.Name("e"), c.Name("y")
    own = Formula(f.vector, f.has_fma)
    p = own.polynomial("p", fraction, table.log2_rough)
    w = own.let("w", y * own.fma(fraction, p, exponent))
    below = own.let("below", own.select(w > own.number(200.0), own.constant(200.0), w))
    clamped = own.select(below < own.number(-200.0), own.constant(-200.0), below)
    return own.finish("log2_product", clamped, "y log2(x) for float32", parameters=("f", "e", "y"))


def settle_power(vector: VectorType) -> Helper:
    """Return ``settle_power_V(x, y, z)``: x**y for z = |x|**y as computed for numbers that are not special."""
    f = Formula(vector, False)
    z, zero, one = c.Name("z"), f.vector.zero, f.number(1)
    a = f.magnitude("a", _x)
    is_down = f.let("is_down", _y < f.number(0), f.integers)
    of_zero = f.let("of_zero", f.select(is_down, f.constant(_infinity), zero))
    of_infinity = f.let("of_infinity", f.select(is_down, zero, f.constant(_infinity)))
    value = f.let("value", f.select(c.equal(a, f.number(0)), of_zero, z))
    value = f.let("finite", f.select(c.equal(a, f.number(_infinity)), of_infinity, value))
    f.comment("A negative number: odd powers are negative, powers that are not whole are NaN.")
    trunc = rounding(f.vector, "trunc")
    is_whole = f.let("is_whole", c.equal(f.call(trunc, _y), _y), f.integers)
    half = f.let("half", f.number(0.5) * _y)
    is_odd = f.let("is_odd", is_whole & c.not_equal(f.call(trunc, half), half), f.integers)
    sign = f.bits(_x) & is_odd & f.integer(f.format.sign_mask)
    signed = f.let("signed_value", f.from_bits(f.bits(value) ^ sign))
    is_undefined = (_x < f.number(0)) & ~is_whole & c.not_equal(a, f.number(_infinity))
    result = f.let("result", f.select(is_undefined, f.constant(_nan), signed))
    result = f.let("number", f.select(c.not_equal(_x, _x) | c.not_equal(_y, _y), _x + _y, result))
    f.comment("1**y and x**0 are 1, even of NaN; (-1)**y is 1 for infinite y.")
    is_infinite = c.equal(f.magnitude("b", _y), f.number(_infinity))
    is_one = c.equal(_x, one) | c.equal(_y, f.number(0)) | (c.equal(a, one) & is_infinite)
    return f.finish(
        "settle_power", f.select(is_one, f.constant(1), result), "x**y of |x|**y", parameters=("x", "y", "z")
    )


_cbrt_magic = {"f32": 0x54A2FA8C, "f64": 0x553EF0FF289DD796}
"""bits(x**(-1/3)) is about this less a third of bits(x)."""


def cbrt(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``cbrt_V(x)``."""
    f = Formula(vector, has_fma)
    layout, short = f.format, vector.element.short
    a = f.magnitude("a", _x)
    is_small = f.let("is_small", a < f.number(layout.min_normal), f.integers)
    power = 10 if short == "f32" else 20
    factor = 8.0**power
    scaled = f.let("scaled", f.select(is_small, a * f.number(factor), a))
    f.comment("A third of the bits by way of a number: its first digits are enough.")
    third = f.third_of_bits("third", scaled)
    y = f.let("y", f.from_bits(f.integer(_cbrt_magic[short]) - third))
    for _ in range(2 if short == "f32" else 3):
        step = f.number(1) - scaled * y * y * y
        h = f.let(f"h{len(f.statements)}", step)
        correction = f.fma(h, f.fma(h, f.constant(14 / 81), f.constant(2 / 9)), f.constant(1 / 3))
        f.statements.append(c.Assign(y, f.fma(y * h, correction, y)))
    root = f.let("root", scaled * y * y)
    square = f.let("square", root * root)
    f.comment("The last digits: (a - root**3) / (3 root**2), the square with what its rounding lost.")
    lost = f.let("lost", f.fma(root, root, -square))
    rest = f.let("rest", f.fma(-square, root, scaled) - lost * root)
    exact = f.let("exact", f.fma(rest * y * y, f.constant(1 / 3), root))
    result = f.let("result", f.select(is_small, exact * f.number(2.0**-power), exact))
    is_special = c.equal(_x, f.number(0)) | ~(a < f.number(_infinity))
    return f.finish("cbrt", f.select(is_special, _x, f.with_sign_of(result, _x)), "cbrt: at most 1 ulp")
