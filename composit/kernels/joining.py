"""Joins two branches on one condition: forwards and back through a branch become one `If`.

    if x < 0: a                     dy = 1
    else: b                         if x < 0: a; c
    dy = 1                  ->      else: b; d
    if x < 0: c
    else: d

Precondition:   any body
Postcondition:  the same values; the assignments between the branches stand before them, and are independent of the first ones
"""

from __future__ import annotations

from dataclasses import replace

from composit.kernels.language import Assign, Body, For, Function, If, Push, Statement, While
from composit.kernels.walking import assigned_names, names, read_names, statements


def with_joined_branches(function: Function) -> Function:
    """Return the function with joined branches."""
    return replace(function, body=joined(function.body))


def joined(body: Body) -> Body:
    """Return a body with joined branches, inside of branches and loops too."""
    done: list[Statement] = []
    for statement in body:
        done.append(statement)
        if isinstance(statement, If):
            at = _partner(done)
            if at is not None:
                first = done[at]
                assert isinstance(first, If), "a partner is an If"
                between = done[at + 1 : -1]
                both = replace(
                    first, then=(*first.then, *statement.then), otherwise=(*first.otherwise, *statement.otherwise)
                )
                done[at:] = [*between, both]
    return tuple(map(_inside, done))


def _partner(done: list[Statement]) -> int | None:
    """Return the position of an earlier `If` that the last one can join, None without one."""
    last = done[-1]
    assert isinstance(last, If), "only an If is joined"
    for at in range(len(done) - 2, -1, -1):
        first = done[at]
        if isinstance(first, If):
            return at if _can_join(first, tuple(done[at + 1 : -1]), last) else None
        if not isinstance(first, Assign):
            return None
    return None


def _can_join(first: If, between: Body, last: If) -> bool:
    written = assigned_names((first,))
    if first.condition != last.condition or names(first.condition) & (written | assigned_names(between)):
        return False
    is_moved = (read_names(between) | assigned_names(between)) & written or assigned_names(between) & read_names(
        (first,)
    )
    return not is_moved and not any(isinstance(each, Push) for each in statements(between))


def _inside(statement: Statement) -> Statement:
    if isinstance(statement, If):
        return replace(statement, then=joined(statement.then), otherwise=joined(statement.otherwise))
    return replace(statement, body=joined(statement.body)) if isinstance(statement, While | For) else statement
