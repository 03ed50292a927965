"""sin, cos and tan of vectors.

Method: Cody and Waite's reduction by pi/2 in three parts with the rest kept in two numbers, then polynomials chosen by
quadrant. Lanes beyond a limit are rare. In float64 they go through the C library. In float32 they are reduced with the
leading 216 bits of 2/pi (Payne and Hanek, 1983) and without a call, which would cost a loop around it all registers even
where it is never made.
"""

from __future__ import annotations

from collections.abc import Sequence

from mosaic import c
from mosaic.c.helpers import Helper, inline_function
from mosaic.vector import coefficients as table
from mosaic.vector.conversions import convert
from mosaic.vector.formula import Formula
from mosaic.vector.halves import Part, halves, joined
from mosaic.vector.lane_operations import any_lane, rounding
from mosaic.vector.vector_types import VectorType

_x, _lane = c.Name("x"), c.Name("lane")
_limit = 1e6
"""Of float64: a multiple of pi/2 up to this takes 20 bits; with the 33 of each part it is exact."""

_limit_bits = 0x48927C00
"""Of float32, 3e5: the nearest multiple is known to a fiftieth of one, which the polynomials allow for."""


def sin(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``sin_V(x)``."""
    return _circular(Formula(vector, has_fma), "sin", 0)


def cos(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``cos_V(x)``: the sine one quadrant on."""
    return _circular(Formula(vector, has_fma), "cos", 1)


def tan(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``tan_V(x)``: sine over cosine, in odd quadrants cosine over minus sine."""
    f = Formula(vector, has_fma)
    quadrant, n = _quadrant(f, 0)
    r, low = _reduced(f, n)
    sine = f.let("sine", _sine(f, r, low))
    cosine = f.let("cosine", _cosine(f, r, low))
    result = f.select(c.equal(_x, f.number(0)), _x, _tangent(f, quadrant, sine, cosine))
    return f.finish("tan", _with_far_lanes(f, "tan", result), "tan: at most 2.5 ulp")


def _tangent(f: Formula, quadrant: c.Name, sine: c.Name, cosine: c.Name) -> c.Expression:
    is_odd = f.let("is_odd", -(quadrant & f.integer(1)), f.integers)
    top, bottom = f.select(is_odd, cosine, sine), f.select(is_odd, -sine, cosine)
    return f.let("quotient", top / bottom)


def sin_f32(vector: VectorType, has_fma: bool, vector_bytes: int) -> Helper:
    """Return ``sin_V(x)`` of float32: the reduction in float64 lanes, the polynomials in float32."""
    f = Formula(vector, has_fma)
    quadrant, sine, cosine = _pair_f32(f, 0, vector_bytes)
    result = f.select(c.equal(_x, f.number(0)), _x, _in_quadrant(f, quadrant, sine, cosine))
    return f.finish("sin", result, "sin: at most 1.6 ulp")


def cos_f32(vector: VectorType, has_fma: bool, vector_bytes: int) -> Helper:
    """Return ``cos_V(x)`` of float32."""
    f = Formula(vector, has_fma)
    quadrant, sine, cosine = _pair_f32(f, 1, vector_bytes)
    result = _in_quadrant(f, quadrant, sine, cosine)
    return f.finish("cos", result, "cos: at most 1.6 ulp")


def tan_f32(vector: VectorType, has_fma: bool, vector_bytes: int) -> Helper:
    """Return ``tan_V(x)`` of float32."""
    f = Formula(vector, has_fma)
    quadrant, sine, cosine = _pair_f32(f, 0, vector_bytes)
    result = f.select(c.equal(_x, f.number(0)), _x, _tangent(f, quadrant, sine, cosine))
    return f.finish("tan", result, "tan: at most 3 ulp")


def _pair_f32(f: Formula, quadrants: int, vector_bytes: int) -> tuple[c.Name, c.Name, c.Name]:
    """Name the quadrant, and sine and cosine of the reduced x."""
    quadrant, n = _quadrant(f, quadrants)
    parts = halves(f.vector, vector_bytes)
    r, low = _rest_fused(f, n) if f.has_fma else _rest_in_float64(f, n, parts)
    size = f.let("size", f.bits(_x) & ~f.integer(f.format.sign_mask), f.integers)
    with f.when(f.any_outside("is_any_far", size, 0, _limit_bits)):
        is_far = f.let("is_far", size >= f.integer(_limit_bits), f.integers)
        far_r, far_quadrant = _reduced_far(f, parts)
        f.assign(r, f.select(is_far, far_r, r))
        f.assign(low, f.from_bits(f.bits(low) & ~is_far))
        moved = far_quadrant + f.integer(quadrants)
        f.assign(quadrant, (is_far & moved) | (~is_far & quadrant))
    z = f.let("z", r * r)
    p = f.polynomial("p", z, table.sin_rough)
    q = f.polynomial("q", z, table.cos_rough)
    return quadrant, f.let("sine", r + f.fma(r * z, p, low)), f.let("cosine", f.fma(z, q, f.constant(1)))


def _rest_fused(f: Formula, n: c.Name) -> tuple[c.Name, c.Name]:
    """Name x - n pi/2 and its rounding error.

    Without the leading part of pi/2 the rest is exact: a multiple of 2**-23 below 1. Without the second part it is
    rounded once, and what the third part adds is far smaller.
    """
    first, second, third = (f.constant(-each) for each in table.half_pi_f32)
    r = f.let("r", f.fma(n, second, f.fma(n, first, _x)))
    return r, f.let("low", n * third)


def _rest_in_float64(f: Formula, n: c.Name, parts: Sequence[Part]) -> tuple[c.Name, c.Name]:
    """Name x - n pi/2 where products are rounded, and a zero for its error."""
    r = f.let("r", joined(f.vector, [_rest_f32(f, n, part) for part in parts]))
    return r, f.let("low", f.vector.zero)


def _reduced_far(f: Formula, parts: Sequence[Part]) -> tuple[c.Expression, c.Expression]:
    """Return rest and quadrant of numbers of any size."""
    rests, quadrants = [], []
    for part in parts:
        wide = Formula(part.vector.of("f64"), f.has_fma)
        whole = f.let(f"whole{part.start}", wide.vector.zero, wide.vector)
        x = f.call(convert(part.vector, wide.vector), part.of(_x))
        rest = f.let(f"far{part.start}", f.call(_far_rest(wide), x, c.address_of(whole)), wide.vector)
        rests.append(f.call(convert(wide.vector, part.vector), rest))
        quadrants.append(f.call(convert(wide.vector, part.vector.of("i32")), whole))
    return f.let("far_r", joined(f.vector, rests)), f.let("far_quadrant", joined(f.vector, quadrants), f.integers)


_two_over_pi = Helper(
    "two_over_pi",
    (
        c.Global(
            c.ArrayType(c.NamedType("double", is_const=True), len(table.two_over_pi)),
            "two_over_pi",
            c.InitializerList(tuple(map(c.literal, table.two_over_pi))),
            comment="2/pi in parts of 27 bits.",
        ),
    ),
)


def _far_rest(f: Formula) -> Helper:
    """Return ``far_rest_V(x, whole)`` of float64 lanes that were float32: x - n pi/2, and n up to multiples of 4.

    x times 27 bits of 2/pi is exact, and so is what is left of that without a multiple of 4.
    """
    full_name, whole = f"far_rest_{f.vector.name}", c.Name("whole")
    trunc, rint = (rounding(f.vector, name) for name in ("trunc", "rint"))
    rest, count = f.let("rest", f.vector.zero), f.let("count", f.vector.zero)
    turn = Formula(f.vector, f.has_fma, [], f.helpers)
    product = turn.let("product", _x * c.Name("two_over_pi")[c.Name("i")])
    turn.assign(rest, rest + (product - turn.number(4) * turn.call(trunc, product * turn.number(0.25))))
    nearest = turn.let("nearest", turn.call(rint, rest))
    turn.assign(rest, rest - nearest)
    turn.assign(count, count + nearest)
    pieces = c.For(
        "i", c.literal(0), c.literal(len(table.two_over_pi)), tuple(turn.statements), pragmas=("GCC unroll 1",)
    )
    body = (
        *f.statements,
        pieces,
        c.Assign(c.dereference(whole), count),
        c.Return(rest * f.number(1.5707963267948966)),
    )
    parameters = (c.Parameter(f.vector.ctype, "x"), c.Parameter(c.pointer(f.vector.ctype), "whole"))
    function = inline_function(full_name, f.vector.ctype, parameters, body, "x - n pi/2 of any float32, and n")
    return Helper(full_name, (function,), (f.vector.helper, _two_over_pi, *f.helpers.values()))


def _rest_f32(f: Formula, n: c.Name, part: Part) -> c.Expression:
    """Return x - n pi/2 of some lanes, computed in float64."""
    wide = Formula(part.vector.of("f64"), f.has_fma)
    x, whole = (f.call(convert(part.vector, wide.vector), part.of(each)) for each in (_x, n))
    multiple = f.let(f"n{part.start}", whole, wide.vector)
    first, second, third = (wide.constant(-each) for each in table.half_pi_f64)
    near = wide.fma(multiple, second, wide.fma(multiple, first, x))
    rest = wide.fma(multiple, third, near)
    f.helpers.update(wide.helpers)
    return f.call(convert(wide.vector, part.vector), rest)


def _quadrant(f: Formula, quadrants: int) -> tuple[c.Name, c.Name]:
    """Name the nearest multiple of pi/2, its low bits moved on by some quadrants, and the multiple as a number."""
    shifted = f.let("shifted", f.fma(_x, f.constant(0.6366197723675814), f.constant(f.format.round_constant)))
    quadrant = f.let("quadrant", f.bits(shifted) + f.integer(quadrants), f.integers)
    return quadrant, f.let("n", shifted - f.number(f.format.round_constant))


def _in_quadrant(f: Formula, quadrant: c.Name, sine: c.Name, cosine: c.Name) -> c.Expression:
    is_odd = f.let("is_odd", -(quadrant & f.integer(1)), f.integers)
    value = f.let("value", f.select(is_odd, cosine, sine))
    f.comment("In quadrants 2 and 3 the result is negative: shift bit 1 of the quadrant to the sign bit.")
    return f.from_bits(f.bits(value) ^ ((quadrant & f.integer(2)) << (8 * f.vector.element.num_bytes - 2)))


def _circular(f: Formula, name: str, quadrants: int) -> Helper:
    quadrant, n = _quadrant(f, quadrants)
    r, low = _reduced(f, n)
    sine = f.let("sine", _sine(f, r, low))
    cosine = f.let("cosine", _cosine(f, r, low))
    result = _in_quadrant(f, quadrant, sine, cosine)
    if name == "sin":
        result = f.select(c.equal(_x, f.number(0)), _x, result)
    return f.finish(name, _with_far_lanes(f, name, result), f"{name}: at most 1 ulp")


def _with_far_lanes(f: Formula, name: str, value: c.Expression) -> c.Name:
    """Name the result of all lanes: those beyond the limit, which are rare, come from the C library.

    A lane's bits must not depend on its neighbours: they would depend on how many lanes a vector has.
    """
    result = f.let("result", value)
    is_far = f.let("is_far", f.magnitude("a", _x) > f.number(_limit), f.integers)
    scalar = c.Name(f"__builtin_{name}")
    one = c.If(is_far[_lane], (c.Assign(result[_lane], scalar(_x[_lane])),))
    loop = c.For("lane", c.literal(0), c.literal(f.vector.lanes), (one,), ctype=c.int_)
    with f.when(f.call(any_lane(f.integers), is_far)):
        f.statements.append(loop)
    return result


def _reduced(f: Formula, n: c.Expression) -> tuple[c.Name, c.Name]:
    """Name x - n pi/2 as a number and the half unit of its last place that it misses."""
    first, second, third = table.half_pi_f64
    exact = f.let("exact", _x - n * f.number(first))
    part = f.let("part", n * f.number(second))
    rough = f.let("rough", exact - part)
    rest = f.let("rest", exact - rough - part - n * f.number(third))
    r = f.let("r", rough + rest)
    return r, f.let("low", rough - r + rest)


def _sine(f: Formula, r: c.Expression, low: c.Expression) -> c.Expression:
    z = f.let("z", r * r)
    p = f.polynomial("p", z, table.sin_f64)
    return r + f.fma(r * z, p, low)


def _cosine(f: Formula, r: c.Expression, low: c.Expression) -> c.Expression:
    z = c.Name("z")
    q = f.polynomial("q", z, table.cos_f64)
    half = f.let("half", f.number(0.5) * z)
    w = f.let("w", f.number(1) - half)
    return w + (f.number(1) - w - half + f.fma(z * z, q, -(r * low)))
