"""Inlines elementwise definitions into the expressions that use them.

Before:  a = x + y; b = exp(a); c = sum(b)
After:   c = sum(exp(x + y))

A definition with one user is inlined, unless its value would be computed more often. A definition that only moves or
converts elements is inlined into every user.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from functools import singledispatch

from mosaic.ir.affine import Extents, most_of, terms_of
from mosaic.ir.expressions import Apply, Expression, Load, loads, map_views, rewrite, size, views, walk
from mosaic.ir.kinds import Kind
from mosaic.ir.loops import Loop
from mosaic.ir.statements import Definition, IrProgram, Statement, written_views
from mosaic.ir.views import Buffer, BufferKind, View, index_map
from mosaic.passes.canonical_axes import canonical
from mosaic.passes.uses import moves_behind_update, readers, reads_own_elements, updates

largest_expression = 60
"""Records in one expression: beyond this, compile time grows and registers spill."""


def inline_elementwise(program: IrProgram) -> IrProgram:
    """Return the program with elementwise definitions moved into their users.

    Pre:  statements are definitions, matmuls, scatters and islands
    Post: an elementwise definition that is left has several users, is delivered, or is read by something else
    """
    statements: list[Statement | None] = list(program.statements)
    producers = _producers(program)
    users = {buffer: set(positions) for buffer, positions in readers(program.statements).items()}
    updated = updates(program)
    # From the last to the first: a chain collapses into its last definition in one sweep.
    for position in sorted(producers, reverse=True):
        _inline_one(producers[position], position, statements, users, updated)
    return replace(program, statements=tuple(each for each in statements if each is not None))


def _producers(program: IrProgram) -> dict[int, Definition]:
    """Return the elementwise definitions that alone fill a buffer of the program's own entirely, by position."""
    counts = Counter(view.buffer for statement in program.statements for view in written_views(statement))
    protected = frozenset(program.delivered)
    found: dict[int, Definition] = {}
    for position, statement in enumerate(program.statements):
        if not isinstance(statement, Definition) or statement.reducer is not None:
            continue
        buffer = statement.result.buffer
        is_whole = (
            statement.result.size == buffer.num_elements and counts[buffer] == 1 and not statement.result.is_moving
        )
        if is_whole and buffer not in protected and buffer.kind is BufferKind.TEMPORARY:
            found[position] = statement
    return found


def _inline_one(
    producer: Definition,
    position: int,
    statements: list[Statement | None],
    users: dict[Buffer, set[int]],
    updated: dict[Buffer, int],
) -> None:
    """Inline the definition at a position into all of its users, or leave it."""
    buffer = producer.result.buffer
    places = sorted(users.get(buffer, ()))
    if len(places) != 1 and not is_movement(producer.expression):
        return
    if places and moves_behind_update(producer.reads(), updated, position, places[-1]):
        return
    found = ((place, statements[place]) for place in places)
    replaced = {place: None if user is None else _inlined(user, producer) for place, user in found}
    if not replaced or any(each is None for each in replaced.values()):
        return
    statements[position] = None
    for place, statement in replaced.items():
        statements[place] = statement
    for load in loads(producer.expression):
        users[load.view.buffer].discard(position)
        users[load.view.buffer].update(places)


def is_movement(expression: Expression) -> bool:
    """Whether the expression computes nothing: loads, constants and conversions."""
    return not any(isinstance(part, Apply) for part in walk(expression))


@singledispatch
def _inlined(user: Kind, producer: Definition) -> Kind | None:
    """Return the user with the producer's expression in place of its loads, or None where that does not pay."""
    return None


@_inlined.register
def _(user: Definition, producer: Definition) -> Kind | None:
    for candidate in (producer, canonical(producer)):
        result = _substituted(candidate, user)
        if result is not None:
            return result
    # The user's axes may be merged where the producer's are not.
    if user.reducer is None and user.num_elements == producer.num_elements:
        split = user.reshaped(producer.result.extents, ())
        return None if split is None else _substituted(producer, split)
    return None


@_inlined.register
def _(user: Loop, producer: Definition) -> Kind | None:
    """Inline into all parts of the body that load the result."""
    buffer = producer.result.buffer
    if any(view.buffer is buffer for one in user.carried for view in views(one.start)):
        return None
    body: list[Kind] = []
    for part in user.body:
        if any(view.buffer is buffer for view in part.reads()):
            inlined = _inlined(part, producer)
            if inlined is None:
                return None
            body.append(inlined)
        else:
            body.append(part)
    return replace(user, body=tuple(body))


def _substituted(producer: Definition, user: Definition) -> Definition | None:
    buffer = producer.result.buffer
    seen = {load.view for load in loads(user.expression) if load.view.buffer is buffer}
    if _is_index(user.expression, buffer) or (user.base is not None and user.base.buffer is buffer):
        return None
    values: dict[View, Expression] = {}
    for view in seen:
        value = inlined_value(producer, view, user.domain)
        if value is None:
            return None
        values[view] = value
    expression = rewrite(
        user.expression, lambda part: values.get(part.view) if isinstance(part, Load) and not part.gathers else None
    )
    if size(expression) > largest_expression or any(load.view.buffer is buffer for load in loads(expression)):
        return None
    result = replace(user, expression=expression, origins=_merged(producer.origins, user.origins))
    # A write must not replace elements before its own value reads them, as in x[1:] = x[:-1] + 1.
    return result if result.base is None or reads_own_elements(result, result) else None


def _is_index(expression: Expression, buffer: Buffer) -> bool:
    """Whether the buffer is read as an index of a gather, where only a load may stand."""
    return any(
        gather.index.view.buffer is buffer
        for part in walk(expression)
        if isinstance(part, Load)
        for gather in part.gathers
    )


def inlined_value(producer: Definition, seen: View, domain: Extents) -> Expression | None:
    """Return the producer's expression at the elements that a view of its result shows."""
    if not is_movement(producer.expression) and _num_evaluations(seen, most_of(domain)) > producer.num_elements:
        return None
    mapping = index_map(seen, producer.result)
    if mapping is None:
        return None
    known = mapping
    return map_views(producer.expression, lambda view: known.apply(view, domain))


def _num_evaluations(seen: View, domain: tuple[int, ...]) -> int:
    """Return how often a value is computed; trailing axes and turns on which it does not depend count once."""
    last = max((axis for axis, stride in enumerate(seen.strides) if stride), default=-1)
    return math.prod(domain[: last + 1]) * math.prod(symbol.most for symbol, _ in terms_of(seen.offset))


def _merged(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dict.fromkeys((*first, *second)))
