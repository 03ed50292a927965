"""Row stages (softmax, layer norm) as C: several loops along each row, separated by the reductions.

A phase is one loop along the row. A stage runs in the first phase in which its operands are known; a reduction's value
is known after the loop of its phase. A value that a later phase needs is stored in a local row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mosaic import c
from mosaic.codegen.accumulators import accumulate, accumulator, add_to_total, is_decided, merge, take_total, total
from mosaic.codegen.column_accumulators import ColumnAccumulator
from mosaic.codegen.expressions import Emitter, Scope, Where
from mosaic.codegen.first_extremum import extremum_search
from mosaic.codegen.first_true import first_true_search, linear, position_type
from mosaic.codegen.lane_reductions import start_reduction
from mosaic.codegen.narrowing import narrowing_of
from mosaic.codegen.operands import address
from mosaic.codegen.reducers import combine_lanes
from mosaic.codegen.row_loops import Row, loop_along_row
from mosaic.ir.expressions import Load, loads
from mosaic.ir.schedule import PhaseSchedule
from mosaic.ir.statements import RowStage
from mosaic.ir.views import Buffer


@dataclass(slots=True)
class RowEmitter:
    """Emits the stages of one row.

    stored:  results that the kernel writes to memory
    places:  buffers local to the kernel, with a C pointer to the first element of their row
    columns: for the stages that reduce across rows, what takes their vectors
    """

    emitter: Emitter
    stages: Sequence[RowStage]
    stored: frozenset[Buffer]
    schedule: Sequence[PhaseSchedule]
    places: Mapping[Buffer, c.Expression] = field(default_factory=dict)
    columns: Mapping[RowStage, ColumnAccumulator] = field(default_factory=dict)

    def emit(self, row: Row, scope: Scope) -> tuple[c.Statement, ...]:
        """Return the statements for one row, after the declarations of its local buffers."""
        plan = plan_phases(self.stages, self.stored | frozenset(self.places))
        names = {buffer: self.emitter.fresh("row") for buffer in plan.local_rows}
        declarations = tuple(self._local_row(buffer, name, row.length) for buffer, name in names.items())
        local = {**self.places, **{buffer: c.Name(name) for buffer, name in names.items()}}
        phase = _PhaseEmitter(self.emitter, row, scope, plan, self.stored, local, self.columns)
        for number, own in enumerate(self.schedule):
            phase.emit(number, own)
        return (*declarations, *scope.statements)

    def widest_result(self) -> tuple[c.Expression, int]:
        """Return the address of the first element of the stored result with the largest elements, and their bytes."""
        stored = [stage.result for stage in self.stages if stage.result.buffer in self.stored]
        view = max(stored, key=lambda one: one.dtype.itemsize)
        where = Where((c.literal(0),), 0)
        return self.emitter.address(view, where, is_written=True), view.dtype.itemsize

    def _local_row(self, buffer: Buffer, name: str, length: int) -> c.Statement:
        lanes = self.emitter.lanes.lanes
        padded = -(-length // lanes) * lanes
        return self.emitter.local.declare(name, buffer.dtype, padded)


@dataclass(frozen=True, slots=True)
class PhasePlan:
    """The phase of each stage, and the results that a later phase needs in a local row."""

    stages: tuple[RowStage, ...]
    phases: tuple[int, ...]
    num_phases: int
    local_rows: tuple[Buffer, ...]

    def loop_stages(self, number: int) -> list[RowStage]:
        """Return the stages of a phase that share its loop along the row."""
        return [
            stage
            for stage, phase in zip(self.stages, self.phases, strict=True)
            if phase == number and not stage.is_per_row and not _has_own_loop(stage)
        ]

    def computes(self, buffer: Buffer) -> bool:
        """Whether a stage fills the buffer."""
        return any(buffer is stage.result.buffer for stage in self.stages)


def plan_phases(stages: Sequence[RowStage], in_memory: frozenset[Buffer]) -> PhasePlan:
    """Return the phases of stages in order; a stage runs as soon as its operands are known."""
    known_from: dict[Buffer, int] = {}
    computed_in: dict[Buffer, int] = {}
    kept: dict[Buffer, None] = {}
    phases = []
    for stage in stages:
        sources = [load.view.buffer for load in loads(stage.expression) if load.view.buffer in known_from]
        phase = max((known_from[buffer] for buffer in sources), default=0)
        if _has_own_loop(stage):
            # The stage runs after the loop of its phase, when that loop's registers are gone.
            phase = max([phase, *(computed_in[buffer] + 1 for buffer in sources if buffer in computed_in)])
        phases.append(phase)
        for buffer in sources:
            if buffer in computed_in and computed_in[buffer] < phase and buffer not in in_memory:
                kept[buffer] = None
        known_from[stage.result.buffer] = phase + stage.is_along_row
        if not stage.is_per_row and not stage.is_along_row:
            computed_in[stage.result.buffer] = phase
    return PhasePlan(tuple(stages), tuple(phases), max(phases) + 1, tuple(kept))


def _has_own_loop(stage: RowStage) -> bool:
    """Whether a reduction needs a loop of its own."""
    return stage.is_along_row and (bool(stage.serial) or stage.finds_position)


@dataclass(slots=True)
class _PhaseEmitter:
    """The state of emitting one row: values per row, and values that earlier phases computed."""

    emitter: Emitter
    row: Row
    scope: Scope
    plan: PhasePlan
    stored: frozenset[Buffer]
    local: Mapping[Buffer, c.Expression]
    columns: Mapping[RowStage, ColumnAccumulator]
    per_row: dict[Buffer, c.Expression] = field(default_factory=dict)
    computed: set[Buffer] = field(default_factory=set)

    def emit(self, number: int, schedule: PhaseSchedule) -> None:
        """Add one phase: values per row, the loop along the row, the results of its reductions."""
        stages = [stage for stage, phase in zip(self.plan.stages, self.plan.phases, strict=True) if phase == number]
        before = [stage for stage in stages if stage.is_per_row]
        for stage in before:
            self._emit_per_row(stage)
        along = [stage for stage in stages if not stage.is_per_row]
        together = self.plan.loop_stages(number)
        if together:
            self._emit_loop(together, schedule)
        for stage in along:
            if stage not in together:
                self._emit_nested_reduction(stage)
        self.computed.update(stage.result.buffer for stage in along)
        self.emitter.fetched.update(load.view.buffer for stage in stages for load in loads(stage.expression))

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
        """Let a loop body load values that an earlier phase or stage stored locally."""
        scope.bound.update(self.per_row)
        lane = where.axes[where.lane_axis]
        for buffer, place in self.local.items():
            if buffer in self.computed or not self.plan.computes(buffer):
                scope.places[buffer] = place + lane

    def _emit_loop(self, stages: Sequence[RowStage], schedule: PhaseSchedule) -> None:
        if self.row.first is not None:
            self._emit_between_ends(stages, self.row.first)
            return
        if len(stages) == 1 and (copied := self._row_copied_by_index(stages[0])) is not None:
            self.scope.statements.append(copied)
            return
        accumulators = {stage: accumulator(self.emitter, stage, self.scope) for stage in stages if stage.is_along_row}
        if schedule.block:
            self._emit_blocks(stages, accumulators, schedule)
        else:
            start: c.Operand = 0
            if schedule.turns > 1:
                start = self._emit_turns(stages, accumulators, schedule.turns)
            elif schedule.wide > 1:
                start = self._emit_wide(stages[0], schedule.wide)
            self._emit_rest(stages, accumulators, start)
        for stage, name in accumulators.items():
            self._finish_reduction(stage, name)

    def _emit_rest(self, stages: Sequence[RowStage], accumulators: Mapping[RowStage, str], start: c.Operand) -> None:
        """Reduce one vector after the other from `start` on."""

        def body(scope: Scope, where: Where) -> None:
            self._emit_body(stages, accumulators, scope, where)

        if start == 0 and self._may_end_with_a_whole_vector(stages):
            # Elements of the last two vectors are computed twice. The result may lie in the memory of an operand.
            end, stores = self.row.length - self.emitter.lanes.lanes, self.scope.inner()
            self.scope.statements.extend(self._stored_together(stages, c.literal(end), stores))
            loop_along_row(self.emitter, replace(self.row, has_rest=False), self.scope, body)
            self.scope.statements.extend(stores.statements)
        else:
            loop_along_row(self.emitter, self.row, self.scope, body, start=start)

    def _may_end_with_a_whole_vector(self, stages: Sequence[RowStage]) -> bool:
        """Whether a row that whole vectors do not fill may end with one that begins within the one before.

        Lanes of a partial vector are loaded one by one: of rows of 56 numbers and windows of 3 x 3 that was half of the time.
        """
        row, lanes = self.row, self.emitter.lanes.lanes
        is_fixed = not row.is_range and not row.is_moving and row.joined == 1 and not self.local
        is_plain = not any(stage.is_along_row or stage.is_across_rows or stage.serial for stage in stages)
        return is_fixed and is_plain and lanes > 1 and row.length > lanes and row.length % lanes > 0

    def _emit_between_ends(self, stages: Sequence[RowStage], first: c.Expression) -> None:
        """Compute a stream on vectors that lie within cache lines, and one vector at either end that may not.

        The vectors at the ends share elements with those between. They are computed before the loop and stored behind it,
        because the result may lie in the memory of an operand.
        """
        width, index = self.emitter.lanes.lanes * self.row.joined, c.Name(self.emitter.fresh("i"))
        stores = self.scope.inner()
        for end in (self.row.start, self.row.stop - width):
            self.scope.statements.extend(self._stored_together(stages, end, stores))
        stop = self.row.stop - (width - 1)
        turns = c.loop(index.text, stop, *self._stored_together(stages, index, None), start=first, step=width)
        pragmas = (f"GCC unroll {self.row.unrolled}",) if self.row.unrolled > 1 else ()
        self.scope.statements.extend((replace(turns, pragmas=pragmas), *stores.statements))

    def _stored_together(
        self, stages: Sequence[RowStage], start: c.Expression, stores: Scope | None
    ) -> list[c.Statement]:
        """Return the statements for the vectors of one turn; `stores` takes those that store, if they come later."""
        emitter, lane_axis = self.emitter, len(self.row.axes)
        if self.row.joined == 1:
            inner = self.scope.inner(lane_axis)
            self._emit_body(stages, {}, inner, self._where(start, None), stores)
            return inner.statements
        (stage,), inner = stages, self.scope.inner()
        narrowing, values = narrowing_of(stage), []
        assert narrowing is not None, "only results that are narrowed are stored together"
        for turn in range(self.row.joined):
            where, body = self._where(start + turn * emitter.lanes.lanes, None), inner.inner(lane_axis)
            self._bind_rows(body, where)
            values.append(emitter.value(narrowing.wide, body, where))
            inner.statements.extend(body.statements)
        place = emitter.address(stage.result, self._where(start, None), is_written=True)
        (stores or inner).statements.append(narrowing.stored(emitter.lanes, values, place))
        return inner.statements

    def _emit_turns(self, stages: Sequence[RowStage], accumulators: Mapping[RowStage, str], turns: int) -> c.Operand:
        """Reduce with several accumulators in turn, so that no addition waits for the one before; return the end."""
        stop = self.row.whole_steps(turns * self.emitter.lanes.lanes)
        others = [
            {stage: accumulator(self.emitter, stage, self.scope) for stage in accumulators} for _ in range(turns - 1)
        ]
        self.scope.statements.append(self._turns(stages, [accumulators, *others], self.scope, c.literal(0), stop))
        for other in others:
            for stage, name in other.items():
                merge(self.emitter, stage, accumulators[stage], name, self.scope)
        return stop

    def _emit_wide(self, stage: RowStage, turns: int) -> c.Operand:
        """Reduce several vectors per turn of the loops over the serial axes; return the end.

        Memory is then read in longer pieces, and no combination waits for the one before.
        """
        row, lanes = self.row, self.emitter.lanes.lanes
        step = turns * lanes
        index, inner = c.Name(self.emitter.fresh("i")), self.scope.inner()
        places = [self._where(index + turn * lanes, None) for turn in range(turns)]
        names = self._reduce_serially(stage, inner, places)
        for name, where in zip(names, places, strict=True):
            self._deliver(stage, self._reduced_lanes(stage, name), inner, where)
        stop = row.stop - (step - 1) if row.is_range else row.whole_steps(step)
        self.scope.statements.append(c.loop(index.text, stop, *inner.statements, start=row.start, step=step))
        return row.whole_steps(step)

    def _turns(
        self,
        stages: Sequence[RowStage],
        turns: Sequence[Mapping[RowStage, str]],
        scope: Scope,
        start: c.Expression,
        stop: c.Operand,
    ) -> c.Statement:
        """Return a loop in which each turn handles one vector with accumulators of its own."""
        lanes, lane_axis = self.emitter.lanes.lanes, len(self.row.axes)
        index = c.Name(self.emitter.fresh("i"))
        inner = scope.inner()
        for turn, partial in enumerate(turns):
            body = inner.inner(lane_axis)
            self._emit_body(stages, partial, body, self._where(index + turn * lanes, None))
            inner.statements.extend(body.statements)
        return c.loop(index.text, stop, *inner.statements, start=start, step=len(turns) * lanes)

    def _emit_blocks(
        self, stages: Sequence[RowStage], accumulators: Mapping[RowStage, str], schedule: PhaseSchedule
    ) -> None:
        """Reduce a long row in blocks, each with fresh accumulators, so that rounding errors stay those of one block.

        The loop ends early once further blocks cannot change the result (any, all).
        """
        emitter, block = self.emitter, schedule.block
        limit = self.row.whole_steps(block)
        start = c.Name(emitter.fresh("block"))
        outer = self.scope.inner()
        turns = [{stage: accumulator(emitter, stage, outer) for stage in accumulators} for _ in range(schedule.turns)]
        outer.statements.append(self._turns(stages, turns, outer, start, start + block))
        totals = {stage: total(emitter, stage, name, self.scope) for stage, name in accumulators.items()}
        for partial in turns:
            for stage, name in partial.items():
                add_to_total(emitter, stage, totals[stage], name, outer)
        outer.statements.extend(self._leave_if_decided(stages, totals))
        self.scope.statements.append(c.loop(start.text, limit, *outer.statements, step=block))
        self._emit_rest(stages, accumulators, limit)
        for stage, name in accumulators.items():
            add_to_total(emitter, stage, totals[stage], name, self.scope)
            take_total(emitter, stage, name, totals[stage], self.scope)

    def _leave_if_decided(self, stages: Sequence[RowStage], totals: Mapping[RowStage, str]) -> tuple[c.Statement, ...]:
        if len(stages) != 1:
            return ()
        decided = is_decided(self.emitter.lanes, stages[0], totals[stages[0]])
        return () if decided is None else (c.If(decided, (c.Break(),)),)

    def _emit_body(
        self,
        stages: Sequence[RowStage],
        accumulators: Mapping[RowStage, str],
        scope: Scope,
        where: Where,
        stores: Scope | None = None,
    ) -> None:
        """Compute the stages for one vector; `stores` takes the statements that store, if they come later."""
        self._bind_rows(scope, where)
        for stage in stages:
            if stage in accumulators:
                value = self.emitter.value(stage.expression, scope, where)
                accumulate(self.emitter, stage, accumulators[stage], value, scope, where.count)
                continue
            if stage in self.columns:
                self.columns[stage].take(self.emitter.value(stage.expression, scope, where), scope, where)
                continue
            copied = self._copied(stage, where) if len(stages) == 1 else None
            if copied is not None:
                (stores or scope).statements.append(copied)
                continue
            value = self._vector_value(stage, scope, where)
            scope.bound[stage.result.buffer] = value
            self._deliver(stage, value, stores or scope, where)

    def _row_copied_by_index(self, stage: RowStage) -> c.Statement | None:
        """Return the loop that copies a row of elements with an index each, which it checks; None for other stages.

        Its turns are not grouped by vectors: random elements of 4 MB take 1.2 of the time if eight are written out (Zen 4).
        Elements whose indices were checked before take 0.85 with eight.
        """
        gathers = stage.expression.gathers if isinstance(stage.expression, Load) else ()
        if not gathers or any(gather in self.emitter.checked for gather in gathers):
            return None
        return self._copied(stage, self._where(self.row.start, self.row.stop - self.row.start))

    def _copied(self, stage: RowStage, where: Where) -> c.Statement | None:
        """Return the statement that copies the elements of a stage that does nothing else; None for other stages."""
        copied, buffer = stage.expression, stage.result.buffer
        if stage.serial or not isinstance(copied, Load) or copied.dtype != buffer.dtype:
            return None
        is_only_stored = (
            buffer in self.stored and buffer not in self.local and not self.plan.computes(copied.view.buffer)
        )
        return self.emitter.copied(copied, stage.result, where) if is_only_stored else None

    def _deliver(self, stage: RowStage, value: c.Expression, scope: Scope, where: Where) -> None:
        """Store a vector of a stage's result in memory, in a local row, or in both."""
        buffer = stage.result.buffer
        if buffer in self.stored:
            self.emitter.store(stage.result, value, scope, where)
        if buffer in self.local:
            place = self.local[buffer] + where.axes[where.lane_axis]
            scope.statements.append(self.emitter.stored_densely(place, buffer.dtype, value, where))

    def _vector_value(self, stage: RowStage, scope: Scope, where: Where) -> c.Expression:
        """Return the lanes of a value per element; further reduced axes are loops inside."""
        if not stage.serial:
            return self.emitter.value(stage.expression, scope, where)
        (name,) = self._reduce_serially(stage, scope, [where])
        return self._reduced_lanes(stage, name)

    def _reduced_lanes(self, stage: RowStage, name: str) -> c.Expression:
        """Return the lanes of a reduction over axes besides the row, in the form of its result."""
        if not stage.finds_position:
            return c.Name(name)
        vector, lanes = position_type(self.emitter, stage), self.emitter.lanes
        return lanes.converted(c.Name(name), vector, lanes.type(stage.result.dtype))

    def _reduce_serially(self, stage: RowStage, scope: Scope, places: Sequence[Where]) -> tuple[str, ...]:
        """Add loops over the serial axes that reduce several vectors at once, and return the accumulators' names."""
        reductions, extents = [start_reduction(self.emitter, stage, scope) for _ in places], self._serial(stage)
        variables = tuple(self.emitter.fresh("s") for _ in stage.serial)
        extra = tuple(c.Name(each) for each in variables)
        first = len(self.row.axes) + 1
        inner = scope.inner(*range(first, first + len(variables)))
        for reduction, where in zip(reductions, places, strict=True):
            body = inner
            if len(places) > 1:
                body = inner.inner(where.lane_axis)
                self._bind_rows(body, where)
            place = Where((*where.axes, *extra), where.lane_axis, where.count)
            value = self.emitter.value(stage.expression, body, place)
            reduction.take(value, linear(extra, extents), body)
            if body is not inner:
                inner.statements.extend(body.statements)
        scope.statements.extend(_nest(variables, extents, inner.statements))
        for reduction in reductions:
            reduction.finish(scope)
        return tuple(reduction.name for reduction in reductions)

    def _serial(self, stage: RowStage) -> tuple[c.Expression, ...]:
        """Return the extents of the axes that a stage reduces besides the row."""
        return tuple(map(self.emitter.operands.extent, stage.serial))

    def _emit_nested_reduction(self, stage: RowStage) -> None:
        """Reduce the row and further axes: loops over the further axes around the loop along the row."""
        if stage.finds_position:
            self._emit_search(stage)
            return
        name = accumulator(self.emitter, stage, self.scope)
        variables = tuple(self.emitter.fresh("s") for _ in stage.serial)
        extra = tuple(c.Name(each) for each in variables)
        first = len(self.row.axes) + 1
        outer = self.scope.inner(*range(first, first + len(variables)))
        partial = accumulator(self.emitter, stage, outer)

        def body(scope: Scope, where: Where) -> None:
            self._bind_rows(scope, where)
            value = self.emitter.value(stage.expression, scope, where)
            accumulate(self.emitter, stage, partial, value, scope, where.count)

        loop_along_row(self.emitter, self.row, outer, body, extra)
        merge(self.emitter, stage, name, partial, outer)
        self.scope.statements.extend(_nest(variables, self._serial(stage), outer.statements))
        self._finish_reduction(stage, name)

    def _emit_search(self, stage: RowStage) -> None:
        """Return a found position, counted through the axes around the row and the row."""
        variables = tuple(self.emitter.fresh("s") for _ in stage.serial)
        extra = tuple(c.Name(each) for each in variables)
        first = len(self.row.axes) + 1
        result = c.Name(self.emitter.fresh("position"))
        self.scope.statements.append(c.Declare(c.int64, result.text, c.literal(0)))
        before = linear(extra, self._serial(stage)) * self.row.length

        def value(scope: Scope, where: Where) -> c.Expression:
            self._bind_rows(scope, where)
            return self.emitter.value(stage.expression, scope, where)

        search = first_true_search if stage.reducer == "first" else extremum_search
        take_row = search(self.emitter, stage, self.scope, result)
        outer = self.scope.inner(*range(first, first + len(variables)))
        take_row(self.row, outer, value, extra, before)
        self.scope.statements.extend(_nest(variables, self._serial(stage), outer.statements))
        self.per_row[stage.result.buffer] = self.emitter.lanes.broadcast_register(result, stage.result.dtype)
        if stage.result.buffer in self.stored:
            pointer = self.emitter.operands.pointer(stage.result, is_written=True)
            place = address(pointer, stage.result.strides, self._where(c.literal(0), None).axes)
            self.scope.statements.append(c.Assign(c.dereference(place), result))

    def _finish_reduction(self, stage: RowStage, name: str) -> None:
        """Combine the lanes of an accumulator and keep the result in every lane."""
        lanes, dtype = self.emitter.lanes, stage.result.dtype
        scalar = combine_lanes(lanes, str(stage.reducer), dtype, c.Name(name))
        self.scope.statements.append(c.Assign(c.Name(name), lanes.broadcast_register(scalar, dtype)))
        self._finish_per_row(stage, c.Name(name))


def _nest(
    variables: Sequence[str], extents: Sequence[c.Operand], body: Sequence[c.Statement]
) -> tuple[c.Statement, ...]:
    """Return loops around a body, the first variable outermost."""
    statements = tuple(body)
    for variable, extent in reversed(tuple(zip(variables, extents, strict=True))):
        statements = (c.loop(variable, extent, *statements),)
    return statements
