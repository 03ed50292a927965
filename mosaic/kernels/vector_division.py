"""Division as numpy defines it, on whole vectors: floor_divide, remainder, and fmod of integers.

Conditions stay vectors, where true is -1 and selects by its bits. A loop over lanes around scalar C,
``b == 0 ? 0 : a / b``, goes wrong: for ``x / x`` it is the number ``b != 0``, and gcc 12 stores the vector mask in place
of that number, so that 1 becomes -1 or 255.

Reference: numpy/_core/src/npymath/npy_math_internal.h.src (npy_divmod, npy_remainder).
"""

from __future__ import annotations

from functools import lru_cache

from mosaic import c
from mosaic.kernels.formula import Formula
from mosaic.kernels.helper import Helper
from mosaic.kernels.vector_math import vector_function
from mosaic.kernels.vectors import VectorType
from mosaic.targets import Target

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
        result = {"floor_divide": _floor_divide, "remainder": _remainder, "fmod": _fmod}[name](f)
    else:
        result = _unsigned_quotient(f) if name == "floor_divide" else _unsigned_rest(f)
    return f.finish(name, result, f"{name}: numpy's", parameters=("a", "b"))


def _zeros(f: Formula) -> c.Name:
    return f.let("by_zero", c.equal(_b, f.number(0)), f.integers)


def _unsigned_quotient(f: Formula) -> c.Expression:
    by_zero = _zeros(f)
    return f.select(by_zero, f.constant(0), _a / f.select(by_zero, f.constant(1), _b))


def _unsigned_rest(f: Formula) -> c.Expression:
    # a % 1 is 0, which is also numpy's a % 0.
    return _a % f.select(_zeros(f), f.constant(1), _b)


def _safe_divisor(f: Formula) -> c.Name:
    """Name b with 1 in place of 0 and -1: the processor traps at a / 0 and at the smallest number / -1."""
    is_unsafe = _zeros(f) | c.equal(_b, f.number(-1))
    return f.let("safe", f.select(is_unsafe, f.constant(1), _b))


def _rest(f: Formula) -> c.Name:
    return f.let("rest", _a % _safe_divisor(f))


def _misses(f: Formula, rest: c.Expression) -> c.Expression:
    """Where a / b was rounded towards zero and numpy rounds down: the rest is not 0 and has not the sign of b."""
    return c.not_equal(rest, f.number(0)) & ((rest ^ _b) < f.number(0))


def _fmod(f: Formula) -> c.Expression:
    # a % 1 is 0, which is also numpy's rest of a divided by 0 and by -1.
    return _rest(f)


def _remainder(f: Formula) -> c.Expression:
    rest = _rest(f)
    return rest + (_misses(f, rest) & _b)


def _floor_divide(f: Formula) -> c.Expression:
    rest = _rest(f)
    # The mask of lanes that missed is -1: the step down.
    quotient = f.let("quotient", _a / c.Name("safe") + _misses(f, rest))
    f.comment("The smallest number / -1 wraps around.")
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
    f.comment("(a - rest) / b is a whole number but for its own rounding.")
    nearest = f.select((quotient - whole) > f.number(0.5), whole + f.number(1), whole)
    signed_zero = f.with_sign_of(f.constant(0), divided)
    nonzero = f.select(c.equal(quotient, f.number(0)), signed_zero, nearest)
    return f.select(_zeros(f), divided, nonzero)
