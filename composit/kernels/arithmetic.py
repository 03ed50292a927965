"""Expressions of the language from operands: the result's kind, conversions, and what follows without computing.

Only what changes no result is left out: 1 * x, x / 1, 0 + x where x is a derivative, and conversions of constants.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from composit.kernels.language import BOOL, FLOAT, INT, Apply, Constant, Expression, Kind, Select

_ORDER = (BOOL, INT, FLOAT)
TRUE, FALSE = Constant(True, BOOL), Constant(False, BOOL)
ZERO, ONE = Constant(0.0, FLOAT), Constant(1.0, FLOAT)


def joined(*kinds: Kind) -> Kind:
    """Return the kind that holds all of these: bool, then int, then float."""
    return max(kinds, key=_ORDER.index)


def real(value: float) -> Constant:
    """Return a constant float."""
    return Constant(float(value), FLOAT)


def integer(value: int) -> Constant:
    """Return a constant int."""
    return Constant(value, INT)


def convert(expression: Expression, kind: Kind) -> Expression:
    """Return the expression as another kind, as Python's bool, int and float convert."""
    if expression.kind is kind:
        return expression
    if isinstance(expression, Constant):
        return Constant({BOOL: bool, INT: int, FLOAT: float}[kind](expression.value), kind)
    if kind is BOOL:
        return Apply("not_equal", (expression, Constant(0 if expression.kind is INT else 0.0, expression.kind)), BOOL)
    return Apply(kind.value, (expression,), kind)


_FOLDED: dict[str, Callable[..., int | float]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
}


def arithmetic(function: str, *operands: Expression) -> Expression:
    """Return a function of numbers whose result has the kind of its operands; truth values count as 0 and 1.

    Of constants it is computed here, in Python's floats: 2 / 3 is the same constant in each width.
    """
    kind = FLOAT if function == "divide" else joined(INT, *(each.kind for each in operands))
    given = tuple(convert(each, kind) for each in operands)
    if function in _FOLDED and all(isinstance(each, Constant) for each in given):
        values = [each.value for each in given if isinstance(each, Constant)]
        if function != "divide" or values[1] != 0:
            return Constant(_FOLDED[function](*values), kind)
    return Apply(function, given, kind)


def comparison(function: str, left: Expression, right: Expression) -> Expression:
    """Return the truth value of a comparison."""
    kind = joined(left.kind, right.kind)
    return Apply(function, (convert(left, kind), convert(right, kind)), BOOL)


def negated(condition: Expression) -> Expression:
    """Return ``not condition``."""
    if isinstance(condition, Constant):
        return Constant(not condition.value, BOOL)
    if isinstance(condition, Apply) and condition.function == "logical_not":
        return condition.operands[0]
    return Apply("logical_not", (condition,), BOOL)


def both(left: Expression, right: Expression) -> Expression:
    """Return ``left and right``; the right one is computed if the left one holds."""
    if left == TRUE or right == FALSE:
        return right
    if left == FALSE or right == TRUE:
        return left
    return Select(left, right, FALSE, BOOL)


def either(left: Expression, right: Expression) -> Expression:
    """Return ``left or right``; the right one is computed if the left one does not hold."""
    if left == FALSE or right == TRUE:
        return right
    if left == TRUE or right == FALSE:
        return left
    return Select(left, TRUE, right, BOOL)


def add(left: Expression, right: Expression) -> Expression:
    """Return a sum of floats; 0 + x -> x, x + -y -> x - y."""
    if left == ZERO:
        return right
    if right == ZERO:
        return left
    if isinstance(right, Apply) and right.function == "negative":
        return Apply("subtract", (left, *right.operands), FLOAT)
    return Apply("add", (left, right), FLOAT)


def multiply(left: Expression, right: Expression) -> Expression:
    """Return a product of floats; 1 * x -> x, -1 * x -> -x."""
    for one, other in ((left, right), (right, left)):
        if one == ONE:
            return other
        if one == real(-1):
            return negative(other)
    return Apply("multiply", (left, right), FLOAT)


def divide(left: Expression, right: Expression) -> Expression:
    """Return a quotient of floats."""
    return left if right == ONE else Apply("divide", (left, right), FLOAT)


def negative(expression: Expression) -> Expression:
    """Return the negative; --x -> x."""
    if isinstance(expression, Apply) and expression.function == "negative":
        return expression.operands[0]
    if isinstance(expression, Constant):
        return Constant(-expression.value, expression.kind)
    return Apply("negative", (expression,), expression.kind)


def function(name: str, *operands: Expression) -> Expression:
    """Return a function of floats."""
    return Apply(name, operands, FLOAT)
