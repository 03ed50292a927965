"""The functions of numbers: one row each, with its numpy function, how Python writes it, and its derivative.

A derivative takes the cotangent g, the operands and the result as expressions, and returns a term for each operand. It
is linear in g, so that the same rule serves forward and reverse. None stands for "no derivative flows".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from composit.kernels import arithmetic as a
from composit.kernels.language import BOOL, FLOAT, INT, Apply, Constant, Expression, Kind, Select
from composit.numpy.elementwise.erf import erf_of_arrays

Terms: TypeAlias = tuple["Expression | None", ...]
Derivative: TypeAlias = Callable[[Expression, Sequence[Expression], Expression], Terms]


@dataclass(frozen=True, slots=True)
class ScalarFunction:
    """A function of the language.

    of_arrays:  numpy's function
    text:       Python's spelling, with {0}, {1} for the operands
    operands:   the kinds of the operands; None where they are of one kind, int or float, as the result
    result:     the kind of the result, None for that of the operands
    derivative: None if nothing flows: the result is no float, or piecewise constant
    binds:      how tight the spelling holds together, as in Python's table of precedence: 100 for a call
    """

    of_arrays: Callable[..., Any]  # Any: arrays and numpy's scalars
    text: str
    operands: tuple[Kind, ...] | None = None
    result: Kind | None = None
    derivative: Derivative | None = None
    binds: int = 100


def _one(rule: Callable[[Expression, Expression, Expression], Expression]) -> Derivative:
    return lambda g, operands, result: (rule(g, operands[0], result),)


def _power(g: Expression, operands: Sequence[Expression], result: Expression) -> Terms:
    base, exponent = operands
    if isinstance(exponent, Constant):
        return (_power_by_base(g, base, exponent.value), None)
    lowered = a.function("power", base, a.function("subtract", exponent, a.ONE))
    slope = a.multiply(exponent, lowered)
    is_zero = a.comparison("equal", exponent, a.ZERO)
    by_base = Select(is_zero, a.ZERO, a.multiply(g, slope), FLOAT)
    # 0 ** y is constant in y > 0, where the logarithm has no value.
    by_exponent = a.multiply(g, a.multiply(result, a.function("log", base)))
    return by_base, Select(a.comparison("equal", base, a.ZERO), a.ZERO, by_exponent, FLOAT)


def _power_by_base(g: Expression, base: Expression, exponent: float) -> Expression | None:
    """d x ** n = n x ** (n - 1)"""
    if exponent == 0:
        return None
    if exponent == 1:
        return g
    lowered = base if exponent == 2 else a.function("power", base, a.real(exponent - 1))
    return a.multiply(g, a.multiply(a.real(exponent), lowered))


def _divide(g: Expression, operands: Sequence[Expression], result: Expression) -> Terms:
    return a.divide(g, operands[1]), a.negative(a.divide(a.multiply(g, result), operands[1]))


def _remainder(g: Expression, operands: Sequence[Expression], result: Expression) -> Terms:
    quotient = a.function("floor", a.divide(*operands))
    return g, a.negative(a.multiply(g, quotient))


def _fmod(g: Expression, operands: Sequence[Expression], result: Expression) -> Terms:
    quotient = a.function("trunc", a.divide(*operands))
    return g, a.negative(a.multiply(g, quotient))


def _extremum(compare: str) -> Derivative:
    """The cotangent goes to the operand that is the result, half to each of equal ones, as numpy's maximum has it here."""

    def rule(g: Expression, operands: Sequence[Expression], result: Expression) -> Terms:
        left, right = operands
        half = a.multiply(g, a.real(0.5))
        is_equal = a.comparison("equal", left, right)
        return tuple(
            Select(a.comparison(compare, one, other), g, Select(is_equal, half, a.ZERO, FLOAT), FLOAT)
            for one, other in ((left, right), (right, left))
        )

    return rule


def _arctan2(g: Expression, operands: Sequence[Expression], result: Expression) -> Terms:
    y, x = operands
    squared = a.add(a.multiply(x, x), a.multiply(y, y))
    return a.divide(a.multiply(g, x), squared), a.negative(a.divide(a.multiply(g, y), squared))


def _hypot(g: Expression, operands: Sequence[Expression], result: Expression) -> Terms:
    return tuple(a.multiply(g, a.divide(each, result)) for each in operands)


def _copysign(g: Expression, operands: Sequence[Expression], result: Expression) -> Terms:
    one = a.function("copysign", a.ONE, operands[0])
    return (a.multiply(g, a.multiply(one, a.function("copysign", a.ONE, operands[1]))), None)


def _squared(x: Expression) -> Expression:
    return a.multiply(x, x)


def _one_minus_square(x: Expression) -> Expression:
    return a.function("subtract", a.ONE, _squared(x))


def _unary(of_arrays: Callable[..., Any], text: str, rule: Any = None) -> ScalarFunction:
    return ScalarFunction(of_arrays, f"{text}({{0}})", (FLOAT,), FLOAT, _one(rule) if rule else None)


def _binary(of_arrays: Callable[..., Any], text: str, rule: Derivative | None = None) -> ScalarFunction:
    return ScalarFunction(of_arrays, f"{text}({{0}}, {{1}})", (FLOAT, FLOAT), FLOAT, rule)


def _compare(of_arrays: Callable[..., Any], operator: str) -> ScalarFunction:
    return ScalarFunction(of_arrays, f"{{0}} {operator} {{1}}", None, BOOL, None, 20)


def _test(of_arrays: Callable[..., Any], text: str) -> ScalarFunction:
    return ScalarFunction(of_arrays, f"{text}({{0}})", (FLOAT,), BOOL)


def _truncated(x: Any) -> Any:
    return np.trunc(x).astype(np.int64)


def _rounded(x: Any) -> Any:
    return np.rint(x).astype(np.int64)


def _floored(x: Any) -> Any:
    return np.floor(x).astype(np.int64)


def _raised(x: Any) -> Any:
    return np.ceil(x).astype(np.int64)


def _erf(x: Any) -> Any:
    return erf_of_arrays(x)


FUNCTIONS: dict[str, ScalarFunction] = {
    "add": ScalarFunction(np.add, "{0} + {1}", None, None, lambda g, o, y: (g, g), 50),
    "subtract": ScalarFunction(np.subtract, "{0} - {1}", None, None, lambda g, o, y: (g, a.negative(g)), 50),
    "multiply": ScalarFunction(
        np.multiply, "{0} * {1}", None, None, lambda g, o, y: (a.multiply(g, o[1]), a.multiply(g, o[0])), 60
    ),
    "divide": ScalarFunction(np.true_divide, "{0} / {1}", (FLOAT, FLOAT), FLOAT, _divide, 60),
    "floor_divide": ScalarFunction(np.floor_divide, "{0} // {1}", None, None, None, 60),
    "remainder": ScalarFunction(np.remainder, "{0} % {1}", None, None, _remainder, 60),
    "power": ScalarFunction(np.power, "{0} ** {1}", None, None, _power, 80),
    "negative": ScalarFunction(np.negative, "-{0}", None, None, lambda g, o, y: (a.negative(g),), 70),
    "absolute": ScalarFunction(
        np.absolute, "abs({0})", None, None, _one(lambda g, x, y: a.multiply(g, a.function("sign", x)))
    ),
    "sign": ScalarFunction(np.sign, "np.sign({0})"),
    "less": _compare(np.less, "<"),
    "less_equal": _compare(np.less_equal, "<="),
    "greater": _compare(np.greater, ">"),
    "greater_equal": _compare(np.greater_equal, ">="),
    "equal": _compare(np.equal, "=="),
    "not_equal": _compare(np.not_equal, "!="),
    "logical_not": ScalarFunction(np.logical_not, "not {0}", (BOOL,), BOOL, None, 15),
    "bitwise_and": ScalarFunction(np.bitwise_and, "{0} & {1}", (INT, INT), INT, None, 40),
    "bitwise_or": ScalarFunction(np.bitwise_or, "{0} | {1}", (INT, INT), INT, None, 30),
    "bitwise_xor": ScalarFunction(np.bitwise_xor, "{0} ^ {1}", (INT, INT), INT, None, 35),
    "minimum": _binary(np.minimum, "np.minimum", _extremum("less")),
    "maximum": _binary(np.maximum, "np.maximum", _extremum("greater")),
    "arctan2": _binary(np.arctan2, "math.atan2", _arctan2),
    "hypot": _binary(np.hypot, "math.hypot", _hypot),
    "fmod": _binary(np.fmod, "math.fmod", _fmod),
    "copysign": _binary(np.copysign, "math.copysign", _copysign),
    "sqrt": _unary(np.sqrt, "math.sqrt", lambda g, x, y: a.divide(g, a.multiply(a.real(2), y))),
    "cbrt": _unary(np.cbrt, "math.cbrt", lambda g, x, y: a.divide(g, a.multiply(a.real(3), _squared(y)))),
    "exp": _unary(np.exp, "math.exp", lambda g, x, y: a.multiply(g, y)),
    "exp2": _unary(np.exp2, "math.exp2", lambda g, x, y: a.multiply(g, a.multiply(y, a.real(math.log(2))))),
    "expm1": _unary(np.expm1, "math.expm1", lambda g, x, y: a.multiply(g, a.function("add", y, a.ONE))),
    "log": _unary(np.log, "math.log", lambda g, x, y: a.divide(g, x)),
    "log2": _unary(np.log2, "math.log2", lambda g, x, y: a.divide(g, a.multiply(x, a.real(math.log(2))))),
    "log10": _unary(np.log10, "math.log10", lambda g, x, y: a.divide(g, a.multiply(x, a.real(math.log(10))))),
    "log1p": _unary(np.log1p, "math.log1p", lambda g, x, y: a.divide(g, a.function("add", x, a.ONE))),
    "sin": _unary(np.sin, "math.sin", lambda g, x, y: a.multiply(g, a.function("cos", x))),
    "cos": _unary(np.cos, "math.cos", lambda g, x, y: a.negative(a.multiply(g, a.function("sin", x)))),
    "tan": _unary(np.tan, "math.tan", lambda g, x, y: a.multiply(g, a.function("add", a.ONE, _squared(y)))),
    "arcsin": _unary(np.arcsin, "math.asin", lambda g, x, y: a.divide(g, a.function("sqrt", _one_minus_square(x)))),
    "arccos": _unary(
        np.arccos, "math.acos", lambda g, x, y: a.negative(a.divide(g, a.function("sqrt", _one_minus_square(x))))
    ),
    "arctan": _unary(np.arctan, "math.atan", lambda g, x, y: a.divide(g, a.function("add", a.ONE, _squared(x)))),
    "sinh": _unary(np.sinh, "math.sinh", lambda g, x, y: a.multiply(g, a.function("cosh", x))),
    "cosh": _unary(np.cosh, "math.cosh", lambda g, x, y: a.multiply(g, a.function("sinh", x))),
    "tanh": _unary(np.tanh, "math.tanh", lambda g, x, y: a.multiply(g, _one_minus_square(y))),
    "arcsinh": _unary(
        np.arcsinh,
        "math.asinh",
        lambda g, x, y: a.divide(g, a.function("sqrt", a.function("add", _squared(x), a.ONE))),
    ),
    "arccosh": _unary(
        np.arccosh,
        "math.acosh",
        lambda g, x, y: a.divide(g, a.function("sqrt", a.function("subtract", _squared(x), a.ONE))),
    ),
    "arctanh": _unary(np.arctanh, "math.atanh", lambda g, x, y: a.divide(g, _one_minus_square(x))),
    "erf": _unary(
        _erf,
        "math.erf",
        lambda g, x, y: a.multiply(
            g, a.multiply(a.real(2 / math.sqrt(math.pi)), a.function("exp", a.negative(_squared(x))))
        ),
    ),
    "floor": _unary(np.floor, "np.floor"),
    "ceil": _unary(np.ceil, "np.ceil"),
    "trunc": _unary(np.trunc, "np.trunc"),
    "rint": _unary(np.rint, "np.rint"),
    "isnan": _test(np.isnan, "math.isnan"),
    "isinf": _test(np.isinf, "math.isinf"),
    "isfinite": _test(np.isfinite, "math.isfinite"),
    # Conversions. `int` of a float cuts the fraction off.
    "float": ScalarFunction(np.asarray, "float({0})", None, FLOAT),
    "int": ScalarFunction(_truncated, "int({0})", None, INT),
    "round_to_int": ScalarFunction(_rounded, "round({0})", (FLOAT,), INT),
    "floor_to_int": ScalarFunction(_floored, "math.floor({0})", (FLOAT,), INT),
    "ceil_to_int": ScalarFunction(_raised, "math.ceil({0})", (FLOAT,), INT),
}


def terms(expression: Apply, g: Expression, result: Expression) -> Terms:
    """Return what the cotangent of an expression adds to that of each operand; None where nothing flows."""
    rule = FUNCTIONS[expression.function].derivative
    if rule is None or expression.kind is not FLOAT:
        return (None,) * len(expression.operands)
    return rule(g, expression.operands, result)


def num_factors(expression: Apply) -> int:
    """Return how many factors a power with a small whole exponent is computed of, 0 if it is no such power.

    x ** 4 as x * x * x * x is within 2 ulp; larger powers are left to the function, which is nearer.
    """
    if expression.function != "power" or not isinstance(expression.operands[1], Constant):
        return 0
    exponent = expression.operands[1].value
    return int(exponent) if exponent in (2, 3, 4) else 0
