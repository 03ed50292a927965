"""Simplifies elementwise expressions by equations that hold for every value, also NaN, infinities and signed zeros.

x * 0 -> 0 is not among them (NaN, -1), nor is x + 0 -> x for floats (-0.0 + 0.0 is 0.0).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mosaic.ir.expressions import Apply, Expression, Literal, literal

Rule = Callable[[Apply], Expression | None]


def simplified(expression: Apply) -> Expression:
    """Return the expression simplified by the rule of its function, if one applies."""
    rule = _rules.get(expression.function)
    changed = rule(expression) if rule is not None else None
    if changed is None or changed.dtype != expression.dtype:
        return expression
    return changed


def _constant(expression: Expression) -> float | None:
    """Return the value of a constant that is a number."""
    if isinstance(expression, Literal) and isinstance(expression.value, bool | int | float):
        return float(expression.value) if abs(expression.value) < 2**53 else None
    return None


def _multiply(expression: Apply) -> Expression | None:
    x, y = expression.arguments
    if _constant(y) == 1:  # x * 1 -> x
        return x
    return y if _constant(x) == 1 else None  # 1 * y -> y


def _divide(expression: Apply) -> Expression | None:
    x, y = expression.arguments
    divisor = _constant(y)
    if divisor is None or divisor == 0 or not math.isfinite(divisor) or expression.dtype.kind != "f":
        return None
    if divisor == 1:  # x / 1 -> x
        return x
    mantissa, exponent = math.frexp(abs(divisor))
    if mantissa == 0.5 and abs(exponent) < 100:  # x / 8 -> x * 0.125, which is exact for powers of two
        return Apply("multiply", (x, literal(1.0 / divisor, expression.dtype)), expression.dtype)
    return None


def _add(expression: Apply) -> Expression | None:
    x, y = expression.arguments
    if _is_negative_zero(y) or (expression.dtype.kind in "iu" and _constant(y) == 0):  # x + -0.0 -> x
        return x
    return y if _is_negative_zero(x) or (expression.dtype.kind in "iu" and _constant(x) == 0) else None


def _is_negative_zero(expression: Expression) -> bool:
    value = _constant(expression)
    return value is not None and value == 0 and expression.dtype.kind == "f" and math.copysign(1.0, value) < 0


def _subtract(expression: Apply) -> Expression | None:
    x, y = expression.arguments
    is_zero = _constant(y) == 0 and not _is_negative_zero(y)
    return x if is_zero else None  # x - 0.0 -> x


def _power(expression: Apply) -> Expression | None:
    x, y = expression.arguments
    exponent, dtype = _constant(y), expression.dtype
    if dtype.kind != "f":
        return None
    if exponent == 1:  # x ** 1 -> x
        return x
    if exponent == 2:  # x ** 2 -> x * x
        return Apply("square", (x,), dtype)
    if exponent == 3:  # x ** 3 -> x * x * x
        return Apply("multiply", (Apply("square", (x,), dtype), x), dtype)
    if exponent == -1:  # x ** -1 -> 1 / x
        return Apply("reciprocal", (x,), dtype)
    return None


def _and(expression: Apply) -> Expression | None:
    return _neutral(expression, True)  # x & true -> x


def _or(expression: Apply) -> Expression | None:
    return _neutral(expression, False)  # x | false -> x


def _neutral(expression: Apply, value: bool) -> Expression | None:
    x, y = expression.arguments
    if x.dtype != np.dtype(bool):
        return None
    if isinstance(y, Literal) and y.value is value:
        return x
    return y if isinstance(x, Literal) and x.value is value else None


def _where(expression: Apply) -> Expression | None:
    condition, x, y = expression.arguments
    if isinstance(condition, Literal):  # where(true, x, y) -> x
        return x if condition.value else y
    return None


def _same_for_integers(value: bool) -> Rule:
    """Return the rule of a predicate that is constant for integers (isnan), so that no element is read."""

    def rule(expression: Apply) -> Expression | None:  # isnan(integer) -> false
        is_integer = expression.arguments[0].dtype.kind in "iub"
        return literal(value, np.dtype(bool)) if is_integer else None

    return rule


_rules: dict[str, Rule] = {
    "isnan": _same_for_integers(False),
    "isinf": _same_for_integers(False),
    "isfinite": _same_for_integers(True),
    "multiply": _multiply,
    "divide": _divide,
    "add": _add,
    "subtract": _subtract,
    "power": _power,
    "float_power": _power,
    "logical_and": _and,
    "bitwise_and": _and,
    "logical_or": _or,
    "bitwise_or": _or,
    "where": _where,
}
