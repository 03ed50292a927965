"""Looking through C records, and changing the calls in them. Imports expressions and statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from mosaic.c.expressions import (
    Binary,
    Call,
    CallPointer,
    Cast,
    CompoundLiteral,
    Conditional,
    Expression,
    Index,
    Member,
    Name,
    Unary,
)
from mosaic.c.statements import (
    Assembly,
    Assign,
    AugmentedAssign,
    Block,
    Body,
    CountedLoop,
    Declare,
    ExpressionStatement,
    For,
    If,
    InitializerList,
    Return,
    Statement,
    While,
)

Part = Expression | Statement | InitializerList
Change = Callable[[Part], Part]

_fields: dict[type, tuple[str, ...]] = {
    Unary: ("operand",),
    Binary: ("left", "right"),
    Call: ("arguments",),
    CallPointer: ("function", "arguments"),
    Index: ("base", "index"),
    Member: ("base",),
    Cast: ("operand",),
    Conditional: ("condition", "then", "otherwise"),
    CompoundLiteral: ("values",),
    InitializerList: ("values",),
    Declare: ("value",),
    Assign: ("target", "value"),
    AugmentedAssign: ("target", "value"),
    For: ("start", "stop", "step", "body"),
    CountedLoop: ("start", "condition", "step", "body"),
    While: ("condition", "body"),
    If: ("condition", "then", "otherwise"),
    Block: ("body",),
    ExpressionStatement: ("expression",),
    Return: ("value",),
    Assembly: ("inputs", "updated"),
}
"""The fields that hold further records or tuples of them; records without a row hold none."""


def parts(record: Part) -> Iterator[Part]:
    """Yield the records directly inside one."""
    for name in _fields.get(type(record), ()):
        value = getattr(record, name)
        if isinstance(value, tuple):
            yield from value
        elif value is not None:
            yield value


def mentions(record: Part, name: str) -> bool:
    """Whether a variable of that name is read or written inside the record."""
    return (isinstance(record, Name) and record.text == name) or any(mentions(part, name) for part in parts(record))


def changed(record: Part, change: Change) -> Part:
    """Return the record with `change` applied to each record inside and then to itself."""
    fields: dict[str, Any] = {}  # Any: a record or a tuple of records, as the field has it
    for name in _fields.get(type(record), ()):
        before = getattr(record, name)
        if isinstance(before, tuple):
            after: Any = tuple(changed(each, change) for each in before)
            is_same = all(map(_is, before, after))
        else:
            after = before if before is None else changed(before, change)
            is_same = before is after
        if not is_same:
            fields[name] = after
    return change(_replaced(record, fields) if fields else record)


def _replaced(record: Any, fields: dict[str, Any]) -> Part:  # Any: the records are dataclasses, their bases are not
    found: Part = replace(record, **fields)
    return found


def _is(left: object, right: object) -> bool:
    return left is right


def changed_body(body: Body, change: Change) -> Body:
    """Return statements with `change` applied to each record inside them, innermost first."""
    statements = []
    for statement in body:
        after = changed(statement, change)
        assert isinstance(after, Statement), "a change keeps statements statements"
        statements.append(after)
    return tuple(statements)
