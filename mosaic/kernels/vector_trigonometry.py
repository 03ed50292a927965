"""sin, cos and tan of float64 vectors, and rough ones of float64 lanes that hold float32 numbers.

Method: Cody and Waite's reduction by pi/2 in three parts with the rest kept in two numbers, then polynomials chosen by
quadrant. Lanes beyond 1e6 are rare: if there is one, all lanes go through the C library.
"""

from __future__ import annotations

from mosaic import c
from mosaic.kernels import vector_math_table as table
from mosaic.kernels.formula import Formula
from mosaic.kernels.helper import Helper
from mosaic.kernels.lanes import any_lane
from mosaic.kernels.vectors import VectorType

_x, _lane = c.Name("x"), c.Name("lane")
_limit = 1e6
"""A multiple of pi/2 up to this takes 20 bits; with the 33 of each part it is exact."""


def sin(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``sin_V(x)``."""
    return _circular(Formula(vector, has_fma), "sin", 0)


def cos(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``cos_V(x)``: the sine one quadrant on."""
    return _circular(Formula(vector, has_fma), "cos", 1)


def tan(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``tan_V(x)``: sine over cosine, in odd quadrants cosine over minus sine."""
    f = Formula(vector, has_fma)
    _far_away(f, "tan")
    quadrant, n = _quadrant(f, 0)
    r, low = _reduced(f, n)
    sine = f.let("sine", _sine(f, r, low))
    cosine = f.let("cosine", _cosine(f, r, low))
    return f.finish(
        "tan", f.select(c.equal(_x, f.number(0)), _x, _tangent(f, quadrant, sine, cosine)), "tan: at most 2.5 ulp"
    )


def _tangent(f: Formula, quadrant: c.Name, sine: c.Name, cosine: c.Name) -> c.Expression:
    is_odd = f.let("is_odd", -(quadrant & f.integer(1)), f.integers)
    top, bottom = f.select(is_odd, cosine, sine), f.select(is_odd, -sine, cosine)
    return f.let("quotient", top / bottom)


def rough_sin(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``rough_sin_V(x)``: to 2**-28."""
    return _rough(Formula(vector, has_fma), "sin", 0)


def rough_cos(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``rough_cos_V(x)``: to 2**-28."""
    return _rough(Formula(vector, has_fma), "cos", 1)


def rough_tan(vector: VectorType, has_fma: bool) -> Helper:
    """Return ``rough_tan_V(x)``: to 2**-27."""
    f = Formula(vector, has_fma)
    _far_away(f, "tan")
    quadrant, n = _quadrant(f, 0)
    sine, cosine = _rough_pair(f, n)
    quotient = _tangent(f, quadrant, sine, cosine)
    return f.finish("rough_tan", f.select(c.equal(_x, f.number(0)), _x, quotient), "tan for float32")


def _rough(f: Formula, name: str, quadrants: int) -> Helper:
    _far_away(f, name)
    quadrant, n = _quadrant(f, quadrants)
    sine, cosine = _rough_pair(f, n)
    result = _in_quadrant(f, quadrant, sine, cosine)
    if name == "sin":
        result = f.select(c.equal(_x, f.number(0)), _x, result)
    return f.finish(f"rough_{name}", result, f"{name} for float32")


def _rough_pair(f: Formula, n: c.Name) -> tuple[c.Name, c.Name]:
    """Name sine and cosine of x - n pi/2."""
    first, second, third = table.half_pi_f64
    near = f.let("near", f.fma(n, f.constant(-second), f.fma(n, f.constant(-first), _x)))
    r = f.let("r", f.fma(n, f.constant(-third), near))
    z = f.let("z", r * r)
    p = f.polynomial("p", z, table.sin_rough)
    q = f.polynomial("q", z, table.cos_rough)
    return f.let("sine", f.fma(r * z, p, r)), f.let("cosine", f.fma(z, q, f.constant(1)))


def _quadrant(f: Formula, quadrants: int) -> tuple[c.Name, c.Name]:
    """Name the nearest multiple of pi/2, its low bits moved on by some quadrants, and the multiple as a number."""
    shifted = f.let("shifted", f.fma(_x, f.constant(0.6366197723675814), f.constant(f.format.round_constant)))
    quadrant = f.let("quadrant", f.bits(shifted) + f.integer(quadrants), f.integers)
    return quadrant, f.let("n", shifted - f.number(f.format.round_constant))


def _in_quadrant(f: Formula, quadrant: c.Name, sine: c.Name, cosine: c.Name) -> c.Expression:
    is_odd = f.let("is_odd", -(quadrant & f.integer(1)), f.integers)
    value = f.let("value", f.select(is_odd, cosine, sine))
    f.comment("Quadrants 2 and 3 are negative: bit 1 moves to the sign.")
    return f.from_bits(f.bits(value) ^ ((quadrant & f.integer(2)) << 62))


def _circular(f: Formula, name: str, quadrants: int) -> Helper:
    _far_away(f, name)
    quadrant, n = _quadrant(f, quadrants)
    r, low = _reduced(f, n)
    sine = f.let("sine", _sine(f, r, low))
    cosine = f.let("cosine", _cosine(f, r, low))
    result = _in_quadrant(f, quadrant, sine, cosine)
    if name == "sin":
        result = f.select(c.equal(_x, f.number(0)), _x, result)
    return f.finish(name, result, f"{name}: at most 1 ulp")


def _far_away(f: Formula, name: str) -> None:
    a = f.magnitude("a", _x)
    scalar = c.Name(f"__builtin_{name}")
    loop = c.For(
        "lane",
        c.literal(0),
        c.literal(f.vector.lanes),
        (c.Assign(_x[_lane], scalar(_x[_lane])),),
        ctype=c.int_,
    )
    f.statements.append(c.If(f.call(any_lane(f.integers), a > f.number(_limit)), (loop, c.Return(_x))))


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
