"""A row of elements in C, and the loop over its vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mosaic import c
from mosaic.codegen.expressions import Emitter, Scope, Where

LoopBody = Callable[[Scope, Where], None]


@dataclass(frozen=True, slots=True)
class Row:
    """The position of a row: one C expression per outer axis, and the range of the lane axis (literals, or names).

    length:    its elements; the most that it has in any turn if it `is_moving` with a loop around the kernel
    first:     where the vectors begin that do not cross cache lines of the result, less than a vector behind `start`; None:
               at `start`, and nothing is known of lines
    unrolled:  turns of the loop over these vectors that the compiler writes out
    joined:    vectors of a turn, whose results are stored together
    has_rest:  whether what is left behind the whole vectors is still to be computed
    """

    axes: tuple[c.Expression, ...]
    start: c.Expression
    stop: c.Expression
    length: int
    is_moving: bool = False
    first: c.Expression | None = None
    unrolled: int = 1
    joined: int = 1
    has_rest: bool = True

    @property
    def is_range(self) -> bool:
        """Whether the kernel computes only a part of the row, with bounds known at run time."""
        return not isinstance(self.stop, c.IntegerLiteral)

    def whole_steps(self, step: int) -> c.Operand:
        """Return the end of the last whole step from the start on; a row in parts has steps in each part."""
        if self.is_range:
            return self.start + (self.stop - self.start) / step * step
        return self.length // step * step

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
    if row.is_moving:
        _add_moving_rest(emitter, row, scope, body, serial)
        return
    rest = row.length - whole
    if rest and row.has_rest:
        inner = scope.inner(lane_axis)
        body(inner, row.where(c.literal(whole), c.literal(rest), serial))
        statements = tuple(inner.statements)
        is_last = c.equal(row.stop, row.length)
        scope.statements.append(c.If(is_last, statements) if row.is_range else c.Block(statements))


def _add_moving_rest(
    emitter: Emitter, row: Row, scope: Scope, body: LoopBody, serial: tuple[c.Expression, ...]
) -> None:
    """Add the partial vector at the end of a row whose length is known at run time; parts of rows are whole vectors."""
    lanes, lane_axis = emitter.lanes.lanes, len(row.axes)
    if lanes == 1:
        return
    count = row.stop % lanes
    inner = scope.inner(lane_axis)
    body(inner, row.where(row.stop - count, count, serial))
    scope.statements.append(c.If(count, tuple(inner.statements)))
