"""Operators of C that Python's signs do not build. Imports `mosaic.c.expressions`."""

from __future__ import annotations

from mosaic.c.expressions import (
    Binary,
    Conditional,
    Expression,
    Index,
    IntegerLiteral,
    Operand,
    Unary,
    as_expression,
)


def equal(left: Operand, right: Operand) -> Expression:
    """Return C's ``left == right``."""
    return Binary("==", as_expression(left), as_expression(right))


def not_equal(left: Operand, right: Operand) -> Expression:
    """Return C's ``left != right``."""
    return Binary("!=", as_expression(left), as_expression(right))


def logical_and(left: Operand, right: Operand) -> Expression:
    """Return C's short-circuit ``left && right``."""
    return Binary("&&", as_expression(left), as_expression(right))


def logical_or(left: Operand, right: Operand) -> Expression:
    """Return C's short-circuit ``left || right``."""
    return Binary("||", as_expression(left), as_expression(right))


def address_of(operand: Expression) -> Expression:
    """Return ``&operand``; ``&p[0]`` is ``p``."""
    if isinstance(operand, Index) and operand.index == IntegerLiteral(0):  # &p[0] -> p
        return operand.base
    return Unary("&", operand)


def dereference(operand: Expression) -> Expression:
    """Return ``*operand``."""
    return Unary("*", operand)


def minimum(left: Operand, right: Operand) -> Expression:
    """Return ``left < right ? left : right`` of two index expressions, folded where both are known."""
    first, second = as_expression(left), as_expression(right)
    if isinstance(first, IntegerLiteral) and isinstance(second, IntegerLiteral):
        return first if first.value < second.value else second
    return first if first == second else Conditional(first < second, first, second)
