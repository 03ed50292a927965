"""Functions of the language as Python text, which Python can run: derivatives are read, and tested, in this form."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import singledispatch

from composit.kernels import arithmetic as a
from composit.kernels.language import (
    Apply,
    Assert,
    Assign,
    Body,
    Break,
    Call,
    Constant,
    Continue,
    Expression,
    For,
    Function,
    If,
    Pop,
    Push,
    Return,
    Select,
    Statement,
    Unit,
    Variable,
    While,
)
from composit.kernels.scalar_functions import FUNCTIONS
from composit.kernels.walking import stacks

_INDENT = "    "
# Python's table of precedence, from loose to tight.
_CONDITIONAL, _OR, _AND, _ATOM = 1, 5, 10, 100
_AUGMENTED = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}


def unit_text(unit: Unit) -> str:
    """Return all functions of a unit as Python text."""
    return "\n\n\n".join(function_text(each) for each in unit.functions) + "\n"


def function_text(function: Function) -> str:
    """Return a function as Python text."""
    parameters = ", ".join(f"{each.name}: {each.kind.value}" for each in function.parameters)
    kinds = [each.value for each in function.results]
    result = kinds[0] if len(kinds) == 1 else f"tuple[{', '.join(kinds)}]"
    lines = [f"def {function.name}({parameters}) -> {result}:"]
    lines += [f"{_INDENT}{stack} = []" for stack in stacks(function)]
    lines += [_INDENT + line for line in body_lines(function.body)]
    return "\n".join(lines)


def body_lines(body: Body) -> list[str]:
    """Return the lines of a body."""
    return [line for statement in body for line in lines_of(statement)] or ["pass"]


def _indented(body: Body) -> Iterator[str]:
    for line in body_lines(body):
        yield _INDENT + line


@singledispatch
def lines_of(statement: Statement) -> list[str]:
    """Return the lines of a statement."""
    raise TypeError(f"lines_of: {type(statement).__name__} has no text")


@lines_of.register
def _(statement: Assign) -> list[str]:
    name, value = statement.target.name, statement.value
    if isinstance(value, Apply) and value.function in _AUGMENTED and value.operands[0] == statement.target:
        return [f"{name} {_AUGMENTED[value.function]}= {text(value.operands[1])}"]
    return [f"{name} = {text(value)}"]


@lines_of.register
def _(statement: Call) -> list[str]:
    arguments = ", ".join(map(text, statement.arguments))
    targets = ", ".join(each.name for each in statement.targets)
    return [f"{targets} = {statement.function}({arguments})"]


@lines_of.register
def _(statement: If) -> list[str]:
    lines = [f"if {text(statement.condition)}:", *_indented(statement.then)]
    otherwise = statement.otherwise
    if len(otherwise) == 1 and isinstance(otherwise[0], If):
        first, *others = lines_of(otherwise[0])
        return [*lines, f"el{first}", *others]
    return [*lines, "else:", *_indented(otherwise)] if otherwise else lines


@lines_of.register
def _(statement: While) -> list[str]:
    return [f"while {text(statement.condition)}:", *_indented(statement.body)]


@lines_of.register
def _(statement: For) -> list[str]:
    bounds = [text(statement.stop)]
    if statement.start != a.integer(0) or statement.step != 1:
        bounds = [text(statement.start), *bounds]
    if statement.step != 1:
        bounds.append(str(statement.step))
    turns = f"range({', '.join(bounds)})"
    turns = f"reversed({turns})" if statement.is_reversed else turns
    return [f"for {statement.variable.name} in {turns}:", *_indented(statement.body)]


@lines_of.register
def _(statement: Break) -> list[str]:
    return ["break"]


@lines_of.register
def _(statement: Continue) -> list[str]:
    return ["continue"]


@lines_of.register
def _(statement: Return) -> list[str]:
    return [f"return {', '.join(map(text, statement.values))}"]


@lines_of.register
def _(statement: Assert) -> list[str]:
    return [f"assert {text(statement.condition)}, {statement.message!r}"]


@lines_of.register
def _(statement: Push) -> list[str]:
    return [f"{statement.stack}.append({text(statement.value)})"]


@lines_of.register
def _(statement: Pop) -> list[str]:
    return [f"{statement.target.name} = {statement.stack}.pop()"]


def text(expression: Expression, around: int = 0) -> str:
    """Return an expression as Python text, in parentheses where it binds less tightly than `around`."""
    written, binds = _written(expression)
    return f"({written})" if binds < around else written


def _written(expression: Expression) -> tuple[str, int]:
    """Return the text of an expression, and how tightly it binds."""
    match expression:
        case Variable(name):
            return name, _ATOM
        case Constant(value):
            return _constant(value), _ATOM if value >= 0 else 70
        case Select(condition, then, otherwise):
            if otherwise == a.FALSE:
                return f"{text(condition, _AND)} and {text(then, _AND + 1)}", _AND
            if then == a.TRUE:
                return f"{text(condition, _OR)} or {text(otherwise, _OR + 1)}", _OR
            parts = text(then, _CONDITIONAL + 1), text(condition, _CONDITIONAL + 1), text(otherwise, _CONDITIONAL)
            return f"{parts[0]} if {parts[1]} else {parts[2]}", _CONDITIONAL
        case Apply(name, operands):
            row = FUNCTIONS[name]
            if row.binds == _ATOM:
                return row.text.format(*map(text, operands)), _ATOM
            # Operators group from the left, but ** from the right; comparisons do not group.
            is_power, is_comparison = name == "power", row.binds == 20
            left = row.binds + (is_power or is_comparison)
            right = row.binds + (not is_power)
            given = [text(each, left if number == 0 else right) for number, each in enumerate(operands)]
            return row.text.format(*given), row.binds
    raise TypeError(f"text: {expression!r:.60} is no expression")


def _constant(value: bool | int | float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "math.nan" if math.isnan(value) else "math.inf" if value > 0 else "-math.inf"
    return repr(value)
