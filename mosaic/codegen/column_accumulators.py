"""Reductions across the rows of a task: a row of accumulators, which each row of the task is combined into.

The row is local to the task, so that no two threads write to one cache line. Behind the rows it is stored as the task's part
of the result. Reductions of other shapes are in `accumulators` and `lane_reductions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mosaic import c
from mosaic.codegen.expressions import Emitter, Scope, Where
from mosaic.codegen.reducers import combine, identity_of
from mosaic.codegen.row_loops import Row, loop_along_row
from mosaic.ir.statements import RowStage


def column_accumulators(emitter: Emitter, stages: Sequence[RowStage], length: int) -> dict[RowStage, ColumnAccumulator]:
    """Return the accumulators of the stages that reduce across rows of some length."""
    across = [stage for stage in stages if stage.is_across_rows]
    return {stage: ColumnAccumulator(emitter, stage, emitter.fresh("columns"), length) for stage in across}


@dataclass(frozen=True, slots=True)
class ColumnAccumulator:
    """The accumulators of one stage, in a local array of this name."""

    emitter: Emitter
    stage: RowStage
    name: str
    length: int

    def started(self) -> tuple[c.Statement, ...]:
        """Return the declaration of the array, and the loop that fills it with what changes nothing."""
        emitter, dtype = self.emitter, self.stage.result.dtype
        lanes = emitter.lanes.lanes
        padded = -(-self.length // lanes) * lanes
        index = c.Name(emitter.fresh("i"))
        nothing = emitter.lanes.constant(identity_of(str(self.stage.reducer), dtype).value, dtype)
        filled = emitter.stored_densely(self._place(index), dtype, nothing, Where((index,), 0))
        return (emitter.local.declare(self.name, dtype, padded), c.loop(index.text, padded, filled, step=lanes))

    def take(self, value: c.Expression, scope: Scope, where: Where) -> None:
        """Add the statements that combine a vector of a row; lanes behind the row's end go to where nothing is read."""
        emitter, dtype, before = self.emitter, self.stage.result.dtype, c.Name(self.emitter.fresh("before"))
        place, whole = self._place(where.axes[where.lane_axis]), Where(where.axes, where.lane_axis)
        loaded = emitter.loaded_densely(place, dtype, whole)
        combined = combine(emitter.lanes, str(self.stage.reducer), dtype, before, value)
        scope.statements.append(c.Declare(emitter.lanes.declare(emitter.lanes.type(dtype)), before.text, loaded))
        scope.statements.append(emitter.stored_densely(place, dtype, combined, whole))

    def stored(self, part: c.Expression) -> tuple[c.Statement, ...]:
        """Return the loop that stores the array as a part of the result."""
        emitter, result, scope = self.emitter, self.stage.result, Scope(frozenset())

        def body(inner: Scope, where: Where) -> None:
            kept = emitter.loaded_densely(self._place(where.axes[where.lane_axis]), result.dtype, where)
            emitter.store(result, kept, inner, where)

        loop_along_row(emitter, Row((part,), c.literal(0), c.literal(self.length), self.length), scope, body)
        return tuple(scope.statements)

    def _place(self, lane: c.Expression) -> c.Expression:
        return c.Name(self.name) + lane
