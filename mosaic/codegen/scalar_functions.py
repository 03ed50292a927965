"""Division as numpy defines it, computed one lane at a time: floor_divide, remainder, and fmod of integers.

Written as scalar C functions, mapped over the lanes of a vector by a loop.
Reference: numpy/_core/src/npymath/npy_math_internal.h.src (npy_divmod, npy_remainder).
"""

from __future__ import annotations

from functools import lru_cache

from mosaic import c
from mosaic.kernels.helper import Helper, inline_function
from mosaic.kernels.vectors import VectorType

_a, _b, _q, _r, _lane, _result = (c.Name(name) for name in ("a", "b", "quotient", "rest", "lane", "result"))
_zero, _one = c.literal(0), c.literal(1)

scalar_names = frozenset(
    [
        *((name, "f") for name in ("floor_divide", "remainder")),
        *((name, kind) for name in ("floor_divide", "remainder", "fmod") for kind in "iu"),
    ]
)
"""(name, kind of the operands) of every function here."""


@lru_cache(maxsize=256)
def lane_by_lane(name: str, vector: VectorType) -> Helper:
    """Return ``name_V(a, b)``, which applies the scalar function to each lane."""
    scalar = _scalar_function(name, vector)
    names = ("a", "b")
    full_name = f"{name}_{vector.name}"
    arguments = tuple(c.Name(each)[_lane] for each in names)
    body = (
        c.Declare(vector.ctype, "result"),
        c.For(
            "lane",
            _zero,
            c.literal(vector.lanes),
            (c.Assign(_result[_lane], c.Name(scalar.name)(*arguments)),),
            ctype=c.int_,
        ),
        c.Return(_result),
    )
    parameters = tuple(c.Parameter(vector.ctype, each) for each in names)
    return Helper(full_name, (inline_function(full_name, vector.ctype, parameters, body),), (vector.helper, scalar))


def _scalar_function(name: str, vector: VectorType) -> Helper:
    element = vector.element
    full_name = f"{name}_{element.short}"
    parameters = (c.Parameter(element.ctype, "a"), c.Parameter(element.ctype, "b"))
    if element.is_float:
        body = _float_bodies[name]("f" if element.num_bytes == 4 else "", element.ctype)
        requires: tuple[Helper, ...] = (Helper("math_header", (c.Include("math.h"),)),)
    else:
        body = _integer_bodies[name](element.ctype, element.short.startswith("i"))
        requires = ()
    return Helper(full_name, (inline_function(full_name, element.ctype, parameters, body),), requires)


def _differ_in_sign(left: c.Expression, right: c.Expression) -> c.Expression:
    return c.not_equal(left < _zero, right < _zero)


def _float_remainder(suffix: str, ctype: c.CType) -> c.Body:
    adjusted = c.If(_differ_in_sign(_b, _r), (c.AugmentedAssign(_r, "+", _b),))
    signed_zero = c.Assign(_r, c.Name(f"__builtin_copysign{suffix}")(_zero, _b))
    return (
        c.Declare(ctype, "rest", c.Name(f"fmod{suffix}")(_a, _b)),
        c.If(c.equal(_b, _zero), (c.Return(_r),)),
        c.If(c.not_equal(_r, _zero), (adjusted,), (signed_zero,)),
        c.Return(_r),
    )


def _float_floor_divide(suffix: str, ctype: c.CType) -> c.Body:
    whole = c.Name("whole")
    adjust = c.logical_and(c.not_equal(_r, _zero), _differ_in_sign(_b, _r))
    return (
        c.If(c.equal(_b, _zero), (c.Return(_a / _b),)),
        c.Declare(ctype, "rest", c.Name(f"fmod{suffix}")(_a, _b)),
        c.Declare(ctype, "quotient", (_a - _r) / _b),
        c.If(adjust, (c.AugmentedAssign(_q, "-", _one),)),
        c.If(c.equal(_q, _zero), (c.Return(c.Name(f"__builtin_copysign{suffix}")(_zero, _a / _b)),)),
        c.Declare(ctype, "whole", c.Name(f"__builtin_floor{suffix}")(_q)),
        c.Return(whole + c.Cast(ctype, (_q - whole) > c.literal(0.5))),
    )


def _integer_floor_divide(ctype: c.CType, is_signed: bool) -> c.Body:
    by_zero = c.If(c.equal(_b, _zero), (c.Return(_zero),))
    if not is_signed:
        return (by_zero, c.Return(c.Cast(ctype, _a / _b)))
    # The smallest number divided by -1 wraps around instead of trapping.
    by_minus_one = c.If(c.equal(_b, c.literal(-1)), (c.Return(c.Cast(ctype, -_a)),))
    inexact = c.logical_and(c.not_equal(_a % _b, _zero), _differ_in_sign(_a, _b))
    return (by_zero, by_minus_one, c.Return(c.Cast(ctype, _a / _b - inexact)))


def _integer_remainder(ctype: c.CType, is_signed: bool) -> c.Body:
    by_zero = c.If(c.equal(_b, _zero), (c.Return(_zero),))
    if not is_signed:
        return (by_zero, c.Return(c.Cast(ctype, _a % _b)))
    by_minus_one = c.If(c.equal(_b, c.literal(-1)), (c.Return(_zero),))
    rest = c.Declare(ctype, "rest", c.Cast(ctype, _a % _b))
    needs_step = c.logical_and(c.not_equal(_r, _zero), _differ_in_sign(_r, _b))
    step = c.If(needs_step, (c.Assign(_r, c.Cast(ctype, _r + _b)),))
    return (by_zero, by_minus_one, rest, step, c.Return(_r))


def _integer_fmod(ctype: c.CType, is_signed: bool) -> c.Body:
    by_zero = c.If(c.equal(_b, _zero), (c.Return(_zero),))
    by_minus_one = (c.If(c.equal(_b, c.literal(-1)), (c.Return(_zero),)),) if is_signed else ()
    return (by_zero, *by_minus_one, c.Return(c.Cast(ctype, _a % _b)))


_float_bodies = {"remainder": _float_remainder, "floor_divide": _float_floor_divide}
_integer_bodies = {
    "floor_divide": _integer_floor_divide,
    "remainder": _integer_remainder,
    "fmod": _integer_fmod,
}
