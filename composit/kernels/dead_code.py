"""Removes assignments that nothing reads, and branches and loops that are empty then.

Precondition:   one return, at the end; no break or continue
Postcondition:  the same results; asserts and stacks stay
"""

from __future__ import annotations

from dataclasses import replace

from composit.kernels.language import (
    Assert,
    Assign,
    Body,
    Call,
    For,
    Function,
    If,
    Pop,
    Push,
    Return,
    Statement,
    While,
)
from composit.kernels.walking import expressions, names

Live = frozenset[str]


def without_dead_code(function: Function) -> Function:
    """Return the function without what its results do not depend on."""
    body, _ = _body(function.body, frozenset())
    return replace(function, body=body)


def _body(body: Body, live: Live) -> tuple[Body, Live]:
    """Return the part of a body that is needed, and what is read before it; `live` is read behind it."""
    kept: list[Statement] = []
    for statement in reversed(body):
        done, live = _statement(statement, live)
        if done is not None:
            kept.append(done)
    return tuple(reversed(kept)), live


def _statement(statement: Statement, live: Live) -> tuple[Statement | None, Live]:
    read = names(*expressions(statement))
    match statement:
        case Return() | Push() | Assert():
            return statement, live | read
        case Assign(target):
            return (statement, live - {target.name} | read) if target.name in live else (None, live)
        case Pop(target):
            return statement, live - {target.name}
        case Call(targets):
            written = {each.name for each in targets}
            return (statement, live - written | read) if written & live else (None, live)
        case If(condition, then, otherwise):
            first, before_first = _body(then, live)
            second, before_second = _body(otherwise, live)
            if not (first or second):
                return None, live
            return If(condition, first, second, statement.line), before_first | before_second | read
        case While(_, body) | For(_, _, _, _, body):
            return _loop(statement, body, live, read)
    raise TypeError(f"without_dead_code: {type(statement).__name__} was given; expected a function without early exits")


def _loop(loop: While | For, body: Body, live: Live, read: Live) -> tuple[Statement | None, Live]:
    """Return a loop; what its next turn reads is needed at the end of a turn."""
    behind = live | (read if isinstance(loop, While) else frozenset())
    while True:
        done, before = _body(body, behind)
        if before <= behind:
            break
        behind = behind | before
    if not done or (isinstance(loop, While) and _only_steps(done, read, live)):
        return None, live
    return replace(loop, body=done), live | before | read


def _only_steps(body: Body, read: Live, live: Live) -> bool:
    """Whether a loop computes only what its own condition reads, and nothing behind it."""
    return all(isinstance(each, Assign) and each.target.name not in live for each in body)
