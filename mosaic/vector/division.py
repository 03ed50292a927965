"""Division as numpy defines it, on whole vectors: floor_divide, remainder, and fmod of integers.

Conditions stay vectors, where true is -1 and selects by its bits. A loop over lanes around scalar C,
``b == 0 ? 0 : a / b``, goes wrong: for ``x / x`` it is the number ``b != 0``, and gcc 12 stores the vector mask in place
of that number, so that 1 becomes -1 or 255.

Processors divide no vectors of integers. Integers of 8 and 16 bits are divided as float32: a / b is a whole number or at least
1 / b away from one, which is more than the rounding of 24 bits. A compiler takes wider ones apart, lane by lane.

Reference: numpy/_core/src/npymath/npy_math_internal.h.src (npy_divmod, npy_remainder).
"""

from __future__ import annotations

from functools import lru_cache

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.targets import Target
from mosaic.vector.conversions import convert
from mosaic.vector.formula import Formula
from mosaic.vector.functions import vector_function
from mosaic.vector.halves import halves, joined
from mosaic.vector.vector_types import VectorType

_a, _b = c.Name("a"), c.Name("b")

names = frozenset(
    [
        *((name, "f") for name in ("floor_divide", "remainder")),
        *((name, kind) for name in ("floor_divide", "remainder", "fmod") for kind in "iu"),
    ]
)
"""(name, kind of the operands) of every function here."""


@lru_cache(maxsize=256)
def division(name: str, vector: VectorType, target: Target) -> Helper:
    """Return ``name_V(a, b)`` with numpy's signs and numpy's answers to zero."""
    f = Formula(vector, target.has_fma)
    if vector.element.is_float:
        result = _float_floor_divide(f, target) if name == "floor_divide" else _float_remainder(f, target)
    elif vector.element.is_signed:
        result = {"floor_divide": _floor_divide, "remainder": _remainder, "fmod": _fmod}[name](f, target)
    else:
        result = _unsigned_quotient(f, target) if name == "floor_divide" else _unsigned_rest(f, target)
    return f.finish(name, result, f"{name}: numpy's", parameters=("a", "b"))


def _zeros(f: Formula) -> c.Name:
    return f.let("by_zero", c.equal(_b, f.number(0)), f.integers)


def _divided(f: Formula, target: Target, divisor: c.Expression) -> tuple[c.Expression, c.Expression]:
    """Return a / divisor rounded towards zero, and the rest. No lane of the divisor is 0, or -1 where a is the smallest number."""
    if f.vector.element.num_bytes > 2:
        return _a / divisor, _a % divisor
    whole = f.let("whole", f.call(small_quotient(f.vector, target), _a, divisor))
    return whole, _a - whole * divisor


@lru_cache(maxsize=64)
def small_quotient(vector: VectorType, target: Target) -> Helper:
    """Return ``quotient_V(a, b)`` for integers of 8 and 16 bits: a / b as C rounds it, in registers of float32."""
    f = Formula(vector, target.has_fma)
    parts = halves(vector, target.vector_bytes, 4)
    if len(parts) > 1:
        inner = small_quotient(parts[0].vector, target)
        quotients = [f.call(inner, part.of(_a), part.of(_b)) for part in parts]
        return f.finish("quotient", joined(vector, quotients), "Half by half.", parameters=("a", "b"))
    floats = vector.of("f32")
    to_float, to_integer = convert(vector, floats), convert(floats, vector)
    divided = f.call(to_float, _a) / f.call(to_float, _b)
    return f.finish("quotient", f.call(to_integer, divided), "Rounded towards zero.", parameters=("a", "b"))


def _unsigned_quotient(f: Formula, target: Target) -> c.Expression:
    by_zero = _zeros(f)
    divisor = f.let("safe", f.select(by_zero, f.constant(1), _b))
    quotient, _ = _divided(f, target, divisor)
    return f.select(by_zero, f.constant(0), quotient)


def _unsigned_rest(f: Formula, target: Target) -> c.Expression:
    # a % 1 is 0, which is also numpy's a % 0.
    divisor = f.let("safe", f.select(_zeros(f), f.constant(1), _b))
    return _divided(f, target, divisor)[1]


def _safe_divisor(f: Formula) -> c.Name:
    """Name b with 1 in place of 0 and -1: the processor traps at a / 0 and at the smallest number / -1."""
    is_unsafe = _zeros(f) | c.equal(_b, f.number(-1))
    return f.let("safe", f.select(is_unsafe, f.constant(1), _b))


def _misses(f: Formula, rest: c.Expression) -> c.Expression:
    """Where a / b was rounded towards zero and numpy rounds down: the rest is not 0 and has not the sign of b."""
    return c.not_equal(rest, f.number(0)) & ((rest ^ _b) < f.number(0))


def _fmod(f: Formula, target: Target) -> c.Expression:
    # a % 1 is 0, which is also numpy's rest of a divided by 0 and by -1.
    return _divided(f, target, _safe_divisor(f))[1]


def _remainder(f: Formula, target: Target) -> c.Expression:
    rest = f.let("rest", _divided(f, target, _safe_divisor(f))[1])
    return rest + (_misses(f, rest) & _b)


def _floor_divide(f: Formula, target: Target) -> c.Expression:
    whole, left = _divided(f, target, _safe_divisor(f))
    rest = f.let("rest", left)
    # The mask of lanes that missed is -1: the step down.
    quotient = f.let("quotient", whole + _misses(f, rest))
    f.comment("A division by -1 is a negation: the most negative number becomes itself, as in numpy.")
    negated = f.select(c.equal(_b, f.number(-1)), -_a, quotient)
    return f.select(c.Name("by_zero"), f.constant(0), negated)


def _float_rest(f: Formula, target: Target) -> tuple[c.Name, c.Name]:
    """Name fmod(a, b), and where the quotient that goes with it is one too large."""
    rest = f.let("rest", f.call(vector_function("fmod", f.vector, target), _a, _b))
    signs = (_b < f.number(0)) ^ (rest < f.number(0))
    return rest, f.let("misses", c.not_equal(rest, f.number(0)) & signs, f.integers)


def _float_remainder(f: Formula, target: Target) -> c.Expression:
    rest, misses = _float_rest(f, target)
    moved = f.let("moved", f.select(misses, rest + _b, rest))
    signed = f.select(c.equal(moved, f.number(0)), f.with_sign_of(f.constant(0), _b), moved)
    # fmod(a, 0) is NaN with the sign that the C library gives it.
    return f.select(_zeros(f), rest, signed)


def _float_floor_divide(f: Formula, target: Target) -> c.Expression:
    rest, misses = _float_rest(f, target)
    divided = f.let("divided", _a / _b)
    exact = f.let("exact", (_a - rest) / _b)
    quotient = f.let("quotient", f.select(misses, exact - f.number(1), exact))
    whole = f.let("whole", f.call(vector_function("floor", f.vector, target), quotient))
    f.comment("(a - rest) / b differs from a whole number by rounding only: take the nearest one.")
    nearest = f.select((quotient - whole) > f.number(0.5), whole + f.number(1), whole)
    signed_zero = f.with_sign_of(f.constant(0), divided)
    nonzero = f.select(c.equal(quotient, f.number(0)), signed_zero, nearest)
    return f.select(_zeros(f), divided, nonzero)
