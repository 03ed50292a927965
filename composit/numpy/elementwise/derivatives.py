"""Derivatives of elementwise functions: `rule(xp, g, result, *operands)` returns the cotangent of one operand.

`xp` is numpy's namespace or composit.numpy's: a rule computes values or builds graph. It uses Python scalars and
makes no inputs; the sweep sums over broadcast axes and casts. Complex numbers are paired without conjugation, as in
JAX, so a holomorphic f gives g * f'(x). At a tie maximum and minimum give half to each operand. A piecewise constant
function has derivative zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from composit.derivative_types import ArrayOrTensor, Namespace
from composit.handle import TensorHandle
from composit.operation import PythonScalar, Scalar

LN_2 = math.log(2.0)
LN_10 = math.log(10.0)
TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)


def _is_complex(x: ArrayOrTensor | PythonScalar) -> bool:
    return isinstance(x, complex) or (hasattr(x, "dtype") and x.dtype.kind == "c")


def known_scalar(x: ArrayOrTensor | PythonScalar) -> PythonScalar | None:
    """Return the operand if it is a Python scalar, or the scalar of its node in a graph; else None."""
    value: Any = x
    if isinstance(value, TensorHandle) and isinstance(value.node.operation, Scalar):
        value = value.node.operation.value
    return None if isinstance(value, np.generic | np.ndarray | TensorHandle) else value


def times(g: ArrayOrTensor, factor: ArrayOrTensor, result: ArrayOrTensor) -> ArrayOrTensor:
    """g factor; the factor itself where g is known to be ones, as below a sum, and it has the result's shape and dtype"""
    is_whole = _is_ones(g) and factor.dtype == result.dtype and factor.shape == result.shape
    return factor if is_whole else g * factor


def _is_ones(g: ArrayOrTensor) -> bool:
    value: Any = g
    if not isinstance(value, TensorHandle):
        return False
    node = value.node
    # A view of one number, without a change of dtype, shows that number only.
    while node.operation.is_view and len(node.operands) == 1:
        ((node, index),) = node.operands
        if node.types[index].dtype != value.dtype:
            return False
    return isinstance(node.operation, Scalar) and node.operation.value == 1


# Functions of one operand. y is the result.


def pass_on(xp: Namespace, g: ArrayOrTensor, y: ArrayOrTensor, *operands: ArrayOrTensor) -> ArrayOrTensor:
    """g: the result is the operand."""
    return g


def negate(xp: Namespace, g: ArrayOrTensor, y: ArrayOrTensor, *operands: ArrayOrTensor) -> ArrayOrTensor:
    """-g"""
    return -g


def zero(xp: Namespace, g: ArrayOrTensor, y: ArrayOrTensor, *operands: ArrayOrTensor) -> ArrayOrTensor:
    """0, in g's shape and dtype; not g * 0, which is NaN where g is infinite."""
    return xp.where(False, g, 0)


def absolute(xp: Namespace, g: ArrayOrTensor, y: ArrayOrTensor, x: ArrayOrTensor) -> ArrayOrTensor:
    """g sign(x), conjugated for complex x; 0 at NaN"""
    slope = xp.conjugate(xp.sign(x)) if _is_complex(x) else xp.sign(x)
    return g * xp.where(x == x, slope, 0)


def sign(xp: Namespace, g: ArrayOrTensor, y: ArrayOrTensor, x: ArrayOrTensor) -> ArrayOrTensor:
    """0 for real x; for complex x = r y with |y| = 1, (g - Re(g y) conj(y)) / r, and 0 where x is 0"""
    if not _is_complex(x):
        return zero(xp, g, y)
    length = xp.absolute(x)
    across = g - xp.real(g * y) * xp.conjugate(y)
    return xp.where(length == 0, 0, across / xp.where(length == 0, 1, length))


def imag(xp: Namespace, g: ArrayOrTensor, y: ArrayOrTensor, x: ArrayOrTensor) -> ArrayOrTensor:
    """-i g: x = a + ib, and g is the cotangent of b, without conjugation"""
    return g * -1j if _is_complex(x) else zero(xp, g, y)


def expm1(xp: Namespace, g: ArrayOrTensor, y: ArrayOrTensor, x: ArrayOrTensor) -> ArrayOrTensor:
    """g exp(x); not g (y + 1), since y + 1 has lost all digits where x is very negative"""
    return g * xp.exp(x)


def arccosh(xp: Namespace, g: ArrayOrTensor, y: ArrayOrTensor, x: ArrayOrTensor) -> ArrayOrTensor:
    """g / (sqrt(x - 1) sqrt(x + 1)); one root of x * x - 1 would take the wrong branch for complex x"""
    return g / (xp.sqrt(x - 1) * xp.sqrt(x + 1))


def root(
    xp: Namespace,
    square: ArrayOrTensor,
    y: ArrayOrTensor,
    same: Callable[[ArrayOrTensor], ArrayOrTensor],
) -> ArrayOrTensor:
    """Return the root of a square, on the side of `same(y)`: on a branch cut rounding decides which root sqrt takes."""
    found = xp.sqrt(square)
    if not _is_complex(y):
        return found
    return xp.where(xp.real(found * xp.conjugate(same(y))) < 0, -found, found)


def to_degrees(xp: Namespace, g: ArrayOrTensor, y: ArrayOrTensor, x: ArrayOrTensor) -> ArrayOrTensor:
    """180 g / pi"""
    return g * (180 / math.pi)


def to_radians(xp: Namespace, g: ArrayOrTensor, y: ArrayOrTensor, x: ArrayOrTensor) -> ArrayOrTensor:
    """pi g / 180"""
    return g * (math.pi / 180)


# Functions of two operands, a and b; z is the result. `_of_a` returns the cotangent of a, `_of_b` that of b.


def power_of_a(xp: Namespace, g: ArrayOrTensor, z: ArrayOrTensor, a: ArrayOrTensor, b: ArrayOrTensor) -> ArrayOrTensor:
    """g b a ** (b - 1), and 0 where b and a are 0"""
    exponent = known_scalar(b)
    if exponent is None:
        # NaN ** 0 is 1. Elsewhere the factor b makes the result 0, so that second derivatives by b are right, too.
        is_constant = (b == 0) & xp.logical_not(xp.absolute(a) > 0)
        return xp.where(is_constant, 0, g * b * a ** xp.where(is_constant, 1, b - 1))
    if exponent == 0:
        return zero(xp, g, z)
    if exponent == 1:
        return g
    return g * (exponent * (a if exponent == 2 else a ** (exponent - 1)))


def power_of_b(xp: Namespace, g: ArrayOrTensor, z: ArrayOrTensor, a: ArrayOrTensor, b: ArrayOrTensor) -> ArrayOrTensor:
    """g z log(a), and 0 where a is 0 and b is not negative, since 0 ** b is 0 for all b > 0"""
    return g * z * xp.log(xp.where((a == 0) & (b >= 0), 1, a))


def extremum_of_a(
    xp: Namespace, g: ArrayOrTensor, z: ArrayOrTensor, a: ArrayOrTensor, b: ArrayOrTensor
) -> ArrayOrTensor:
    """g where a is the extremum, or where the result is NaN, half of it at a tie"""
    return xp.where((a == z) | xp.isnan(z), xp.where((b == z) & (a == z), g * 0.5, g), 0)


def extremum_of_b(
    xp: Namespace, g: ArrayOrTensor, z: ArrayOrTensor, a: ArrayOrTensor, b: ArrayOrTensor
) -> ArrayOrTensor:
    """g where b is the extremum, or where the result is NaN, half of it at a tie"""
    return xp.where((b == z) | xp.isnan(z), xp.where((a == z) & (b == z), g * 0.5, g), 0)


def clip_of_x(
    xp: Namespace, g: ArrayOrTensor, z: ArrayOrTensor, x: ArrayOrTensor, low: ArrayOrTensor, high: ArrayOrTensor
) -> ArrayOrTensor:
    """g inside the interval, half of it at its borders: the derivative of minimum(maximum(x, low), high)"""
    raised = xp.maximum(x, low)
    return extremum_of_a(xp, extremum_of_a(xp, g, z, raised, high), raised, x, low)


def clip_of_low(
    xp: Namespace, g: ArrayOrTensor, z: ArrayOrTensor, x: ArrayOrTensor, low: ArrayOrTensor, high: ArrayOrTensor
) -> ArrayOrTensor:
    """g where x is below the lower limit, half of it where x equals the limit"""
    raised = xp.maximum(x, low)
    return extremum_of_b(xp, extremum_of_a(xp, g, z, raised, high), raised, x, low)


def clip_of_high(
    xp: Namespace, g: ArrayOrTensor, z: ArrayOrTensor, x: ArrayOrTensor, low: ArrayOrTensor, high: ArrayOrTensor
) -> ArrayOrTensor:
    """g where x is above the upper limit, half of it where x equals the limit"""
    return extremum_of_b(xp, g, z, xp.maximum(x, low), high)


def logaddexp_of_a(
    xp: Namespace, g: ArrayOrTensor, z: ArrayOrTensor, a: ArrayOrTensor, b: ArrayOrTensor
) -> ArrayOrTensor:
    """g exp(a - z), and g / 2 at a tie of infinities"""
    # From b - a, since z rounds to a where both are large.
    return g * xp.exp(-xp.logaddexp(0, _from(xp, b, a)))


def logaddexp2_of_a(
    xp: Namespace, g: ArrayOrTensor, z: ArrayOrTensor, a: ArrayOrTensor, b: ArrayOrTensor
) -> ArrayOrTensor:
    """g 2 ** (a - z), and g / 2 at a tie of infinities"""
    return g * xp.exp2(-xp.logaddexp2(0, _from(xp, b, a)))


def _from(xp: Namespace, b: ArrayOrTensor, a: ArrayOrTensor) -> ArrayOrTensor:
    # b - a, and 0 at a tie of infinities. Those are replaced first, since inf - inf is NaN and warns.
    is_infinite_tie = (a == b) & xp.isinf(a)
    return xp.where(is_infinite_tie, 0, b) - xp.where(is_infinite_tie, 0, a)


def arctan2_of_a(
    xp: Namespace, g: ArrayOrTensor, z: ArrayOrTensor, a: ArrayOrTensor, b: ArrayOrTensor
) -> ArrayOrTensor:
    """g b / (a * a + b * b), computed with the length: its square could overflow or underflow"""
    length = xp.hypot(a, b)
    return g * (b / length) / length


def arctan2_of_b(
    xp: Namespace, g: ArrayOrTensor, z: ArrayOrTensor, a: ArrayOrTensor, b: ArrayOrTensor
) -> ArrayOrTensor:
    """-g a / (a * a + b * b)"""
    return -arctan2_of_a(xp, g, z, b, a)


def hypot_of_a(xp: Namespace, g: ArrayOrTensor, z: ArrayOrTensor, a: ArrayOrTensor, b: ArrayOrTensor) -> ArrayOrTensor:
    """g a / z, and 0 at the origin"""
    return g * (a / xp.where(z == 0, 1, z))


# Functions with two results: `gs` and `results` are pairs; an entry of `gs` is None if nothing uses that result.
Cotangents: TypeAlias = Sequence[ArrayOrTensor | None]
Pair: TypeAlias = Sequence[ArrayOrTensor]


def _zero_of(xp: Namespace, gs: Cotangents) -> ArrayOrTensor:
    given = next(g for g in gs if g is not None)
    return zero(xp, given, given)


def modf(xp: Namespace, gs: Cotangents, results: Pair, x: ArrayOrTensor) -> ArrayOrTensor:
    """The cotangent of the fraction. The integer part is piecewise constant."""
    return gs[0] if gs[0] is not None else _zero_of(xp, gs)


def divmod_of_a(xp: Namespace, gs: Cotangents, results: Pair, a: ArrayOrTensor, b: ArrayOrTensor) -> ArrayOrTensor:
    """The cotangent of the remainder. The quotient is piecewise constant."""
    return gs[1] if gs[1] is not None else _zero_of(xp, gs)


def divmod_of_b(xp: Namespace, gs: Cotangents, results: Pair, a: ArrayOrTensor, b: ArrayOrTensor) -> ArrayOrTensor:
    """The remainder is a - quotient * b, so its cotangent times -quotient."""
    return -gs[1] * results[0] if gs[1] is not None else _zero_of(xp, gs)


def frexp(xp: Namespace, gs: Cotangents, results: Pair, x: ArrayOrTensor) -> ArrayOrTensor | None:
    """x = mantissa * 2 ** exponent with a piecewise constant exponent."""
    return None if gs[0] is None else xp.ldexp(gs[0], -results[1])
