"""cbrt of vectors, and the special values of powers for both float types.

cbrt takes a guess from a third of the exponent and one or two steps of the inverse cube root, then one correction. The
special values of a power are those of C's pow (Annex F.10.4.4).
"""

from __future__ import annotations

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.vector import coefficients as table
from mosaic.vector.formula import Formula
from mosaic.vector.lane_operations import rounding
from mosaic.vector.vector_types import VectorType

_x, _y = c.Name("x"), c.Name("y")
_infinity, _nan = float("inf"), float("nan")


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
    f.comment("For negative x, odd powers are negative, and powers with a fraction are NaN.")
    trunc = rounding(f.vector, "trunc")
    is_whole = f.let("is_whole", c.equal(f.call(trunc, _y), _y), f.integers)
    half = f.let("half", f.number(0.5) * _y)
    is_odd = f.let("is_odd", is_whole & c.not_equal(f.call(trunc, half), half), f.integers)
    sign = f.bits(_x) & is_odd & f.integer(f.format.sign_mask)
    signed = f.let("signed_value", f.from_bits(f.bits(value) ^ sign))
    is_undefined = (_x < f.number(0)) & ~is_whole & c.not_equal(a, f.number(_infinity))
    result = f.let("result", f.select(is_undefined, f.constant(_nan), signed))
    result = f.let("number", f.select(c.not_equal(_x, _x) | c.not_equal(_y, _y), _x + _y, result))
    f.comment("1**y and x**0 are 1, even if the other is NaN; (-1)**y is 1 for infinite y.")
    is_infinite = c.equal(f.magnitude("b", _y), f.number(_infinity))
    is_one = c.equal(_x, one) | c.equal(_y, f.number(0)) | (c.equal(a, one) & is_infinite)
    return f.finish(
        "settle_power", f.select(is_one, f.constant(1), result), "x**y of |x|**y", parameters=("x", "y", "z")
    )


_cbrt_magic = {"f32": 0x54A1F5CE, "f64": 0x553EF0FF289DD796}
"""bits(x**(-1/3)) is about this less a third of bits(x)."""

_cbrt_step = {"f32": table.inverse_cbrt_f32, "f64": table.inverse_cbrt_f64}
_cbrt_lift = {"f32": 10, "f64": 20}
"""Subnormals are multiplied by 8 to this power."""


def cbrt(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``cbrt_V(x)``."""
    f = Formula(vector, has_fma)
    layout, short = f.format, vector.element.short
    a = f.magnitude("a", _x)
    is_rare = f.any_outside("is_rare", f.bits(a), layout.min_normal_bits, layout.infinity_bits)
    with f.when(is_rare):
        is_small = f.let("is_small", a < f.number(layout.min_normal), f.integers)
        f.assign(a, f.select(is_small, a * f.number(8.0 ** _cbrt_lift[short]), a))
    f.comment("Guess 1 / cbrt(a): divide its bits by 3 as a float, whose precision is enough for a guess.")
    third = f.third_of_bits("third", a)
    y = f.let("y", f.from_bits(f.integer(_cbrt_magic[short]) - third))
    h = f.let("h", _cube_missing(f, a, y))
    f.assign(y, f.fma(y * h, f.polynomial("step", h, _cbrt_step[short]), y))
    if short == "f64":
        f.assign(y, f.fma(y * f.number(1 / 3), _cube_missing(f, a, y), y))
    y_square = f.let("y_square", y * y)
    root = f.let("root", a * y_square)
    square = f.let("square", root * root)
    f.comment("One more Newton step, (a - root**3) / (3 root**2); `lost` is the rounding error of root**2.")
    lost = f.let("lost", f.fma(root, root, -square))
    rest = f.fma(-lost, root, f.fma(-square, root, a))
    result = f.let("result", f.fma(rest * y_square, f.constant(1 / 3), root))
    with f.when(is_rare):
        was_small = f.let("was_small", f.magnitude("size", _x) < f.number(layout.min_normal), f.integers)
        lowered = f.let("lowered", f.select(was_small, result * f.number(2.0 ** -_cbrt_lift[short]), result))
        is_special = c.equal(_x, f.number(0)) | ~(a < f.number(_infinity))
        f.assign(result, f.select(is_special, _x, lowered))
    return f.finish("cbrt", f.with_sign_of(result, _x), "cbrt: at most 1 ulp")


def _cube_missing(f: Formula, a: c.Name, y: c.Name) -> c.Expression:
    """Return 1 - a y**3."""
    return f.fma(-(a * y), y * y, f.constant(1))
