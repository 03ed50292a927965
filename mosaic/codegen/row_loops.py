"""A row of elements in C, and the loop over its vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mosaic import c
from mosaic.codegen.expressions import Emitter, Scope, Where

LoopBody = Callable[[Scope, Where], None]


@dataclass(frozen=True, slots=True)
class Row:
    """The position of a row: one C expression per outer axis, and the range of the lane axis (literals, or names)."""

    axes: tuple[c.Expression, ...]
    start: c.Expression
    stop: c.Expression
    length: int

    @property
    def is_range(self) -> bool:
        """Whether the kernel computes only a part of the row, with bounds known at run time."""
        return not isinstance(self.stop, c.IntegerLiteral)

    def where(self, lane: c.Expression, count: c.Expression | None, serial: tuple[c.Expression, ...] = ()) -> Where:
        """Return the position of a vector that starts at this lane of the row."""
        return Where((*self.axes, lane, *serial), len(self.axes), count)


def loop_along_row(
    emitter: Emitter,
    row: Row,
    scope: Scope,
    body: LoopBody,
    serial: tuple[c.Expression, ...] = (),
    start: c.Operand = 0,
) -> None:
    """Add a loop over the whole vectors of the row; a partial vector takes the rest."""
    lanes, lane_axis = emitter.lanes.lanes, len(row.axes)
    whole = row.length // lanes * lanes
    first = row.start if start == 0 else c.as_expression(start)
    stop = row.stop - (lanes - 1) if row.is_range else c.literal(whole)
    if not isinstance(start, int) or whole > start:
        index = c.Name(emitter.fresh("i"))
        inner = scope.inner(lane_axis)
        body(inner, row.where(index, None, serial))
        scope.statements.append(c.loop(index.text, stop, *inner.statements, start=first, step=lanes))
    rest = row.length - whole
    if rest:
        inner = scope.inner(lane_axis)
        body(inner, row.where(c.literal(whole), c.literal(rest), serial))
        statements = tuple(inner.statements)
        is_last = c.equal(row.stop, row.length)
        scope.statements.append(c.If(is_last, statements) if row.is_range else c.Block(statements))
