"""Derivatives of elementwise functions: `rule(xp, g, result, *operands)` returns the cotangent of one operand.

`xp` is numpy's namespace or composit.numpy's, so a rule computes values or builds graph; it uses Python scalars and never
fresh inputs, and leaves un-broadcasting and casting to the sweep. Complex numbers: the pairing is linear, without
conjugation, so a holomorphic f gives g * f'(x), as in JAX. At a tie maximum and minimum give half to each operand; where
a function is piecewise constant its derivative is zero. May import handle and operation.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from composit.handle import TensorHandle
from composit.operation import PythonScalar, Scalar

Value: TypeAlias = Any  # an array, a numpy scalar or a lazy tensor: a rule does not know which

LN_2 = math.log(2.0)
LN_10 = math.log(10.0)
TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)


def _is_complex(x: Value) -> bool:
    return isinstance(x, complex) or (hasattr(x, "dtype") and x.dtype.kind == "c")


def known_scalar(x: Value) -> PythonScalar | None:
    """Return the Python scalar that an operand is, in values and in graphs, else None."""
    value = x.node.operation.value if isinstance(x, TensorHandle) and isinstance(x.node.operation, Scalar) else x
    if isinstance(value, np.generic | np.ndarray | TensorHandle):
        return None
    return value  # type: ignore[no-any-return]


# Functions of one operand. y is the result.


def pass_on(xp: Any, g: Value, y: Value, *operands: Value) -> Value:
    return g


def negate(xp: Any, g: Value, y: Value, *operands: Value) -> Value:
    return -g


def zero(xp: Any, g: Value, y: Value, *operands: Value) -> Value:
    # Not g * 0, which is NaN where g is infinite.
    return xp.where(False, g, 0)


def absolute(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g * (xp.conjugate(xp.sign(x)) if _is_complex(x) else xp.sign(x))


def conjugate(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return xp.conjugate(g)


def real(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g


def imag(xp: Any, g: Value, y: Value, x: Value) -> Value:
    # x = a + ib and g dotted with db: without conjugation the cotangent of x is -i g.
    return g * -1j if _is_complex(x) else zero(xp, g, y)


def sqrt(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g * 0.5 / y


def cbrt(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g / (3 * y * y)


def square(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g * (2 * x)


def reciprocal(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return -g * y * y


def exp(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g * y


def exp2(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g * y * LN_2


def expm1(xp: Any, g: Value, y: Value, x: Value) -> Value:
    # Not y + 1, which has lost all digits where x is very negative.
    return g * xp.exp(x)


def log(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g / x


def log2(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g / (x * LN_2)


def log10(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g / (x * LN_10)


def log1p(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g / (1 + x)


def sin(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g * xp.cos(x)


def cos(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return -g * xp.sin(x)


def tan(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g * (1 + y * y)


def arcsin(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g / xp.sqrt((1 - x) * (1 + x))


def arccos(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return -g / xp.sqrt((1 - x) * (1 + x))


def arctan(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g / (1 + x * x)


def sinh(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g * xp.cosh(x)


def cosh(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g * xp.sinh(x)


def tanh(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g * (1 - y * y)


def arcsinh(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g / xp.sqrt(1 + x * x)


def arccosh(xp: Any, g: Value, y: Value, x: Value) -> Value:
    # Two roots, which is the right branch for complex numbers too.
    return g / (xp.sqrt(x - 1) * xp.sqrt(x + 1))


def arctanh(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g / ((1 - x) * (1 + x))


def to_degrees(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g * (180 / math.pi)


def to_radians(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g * (math.pi / 180)


def erf(xp: Any, g: Value, y: Value, x: Value) -> Value:
    return g * (TWO_OVER_SQRT_PI * xp.exp(-x * x))


# Functions of two operands, a and b; z is the result. `_of_a` is the cotangent of the first, `_of_b` of the second.


def multiply_of_a(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return g * b


def multiply_of_b(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return g * a


def divide_of_a(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return g / b


def divide_of_b(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return -g * z / b


def power_of_a(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    exponent = known_scalar(b)
    if exponent is None:
        # Where b is 0 the derivative is 0, though 0 * a ** -1 is NaN at a == 0.
        return xp.where(b == 0, 0, g * b * a ** xp.where(b == 0, 1, b - 1))
    if exponent == 0:
        return zero(xp, g, z)
    if exponent == 1:
        return g
    return g * (exponent * (a if exponent == 2 else a ** (exponent - 1)))


def power_of_b(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    # 0 ** b is 0 for all b > 0, so its derivative is 0, though log(0) is not finite.
    return g * z * xp.log(xp.where(a == 0, 1, a))


def remainder_of_b(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return -g * xp.floor_divide(a, b)


def fmod_of_b(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return -g * xp.trunc(a / b)


def extremum_of_a(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return xp.where(a == z, xp.where(b == z, g * 0.5, g), 0)


def extremum_of_b(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return xp.where(b == z, xp.where(a == z, g * 0.5, g), 0)


def logaddexp_of_a(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    # 1 / (1 + exp(b - a)); infinities of one sign are a tie.
    return g / (1 + xp.exp(xp.where(a == b, 0, b - a)))


def logaddexp_of_b(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return logaddexp_of_a(xp, g, z, b, a)


def logaddexp2_of_a(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return g / (1 + xp.exp2(xp.where(a == b, 0, b - a)))


def logaddexp2_of_b(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return logaddexp2_of_a(xp, g, z, b, a)


def arctan2_of_a(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return g * b / (a * a + b * b)


def arctan2_of_b(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return -g * a / (a * a + b * b)


def hypot_of_a(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    # At the origin the subgradient 0.
    return g * (a / xp.where(z == 0, 1, z))


def hypot_of_b(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return g * (b / xp.where(z == 0, 1, z))


def copysign_of_a(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return g * xp.copysign(1, a) * xp.copysign(1, b)


def heaviside_of_b(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return xp.where(a == 0, g, 0)


def ldexp_of_a(xp: Any, g: Value, z: Value, a: Value, b: Value) -> Value:
    return xp.ldexp(g, b)


# Functions with two results: `gs` and `results` are pairs, and an entry of `gs` is None where nothing uses the result.


def frexp(xp: Any, gs: Value, results: Value, x: Value) -> Value:
    # x = mantissa * 2 ** exponent
    return None if gs[0] is None else xp.ldexp(gs[0], -results[1])


def modf(xp: Any, gs: Value, results: Value, x: Value) -> Value:
    return gs[0] if gs[0] is not None else zero(xp, gs[1], results)


def divmod_of_a(xp: Any, gs: Value, results: Value, a: Value, b: Value) -> Value:
    return gs[1] if gs[1] is not None else zero(xp, gs[0], results)


def divmod_of_b(xp: Any, gs: Value, results: Value, a: Value, b: Value) -> Value:
    return -gs[1] * results[0] if gs[1] is not None else zero(xp, gs[0], results)
