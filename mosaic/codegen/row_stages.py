"""RowStages over the same rows as C: phases of loops along the row, parted by its reductions.

A phase is one loop over lanes. A value per element is computed in the first phase in which what it needs is known; a
reduction's value is known after the loop of its phase. A value that a later phase needs is kept in a local row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mosaic import c
from mosaic.codegen.expressions import Emitter, Scope, Where
from mosaic.codegen.operands import element_type
from mosaic.codegen.reducers import combine, combine_lanes, identity_of
from mosaic.codegen.row_loops import Row, loop_along_row
from mosaic.ir import RowStage
from mosaic.ir_expressions import loads
from mosaic.ir_views import Buffer
from mosaic.kernels import lanes as lane_helpers
from mosaic.kernels.vectors import VectorType

block_elements = 4096
block_turns = 4
"""A sum over a long row is added up in blocks: rounding errors grow with a block's length, not with the row's."""


@dataclass(slots=True)
class RowEmitter:
    """Emits the stages of one row. `stored` are the results that live in memory after the kernel.

    `places` are buffers local to the kernel: where their row lies, as a C pointer to its first element.
    """

    emitter: Emitter
    stages: Sequence[RowStage]
    stored: frozenset[Buffer]
    places: Mapping[Buffer, c.Expression] = field(default_factory=dict)

    def emit(self, row: Row, scope: Scope) -> tuple[c.Statement, ...]:
        """Return the statements for one row; buffers local to the row are declared first."""
        plan = plan_phases(self.stages, self.stored | frozenset(self.places))
        names = {buffer: self.emitter.fresh("row") for buffer in plan.local_rows}
        declarations = tuple(self._local_row(buffer, name, row.length) for buffer, name in names.items())
        local = {**self.places, **{buffer: c.Name(name) for buffer, name in names.items()}}
        phase = _PhaseEmitter(self.emitter, row, scope, plan, self.stored, local)
        for number in range(plan.num_phases):
            phase.emit(number)
        return (*declarations, *scope.statements)

    def _local_row(self, buffer: Buffer, name: str, length: int) -> c.Statement:
        lanes = self.emitter.lanes.lanes
        padded = -(-length // lanes) * lanes
        return c.Declare(c.ArrayType(element_type(buffer.dtype), padded), name, attributes=("aligned(64)",))


@dataclass(frozen=True, slots=True)
class PhasePlan:
    """In which phase each stage runs, and which results must be kept in a row for a later phase."""

    stages: tuple[RowStage, ...]
    phases: tuple[int, ...]
    num_phases: int
    local_rows: tuple[Buffer, ...]

    def computes(self, buffer: Buffer) -> bool:
        """Whether a stage fills the buffer."""
        return any(buffer is stage.result.buffer for stage in self.stages)


def plan_phases(stages: Sequence[RowStage], in_memory: frozenset[Buffer]) -> PhasePlan:
    """Return the phases of stages in order; a stage runs as soon as what it reads is known."""
    known_from: dict[Buffer, int] = {}
    computed_in: dict[Buffer, int] = {}
    kept: dict[Buffer, None] = {}
    phases = []
    for stage in stages:
        sources = [load.view.buffer for load in loads(stage.expression) if load.view.buffer in known_from]
        phase = max((known_from[buffer] for buffer in sources), default=0)
        phases.append(phase)
        for buffer in sources:
            if buffer in computed_in and computed_in[buffer] < phase and buffer not in in_memory:
                kept[buffer] = None
        known_from[stage.result.buffer] = phase + stage.is_along_row
        if not stage.is_per_row and not stage.is_along_row:
            computed_in[stage.result.buffer] = phase
    return PhasePlan(tuple(stages), tuple(phases), max(phases) + 1, tuple(kept))


@dataclass(slots=True)
class _PhaseEmitter:
    """The state of emitting one row: what is known per row, which values earlier phases computed."""

    emitter: Emitter
    row: Row
    scope: Scope
    plan: PhasePlan
    stored: frozenset[Buffer]
    local: Mapping[Buffer, c.Expression]
    per_row: dict[Buffer, c.Expression] = field(default_factory=dict)
    computed: set[Buffer] = field(default_factory=set)

    def emit(self, number: int) -> None:
        """Add one phase: its values per row, then its loop along the row, then what its reductions came to."""
        stages = [stage for stage, phase in zip(self.plan.stages, self.plan.phases, strict=True) if phase == number]
        before = [stage for stage in stages if stage.is_per_row]
        for stage in before:
            self._emit_per_row(stage)
        along = [stage for stage in stages if not stage.is_per_row]
        together = [stage for stage in along if not (stage.is_along_row and stage.serial)]
        if together:
            self._emit_loop(together)
        for stage in along:
            if stage not in together:
                self._emit_nested_reduction(stage)
        self.computed.update(stage.result.buffer for stage in along)

    def _where(self, lane: c.Expression, count: c.Expression | None) -> Where:
        return self.row.where(lane, count)

    def _emit_per_row(self, stage: RowStage) -> None:
        where = self._where(c.literal(0), None)
        self._bind(self.scope)
        value = self.emitter.value(stage.expression, self.scope, where)
        self._finish_per_row(stage, value)

    def _finish_per_row(self, stage: RowStage, value: c.Expression) -> None:
        self.per_row[stage.result.buffer] = value
        if stage.result.buffer in self.stored:
            where = self._where(c.literal(0), None)
            self.emitter.store(stage.result, value, self.scope, where)

    def _bind(self, scope: Scope) -> None:
        scope.bound.update(self.per_row)

    def _bind_rows(self, scope: Scope, where: Where) -> None:
        """Let a loop body load what an earlier phase kept, or a stage before left in a local place."""
        scope.bound.update(self.per_row)
        lane = where.axes[where.lane_axis]
        for buffer, place in self.local.items():
            if buffer in self.computed or not self.plan.computes(buffer):
                scope.places[buffer] = place + lane

    def _emit_loop(self, stages: Sequence[RowStage]) -> None:
        accumulators = {stage: self._accumulator(stage, self.scope) for stage in stages if stage.is_along_row}
        if accumulators and self.row.length >= 2 * block_elements:
            self._emit_blocks(stages, accumulators)
        else:
            loop_along_row(
                self.emitter,
                self.row,
                self.scope,
                lambda scope, where: self._emit_body(stages, accumulators, scope, where),
            )
        for stage, name in accumulators.items():
            self._finish_reduction(stage, name)

    def _emit_blocks(self, stages: Sequence[RowStage], accumulators: Mapping[RowStage, str]) -> None:
        """A long row: each block has accumulators of its own, so that no sum grows by more than one block's additions.

        Several accumulators take turns within a block, because each waits for its own last addition.
        """
        lanes, lane_axis = self.emitter.lanes.lanes, len(self.row.axes)
        blocks = self.row.length // block_elements
        start, index = c.Name(self.emitter.fresh("block")), c.Name(self.emitter.fresh("i"))
        outer = self.scope.inner()
        turns = [{stage: self._accumulator(stage, outer) for stage in accumulators} for _ in range(block_turns)]
        inner = outer.inner()
        for turn, partial in enumerate(turns):
            body = inner.inner(lane_axis)
            self._emit_body(stages, partial, body, self._where(index + turn * lanes, None))
            inner.statements.extend(body.statements)
        stop = start + block_elements
        loop = c.loop(index.text, stop, *inner.statements, start=start, step=block_turns * lanes)
        outer.statements.append(loop)
        totals = {stage: self._total(stage, name) for stage, name in accumulators.items()}
        for partial in turns:
            for stage, name in partial.items():
                self._add_to_total(stage, totals[stage], name, outer)
        limit = blocks * block_elements
        self.scope.statements.append(c.loop(start.text, limit, *outer.statements, step=block_elements))
        loop_along_row(
            self.emitter,
            self.row,
            self.scope,
            lambda scope, where: self._emit_body(stages, accumulators, scope, where),
            start=limit,
        )
        for stage, name in accumulators.items():
            self._add_to_total(stage, totals[stage], name, self.scope)
            total = c.Name(totals[stage])
            narrow = self.emitter.lanes.converted(total, self._total_type(stage), self._type(stage))
            self.scope.statements.append(c.Assign(c.Name(name), narrow))

    def _type(self, stage: RowStage) -> VectorType:
        return self.emitter.lanes.type(stage.result.dtype)

    def _total_type(self, stage: RowStage) -> VectorType:
        """Totals of blocks of float32 are kept in float64: a sum of millions then loses nothing between blocks."""
        own = self._type(stage)
        return own.of("f64") if stage.result.dtype == np.float32 else own

    def _total(self, stage: RowStage, name: str) -> str:
        """Declare the total of a reduction over blocks; it starts where the accumulator `name` starts."""
        vector, own = self._total_type(stage), self._type(stage)
        total = self.emitter.fresh("total")
        start = self.emitter.lanes.converted(c.Name(name), own, vector)
        self.scope.statements.append(c.Declare(self.emitter.lanes.declare(vector), total, start))
        return total

    def _add_to_total(self, stage: RowStage, total: str, name: str, scope: Scope) -> None:
        lanes, vector = self.emitter.lanes, self._total_type(stage)
        widened = lanes.converted(c.Name(name), self._type(stage), vector)
        dtype = np.dtype(np.float64) if vector.element.short == "f64" else stage.result.dtype
        combined = combine(lanes, str(stage.reducer), dtype, c.Name(total), widened)
        scope.statements.append(c.Assign(c.Name(total), combined))

    def _emit_body(
        self, stages: Sequence[RowStage], accumulators: Mapping[RowStage, str], scope: Scope, where: Where
    ) -> None:
        self._bind_rows(scope, where)
        for stage in stages:
            if stage in accumulators:
                value = self.emitter.value(stage.expression, scope, where)
                self._accumulate(stage, accumulators[stage], value, scope, where)
                continue
            value = self._vector_value(stage, scope, where)
            buffer = stage.result.buffer
            scope.bound[buffer] = value
            if buffer in self.stored:
                self.emitter.store(stage.result, value, scope, where)
            if buffer in self.local:
                place = self.local[buffer] + where.axes[where.lane_axis]
                scope.statements.append(self.emitter.stored_densely(place, buffer.dtype, value, where))

    def _vector_value(self, stage: RowStage, scope: Scope, where: Where) -> c.Expression:
        """Return the lanes of a value per element; axes reduced besides the row are loops inside."""
        if not stage.serial:
            return self.emitter.value(stage.expression, scope, where)
        name = self._accumulator(stage, scope)
        variables = tuple(self.emitter.fresh("s") for _ in stage.serial)
        first = len(self.row.axes) + 1
        inner = scope.inner(*range(first, first + len(variables)))
        place = Where((*where.axes, *(c.Name(each) for each in variables)), where.lane_axis, where.count)
        value = self.emitter.value(stage.expression, inner, place)
        self._accumulate(stage, name, value, inner, Where(where.axes, where.lane_axis, None))
        body = tuple(inner.statements)
        for variable, extent in reversed(tuple(zip(variables, stage.serial, strict=True))):
            body = (c.loop(variable, extent, *body),)
        scope.statements.extend(body)
        return c.Name(name)

    def _emit_nested_reduction(self, stage: RowStage) -> None:
        """A reduction along the row and further axes: loops over these around the loop along the row."""
        name = self._accumulator(stage, self.scope)
        variables = tuple(self.emitter.fresh("s") for _ in stage.serial)
        extra = tuple(c.Name(each) for each in variables)
        first = len(self.row.axes) + 1
        outer = self.scope.inner(*range(first, first + len(variables)))
        partial = self._accumulator(stage, outer)

        def body(scope: Scope, where: Where) -> None:
            self._bind_rows(scope, where)
            value = self.emitter.value(stage.expression, scope, where)
            self._accumulate(stage, partial, value, scope, where)

        loop_along_row(self.emitter, self.row, outer, body, extra)
        combined = combine(self.emitter.lanes, str(stage.reducer), stage.result.dtype, c.Name(name), c.Name(partial))
        outer.statements.append(c.Assign(c.Name(name), combined))
        statements = tuple(outer.statements)
        for variable, extent in reversed(tuple(zip(variables, stage.serial, strict=True))):
            statements = (c.loop(variable, extent, *statements),)
        self.scope.statements.extend(statements)
        self._finish_reduction(stage, name)

    def _accumulator(self, stage: RowStage, scope: Scope) -> str:
        lanes, dtype = self.emitter.lanes, stage.result.dtype
        name = self.emitter.fresh("sum" if stage.reducer == "add" else "reduced")
        start = lanes.constant(identity_of(str(stage.reducer), dtype).value, dtype)
        scope.statements.append(c.Declare(lanes.declare(lanes.type(dtype)), name, start))
        return name

    def _accumulate(self, stage: RowStage, name: str, value: c.Expression, scope: Scope, where: Where) -> None:
        """Add the statement that combines a vector into the accumulator, without the lanes beyond the row's end."""
        lanes, dtype = self.emitter.lanes, stage.result.dtype
        combined = combine(lanes, str(stage.reducer), dtype, c.Name(name), value)
        if where.count is not None:
            vector = lanes.type(dtype)
            ramp = c.CompoundLiteral(vector.mask.ctype, tuple(c.literal(lane) for lane in range(lanes.lanes)))
            lanes.declare(vector.mask)
            is_valid = ramp < c.Cast(vector.mask.element.ctype, where.count)
            combined = lanes.use(lane_helpers.select(vector))(is_valid, combined, c.Name(name))
        scope.statements.append(c.Assign(c.Name(name), combined))

    def _finish_reduction(self, stage: RowStage, name: str) -> None:
        """Combine the lanes of an accumulator and keep the result in every lane."""
        lanes, dtype = self.emitter.lanes, stage.result.dtype
        scalar = combine_lanes(lanes, str(stage.reducer), dtype, c.Name(name))
        self.scope.statements.append(c.Assign(c.Name(name), lanes.broadcast_register(scalar, dtype)))
        self._finish_per_row(stage, c.Name(name))
