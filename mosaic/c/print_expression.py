"""The text of C expressions and types, which contain each other: a cast names a type."""

from __future__ import annotations

from functools import singledispatch

from mosaic.c.c_types import ArrayType, CType, FunctionType, NamedType, Pointer
from mosaic.c.expressions import (
    Binary,
    Call,
    CallPointer,
    Cast,
    CompoundLiteral,
    Conditional,
    Expression,
    FloatLiteral,
    Index,
    IntegerLiteral,
    Member,
    Name,
    SizeOf,
    StringLiteral,
    TypeArgument,
    Unary,
    type_suffixes,
)

_binary_precedences = {
    "*": 13,
    "/": 13,
    "%": 13,
    "+": 12,
    "-": 12,
    "<<": 11,
    ">>": 11,
    "<": 10,
    "<=": 10,
    ">": 10,
    ">=": 10,
    "==": 9,
    "!=": 9,
    "&": 8,
    "^": 7,
    "|": 6,
    "&&": 5,
    "||": 4,
}
"""C11 6.5, strongest first."""

_conditional, _unary, _postfix, _primary = 3, 14, 15, 16
_always_explicit = frozenset({"<<", ">>", "&", "^", "|", "&&", "||"})
"""Operators whose binary operands get parentheses although C needs none: -Wparentheses warns otherwise."""


def expression_text(expression: Expression) -> str:
    """Return the C text of `expression`."""
    return _text(expression)[0]


def declaration_text(ctype: CType, name: str = "") -> str:
    """Return ``ctype name`` as C declares it, inside out; without a name, the type's own text.

    Example:
        >>> declaration_text(Pointer(FunctionType(NamedType("void"), (NamedType("int"),))), "task")
        'void (*task)(int)'
    """
    declarator, needs_parentheses = name, False
    while not isinstance(ctype, NamedType):
        if isinstance(ctype, Pointer):
            qualifiers = [
                word for word, is_set in (("const", ctype.is_const), ("restrict", ctype.is_restrict)) if is_set
            ]
            declarator = "*" + " ".join([*qualifiers, declarator] if declarator else qualifiers)
            ctype, needs_parentheses = ctype.target, True
            continue
        if needs_parentheses:
            declarator, needs_parentheses = f"({declarator})", False
        ctype, declarator = _peel(ctype, declarator)
    base = f"const {ctype.name}" if ctype.is_const else ctype.name
    return f"{base} {declarator}" if declarator else base


def _peel(ctype: CType, declarator: str) -> tuple[CType, str]:
    if isinstance(ctype, ArrayType):
        return ctype.element, f"{declarator}[{'' if ctype.length is None else ctype.length}]"
    if isinstance(ctype, FunctionType):
        parameters = ", ".join(declaration_text(each) for each in ctype.parameters) or "void"
        return ctype.result, f"{declarator}({parameters})"
    raise TypeError(
        f"declaration: {ctype!r} is no C type; expected NamedType, Pointer, ArrayType or FunctionType; build one"
    )


@singledispatch
def _text(expression: Expression) -> tuple[str, int]:
    """Return the text and how strongly its outermost operator binds."""
    raise TypeError(
        f"print: {expression!r} has no C text; expected a record of mosaic.c.expressions; build it from those"
    )


def _operand(expression: Expression, at_least: int) -> str:
    text, precedence = _text(expression)
    return text if precedence >= at_least else f"({text})"


def _list(expressions: tuple[Expression, ...]) -> str:
    return ", ".join(expression_text(each) for each in expressions)


@_text.register
def _(expression: Name) -> tuple[str, int]:
    return expression.text, _primary


@_text.register
def _(expression: IntegerLiteral) -> tuple[str, int]:
    value, suffix = expression.value, type_suffixes[expression.ctype]
    if not suffix and not -(2**31) < value < 2**31:
        suffix = "LL"
    if value == -(2**63):  # has no literal: C reads -x as the negation of x
        return f"-{2**63 - 1}{suffix} - 1", _binary_precedences["-"]
    return f"{value}{suffix}", _unary if value < 0 else _primary


@_text.register
def _(expression: FloatLiteral) -> tuple[str, int]:
    return expression.text, _unary if expression.text.startswith("-") else _primary


@_text.register
def _(expression: StringLiteral) -> tuple[str, int]:
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "?": "\\?"}
    return '"' + "".join(escapes.get(each, each) for each in expression.text) + '"', _primary


@_text.register
def _(expression: Unary) -> tuple[str, int]:
    operand = _operand(expression.operand, _unary)
    if operand[0] == expression.operator[-1]:  # - -x and & &x would run together
        operand = f"({operand})"
    return expression.operator + operand, _unary


@_text.register
def _(expression: Binary) -> tuple[str, int]:
    operator = expression.operator
    precedence = _binary_precedences[operator]
    left = _binary_operand(expression.left, operator, precedence)
    right = _binary_operand(expression.right, operator, precedence + 1)
    return f"{left} {operator} {right}", precedence


def _is_comparison(operand: Expression) -> bool:
    return isinstance(operand, Binary) and operand.operator in ("==", "!=", "<", "<=", ">", ">=")


def _binary_operand(operand: Expression, operator: str, at_least: int) -> str:
    precedence = _binary_precedences[operator]
    if isinstance(operand, Binary) and operand.operator == operator and at_least == precedence:
        return _operand(operand, at_least)  # a + b + c
    is_logical = operator in ("&&", "||")
    if is_logical and isinstance(operand, Binary) and operand.operator not in _always_explicit:
        return _operand(operand, at_least)  # a < b && c < d
    if operator in _always_explicit or (_is_comparison(operand) and not is_logical):
        return _operand(operand, _unary)
    return _operand(operand, at_least)


@_text.register
def _(expression: Call) -> tuple[str, int]:
    return f"{expression.function}({_list(expression.arguments)})", _postfix


@_text.register
def _(expression: CallPointer) -> tuple[str, int]:
    return f"{_operand(expression.function, _postfix)}({_list(expression.arguments)})", _postfix


@_text.register
def _(expression: Index) -> tuple[str, int]:
    return f"{_operand(expression.base, _postfix)}[{expression_text(expression.index)}]", _postfix


@_text.register
def _(expression: Member) -> tuple[str, int]:
    arrow = "->" if expression.is_through_pointer else "."
    return f"{_operand(expression.base, _postfix)}{arrow}{expression.name}", _postfix


@_text.register
def _(expression: Cast) -> tuple[str, int]:
    return f"({declaration_text(expression.ctype)}){_operand(expression.operand, _unary)}", _unary


@_text.register
def _(expression: Conditional) -> tuple[str, int]:
    condition = _operand(expression.condition, _conditional + 1)
    then = _operand(expression.then, _conditional + 1)
    otherwise = _operand(expression.otherwise, _conditional + 1)
    return f"{condition} ? {then} : {otherwise}", _conditional


@_text.register
def _(expression: SizeOf) -> tuple[str, int]:
    return f"sizeof({declaration_text(expression.ctype)})", _postfix


@_text.register
def _(expression: CompoundLiteral) -> tuple[str, int]:
    return f"({declaration_text(expression.ctype)}){{{_list(expression.values)}}}", _postfix


@_text.register
def _(expression: TypeArgument) -> tuple[str, int]:
    return declaration_text(expression.ctype), _primary
