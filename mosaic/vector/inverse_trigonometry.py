"""arcsin, arccos, arctan and arctan2 of vectors.

Method: an odd polynomial near zero. Beyond 0.625, arcsin(x) = pi/2 - 2 arcsin(sqrt((1 - x)/2)). arctan is taken of the
smaller coordinate over the larger one; in float64 the quotient is moved below tan(pi/8) by
arctan(t) = pi/4 + arctan((t - 1)/(t + 1)), with one division in all. pi is kept in two numbers.
"""

from __future__ import annotations

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.vector import coefficients as table
from mosaic.vector.formula import Formula
from mosaic.vector.lane_operations import rounding
from mosaic.vector.vector_types import VectorType

_x, _y = c.Name("x"), c.Name("y")
_arcsin = {"f32": table.arcsin_f32, "f64": table.arcsin_f64}
_arctan = {"f32": table.arctan_f32, "f64": table.arctan_f64}
_infinity = float("inf")
_tan_eighth = 0.41421356237309503


def arcsin(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``arcsin_V(x)``."""
    f = Formula(vector, has_fma)
    core, is_far = _half_arcsine(f)
    high, low = table.half_pi[vector.element.short]
    far = f.let("far", f.number(high) - (core + core - f.number(low)))
    return f.finish("arcsin", f.with_sign_of(f.select(is_far, far, core), _x), "arcsin: at most 2 ulp")


def arccos(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``arccos_V(x)``."""
    f = Formula(vector, has_fma)
    core, is_far = _half_arcsine(f)
    high, low = table.half_pi[vector.element.short]
    near = f.let("near", f.number(high) - (f.with_sign_of(core, _x) - f.number(low)))
    double = f.let("twice", core + core)
    beyond = f.select(_x < f.number(0), f.number(2 * high) - (double - f.number(2 * low)), double)
    return f.finish("arccos", f.select(is_far, f.let("beyond", beyond), near), "arccos: at most 2 ulp")


def _half_arcsine(f: Formula) -> tuple[c.Name, c.Name]:
    """Name arcsin(|x|) near zero, and arcsin(sqrt((1 - |x|)/2)) far from it; where it is far."""
    a = f.magnitude("a", _x)
    is_far = f.let("is_far", a > f.number(0.625), f.integers)
    z = f.let("z", f.select(is_far, f.number(0.5) - f.number(0.5) * a, a * a))
    s = f.let("s", f.select(is_far, f.call(rounding(f.vector, "sqrt"), z), a))
    p = f.polynomial("p", z, _arcsin[f.vector.element.short])
    return f.let("core", f.fma(s * z, p, s)), is_far


def arctan(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``arctan_V(x)``: of the coordinates |x| and 1."""
    f = Formula(vector, has_fma)
    a = f.magnitude("a", _x)
    is_steep = f.let("is_steep", a > f.number(1), f.integers)
    smaller = f.let("smaller", f.select(is_steep, f.constant(1), a))
    larger = f.let("larger", f.select(is_steep, a, f.constant(1)))
    high, low = table.half_pi[vector.element.short]
    base = (f.select(is_steep, f.constant(high), f.vector.zero), f.select(is_steep, f.constant(low), f.vector.zero))
    result = _angle(f, smaller, larger, is_steep, base, None)
    return f.finish("arctan", f.with_sign_of(result, _x), "arctan: at most 2.5 ulp")


def arctan2(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``arctan2_V(x, y)``: the angle of the point with height x and width y."""
    f = Formula(vector, has_fma)
    height, width = f.magnitude("height", _x), f.magnitude("width", _y)
    is_steep = f.let("is_steep", height > width, f.integers)
    smaller = f.let("smaller", f.select(is_steep, width, height))
    larger = f.let("larger", f.select(is_steep, height, width))
    f.comment("Replace (inf, inf) by (1, 1) and (0, 0) by (0, 1); halve huge numbers, so that their sum is finite.")
    is_infinite = f.let("is_infinite", c.equal(smaller, f.number(_infinity)), f.integers)
    scale = f.let("scale", f.select(larger > f.number(2.0 ** (f.format.bias - 1)), f.constant(0.5), f.constant(1)))
    smaller = f.let("small", f.select(is_infinite, f.constant(1), smaller * scale))
    is_one = is_infinite | c.equal(larger, f.number(0))
    larger = f.let("large", f.select(is_one, f.constant(1), larger * scale))
    is_left = f.let("is_left", f.bits(_y) < f.integer(0), f.integers)
    high, low = table.half_pi[vector.element.short]
    base = tuple(
        f.select(is_steep, f.constant(part), f.select(is_left, f.constant(2 * part), f.vector.zero))
        for part in (high, low)
    )
    angle = _angle(f, smaller, larger, is_steep ^ is_left, (base[0], base[1]), is_left)
    result = f.select(c.not_equal(_y, _y), _y, f.with_sign_of(angle, _x))
    return f.finish("arctan2", result, "arctan2: at most 2.5 ulp", parameters=("x", "y"))


def _angle(
    f: Formula,
    smaller: c.Name,
    larger: c.Name,
    is_backward: c.Expression,
    base: tuple[c.Expression, c.Expression],
    is_left: c.Name | None,
) -> c.Name:
    """Name base + arctan(smaller / larger), or base - arctan where it counts backward from pi/2 or pi."""
    backward = f.let("is_backward", is_backward, f.integers)
    high, low = f.let("base", base[0]), f.let("base_low", base[1])
    if f.vector.element.short == "f64":
        f.comment("More than pi/8 from an axis: compute the angle to the diagonal instead.")
        is_middle = f.let("is_middle", smaller > f.number(_tan_eighth) * larger, f.integers)
        top = f.let("top", f.select(is_middle, smaller - larger, smaller))
        bottom = f.let("bottom", f.select(is_middle, smaller + larger, larger))
        high = f.let("from", f.select(is_middle, _diagonal(f, 0, is_left), high))
        low = f.let("from_low", f.select(is_middle, _diagonal(f, 1, is_left), low))
    else:
        top, bottom = smaller, larger
    t = f.let("t", top / bottom)
    z = f.let("z", t * t)
    p = f.polynomial("p", z, _arctan[f.vector.element.short])
    core = f.let("core", f.fma(t * z, p, t))
    signed = f.let("signed_core", f.from_bits(f.bits(core) ^ (backward & f.integer(f.format.sign_mask))))
    return f.let("angle", high + (signed + low))


def _diagonal(f: Formula, part: int, is_left: c.Name | None) -> c.Expression:
    """Return pi/4, or 3 pi/4 on the left: its leading or its trailing part."""
    quarter = f.constant((0.7853981633974483, 3.061616997868383e-17)[part])
    if is_left is None:
        return quarter
    return f.select(is_left, f.constant((2.356194490192345, 9.184850993605148e-17)[part]), quarter)
