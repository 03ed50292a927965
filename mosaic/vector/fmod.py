"""fmod of float vectors.

Method: q = trunc(|x| / |y|), which rounding may have made one too large, and |x| - q |y|, a multiple of the last place of y,
which fused multiply-add need not round. Quotients of more digits than a number has, infinities, NaN and a zero y are rare
lanes for the C library.
"""

from __future__ import annotations

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.vector.formula import Formula
from mosaic.vector.lane_operations import any_lane, rounding
from mosaic.vector.vector_types import VectorType

_x, _y, _lane = c.Name("x"), c.Name("y"), c.Name("lane")


def fmod(vector: VectorType) -> Helper:
    """Return ``fmod_V(x, y)``, exact like C's fmod, on processors with fused multiply-add."""
    f = Formula(vector, has_fma=True)
    a, b = f.magnitude("a", _x), f.magnitude("b", _y)
    q = f.let("q", f.call(rounding(vector, "trunc"), a / b))
    rest = f.let("rest", f.fma(-q, b, a))
    result = f.let("result", f.with_sign_of(f.select(rest < f.number(0), rest + b, rest), _x))
    is_near = (q < f.number(2.0**f.format.mantissa_bits)) & (b < f.number(float("inf")))
    is_rare = f.let("is_rare", ~is_near, f.integers)
    with f.when(f.call(any_lane(f.integers), is_rare)):
        scalar = c.Name("__builtin_fmodf" if vector.element.short == "f32" else "__builtin_fmod")
        one = c.If(is_rare[_lane], (c.Assign(result[_lane], scalar(_x[_lane], _y[_lane])),))
        f.statements.append(c.For("lane", c.literal(0), c.literal(vector.lanes), (one,), ctype=c.int_))
    return f.finish("fmod", result, "fmod: exact", parameters=("x", "y"))
