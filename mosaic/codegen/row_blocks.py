"""Reductions of several rows at once, for rows that share an operand: a matrix times a vector loads the vector once for all.

Other reductions along rows are in `row_stages`; a row that is left over is emitted there, and has the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mosaic import c
from mosaic.codegen.accumulators import accumulate, accumulator, merge
from mosaic.codegen.expressions import Emitter, Scope, Where
from mosaic.codegen.reducers import combine_lanes
from mosaic.codegen.row_loops import Row, loop_along_row
from mosaic.ir.statements import RowStage
from mosaic.ir.views import Buffer


@dataclass(frozen=True, slots=True)
class RowBlockEmitter:
    """Emits the reduction of some neighbouring rows, with `turns` accumulators for each.

    following: stages that go on with the number of each row
    stored:    results that the kernel writes to memory
    """

    emitter: Emitter
    stage: RowStage
    turns: int
    following: Sequence[RowStage]
    stored: frozenset[Buffer]

    def emit(self, rows: Sequence[Row], scope: Scope) -> tuple[c.Statement, ...]:
        """Return the statements for rows of one length; the scope knows no axis of the rows."""
        emitter, stage = self.emitter, self.stage
        sums = [[accumulator(emitter, stage, scope) for _ in range(self.turns)] for _ in rows]
        step = self.turns * emitter.lanes.lanes
        stop = rows[0].length // step * step
        index = c.Name(emitter.fresh("i"))
        body = self._body(rows, sums, index, scope)
        scope.statements.append(c.loop(index.text, stop, *body, step=step))
        for row, own in zip(rows, sums, strict=True):
            for other in own[1:]:
                merge(emitter, stage, own[0], other, scope)
            self._take_rest(row, own[0], scope, stop)
            scalar = combine_lanes(emitter.lanes, str(stage.reducer), stage.result.dtype, c.Name(own[0]))
            result = emitter.lanes.broadcast_register(scalar, stage.result.dtype)
            self._finish(row, result, scope)
        return tuple(scope.statements)

    def _finish(self, row: Row, result: c.Expression, scope: Scope) -> None:
        """Compute what follows from the number of a row, and store what leaves the kernel."""
        own, where = scope.inner(*range(len(row.axes))), row.where(c.literal(0), None)
        values = [(self.stage.result, result)]
        for stage in self.following:
            own.bound.update((view.buffer, value) for view, value in values)
            values.append((stage.result, self.emitter.value(stage.expression, own, where)))
        for view, value in values:
            if view.buffer in self.stored:
                self.emitter.store(view, value, own, where)
        scope.statements.extend(own.statements)

    def _body(
        self, rows: Sequence[Row], sums: Sequence[Sequence[str]], index: c.Name, scope: Scope
    ) -> Sequence[c.Statement]:
        """Return the loop's body: what the rows share is in a scope that knows the lanes only."""
        lanes, lane_axis = self.emitter.lanes.lanes, len(rows[0].axes)
        inner = scope.inner()
        for turn in range(self.turns):
            shared = inner.inner(lane_axis)
            for row, own in zip(rows, sums, strict=True):
                self._add(shared, row.where(index + turn * lanes, None), own[turn])
            inner.statements.extend(shared.statements)
        return inner.statements

    def _add(self, shared: Scope, where: Where, name: str) -> None:
        scope = shared.inner(*range(where.lane_axis))
        value = self.emitter.value(self.stage.expression, scope, where)
        accumulate(self.emitter, self.stage, name, value, scope, where.count)
        shared.statements.extend(scope.statements)

    def _take_rest(self, row: Row, name: str, scope: Scope, start: int) -> None:
        def body(inner: Scope, where: Where) -> None:
            self._add(inner, where, name)

        loop_along_row(self.emitter, row, scope, body, start=start)
