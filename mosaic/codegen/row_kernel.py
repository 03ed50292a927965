"""One group as one C function: tasks, the loops over rows around the statements, and `KernelCode`, the result.

Products are in `matmul_kernel` and `block_kernel`; `group_kernels` chooses the emitter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Protocol

from mosaic import c
from mosaic.c.helpers import Helper
from mosaic.c.walk import mentions
from mosaic.codegen.column_accumulators import ColumnAccumulator, column_accumulators
from mosaic.codegen.expressions import Emitter, Scope
from mosaic.codegen.operands import Operand, Operands
from mosaic.codegen.registers import Lanes
from mosaic.codegen.row_blocks import RowBlockEmitter
from mosaic.codegen.row_loops import Row
from mosaic.codegen.row_stages import RowEmitter
from mosaic.codegen.scatters import ScatterEmitter
from mosaic.codegen.serial_loops import LoopEmitter
from mosaic.codegen.shared_indices import check_shared_indices
from mosaic.ir.affine import Symbol, moves
from mosaic.ir.loops import Loop, Turns
from mosaic.ir.schedule import Schedule
from mosaic.ir.statements import Group, Scatter
from mosaic.targets import Target, line_bytes
from mosaic.vector import memory


@dataclass(frozen=True, slots=True)
class KernelCode:
    """A kernel without a name: body, helpers, the entries of its table of operands, and its number of tasks.

    scratch_bytes: bytes of the arena for each thread; the address follows the operands in the table
    symbols:       the loops whose turns the kernel reads; their places follow in the table
    turns:         the loops around the kernel
    """

    body: c.Body
    comment: str
    helpers: tuple[Helper, ...]
    operands: tuple[Operand, ...]
    num_tasks: int
    scratch_bytes: int = 0
    symbols: tuple[Symbol, ...] = ()
    turns: tuple[Turns, ...] = ()

    def function(self, name: str) -> c.Function:
        """Return the C function."""
        unused = () if self.scratch_bytes else ("unused",)
        number = c.NamedType("long")
        parameters = (
            c.Parameter(c.pointer(c.void), "context"),
            c.Parameter(number, "task"),
            c.Parameter(number, "thread", unused),
        )
        return c.Function(name, c.void, parameters, self.body, is_static=True, comment=self.comment)


def schedule_of(group: Group) -> Schedule:
    """Return the schedule of a group, set by the pass `schedule`."""
    assert group.schedule is not None, "groups are emitted after they have been scheduled"
    return group.schedule


def lanes_of(group: Group, target: Target) -> Lanes:
    """Return the vectors that a group's schedule asks for."""
    own = schedule_of(group)
    return Lanes(replace(target, vector_bytes=own.vector_bytes), own.lanes)


def emit_row_kernel(group: Group, comment: str, target: Target) -> KernelCode:
    """Return the kernel of a group of row stages."""
    stages, own = group.row_stages, schedule_of(group)
    streamed, filled = (
        (stages[number].result.buffer for number in own.past_caches),
        {stage.result.buffer for stage in stages},
    )
    emitter = Emitter(
        lanes_of(group, target),
        Operands(),
        streamed=frozenset(streamed),
        bytes_ahead=own.bytes_ahead,
        fetched=filled,
    )
    stored = frozenset(stage.result.buffer for stage in stages) - group.local
    columns = column_accumulators(emitter, stages, group.most_length)
    rows = RowEmitter(emitter, stages, stored, own.phases, columns=columns)
    return kernel_of_rows(group, comment, rows, tuple(columns.values()))


def emit_scatter_kernel(group: Group, scatter: Scatter, comment: str, target: Target) -> KernelCode:
    """Return the kernel of a group of one scatter."""
    return kernel_of_rows(group, comment, ScatterEmitter(Emitter(lanes_of(group, target), Operands()), scatter))


def emit_loop_kernel(group: Group, loop: Loop, comment: str, target: Target) -> KernelCode:
    """Return the kernel of a group of one loop."""
    emitter, own = Emitter(lanes_of(group, target), Operands()), schedule_of(group)
    stored = frozenset(view.buffer for view in loop.writes()) - group.local
    return kernel_of_rows(group, comment, LoopEmitter(emitter, loop, stored, own.phases[0].wide, own.unrolled))


class RowsEmitter(Protocol):
    """Emits the statements for one row, or for a range of a row; `emitter` emits their expressions."""

    emitter: Emitter

    def emit(self, row: Row, scope: Scope) -> tuple[c.Statement, ...]:
        """Return the statements for one row."""


def kernel_of_rows(
    group: Group, comment: str, rows: RowsEmitter, columns: Sequence[ColumnAccumulator] = ()
) -> KernelCode:
    """Return the kernel that computes a group row by row, or in ranges of its only row.

    columns: what the rows of a task add up; it is made before them, and stored behind them
    """
    own = schedule_of(group)
    loops = _flat_task(group, own, rows) if own.is_flat else _task_of_rows(group, own, rows)
    emitter = rows.emitter
    part = c.Name("task") if own.num_tasks > 1 else c.literal(0)
    before = [statement for column in columns for statement in column.started()]
    loops = (*before, *loops, *(statement for column in columns for statement in column.stored(part)))
    if emitter.streamed:
        loops = (*loops, c.ExpressionStatement(emitter.lanes.use(memory.finish_streams())()))
    unpack = (c.Declare(c.Pointer(c.pointer(c.void), is_const=False), "operands", c.Name("context")),)
    unused = (c.ExpressionStatement(c.Cast(c.void, c.Name("task"))),) if own.num_tasks == 1 else ()
    operands, local = emitter.operands.listed(), emitter.local
    declared = (*emitter.operands.declarations(), *local.declarations(len(operands)))
    moving = emitter.operands.extent_declarations(len(operands) + bool(local.scratch_bytes))
    helpers, symbols = tuple(emitter.lanes.helpers.values()), tuple(emitter.operands.turns)
    body = (*unpack, *unused, *declared, *moving, *loops)
    return KernelCode(body, comment, helpers, operands, own.num_tasks, local.scratch_bytes, symbols)


def _flat_task(group: Group, own: Schedule, rows: RowsEmitter) -> tuple[c.Statement, ...]:
    """Return the statements for a single long row; a task is a range of its elements, a multiple of the lanes."""
    scope, length, is_moving = Scope(frozenset()), rows.emitter.operands.extent(group.length), moves((group.length,))
    if own.on_lines:
        assert isinstance(rows, RowEmitter), "only streams are aligned"
        start, stop, first = map(c.Name, ("start", "stop", "first"))
        row = Row((), start, stop, group.most_length, first=first, unrolled=own.unrolled, joined=own.joined)
        statements = rows.emit(row, scope)
        return (*_bounds_on_lines(own, length, *rows.widest_result()), *statements)
    if own.num_tasks == 1:
        return rows.emit(Row((), c.literal(0), length, group.most_length, is_moving), scope)
    bounds = task_bounds(own, length)
    part = rows.emit(Row((), c.Name("start"), c.Name("stop"), group.most_length, is_moving), scope)
    return (*bounds, *_unless_empty(part, is_moving))


def _task_of_rows(group: Group, own: Schedule, rows: RowsEmitter) -> tuple[c.Statement, ...]:
    """Return the statements for many rows; a task is a block of rows, counted through all outer axes."""
    count = _product(tuple(map(rows.emitter.operands.extent, group.rows)))
    first = check_shared_indices(group, rows.emitter) if own.checks_first else ()
    if own.num_tasks == 1:
        return (*first, *_loop_over_rows(group, rows, c.literal(0), count))
    return (*task_bounds(own, count), *first, *_loop_over_rows(group, rows, c.Name("start"), c.Name("stop")))


def _unless_empty(statements: tuple[c.Statement, ...], is_moving: bool) -> tuple[c.Statement, ...]:
    """Return the statements of a task, which may have nothing to do in turns with less work than the most."""
    return (c.If(c.Name("start") < c.Name("stop"), statements),) if is_moving else statements


def _product(extents: Sequence[c.Expression]) -> c.Expression:
    return reduce(lambda one, other: one * other, extents, c.literal(1))


def task_bounds(own: Schedule, count: c.Expression) -> tuple[c.Statement, ...]:
    """Declare `start` and `stop`, the bounds of a task's part of `count`."""
    return (
        c.Declare(c.const(c.int64), "start", c.Name("task") * own.per_task),
        c.Declare(c.const(c.int64), "stop", c.minimum(c.Name("start") + own.per_task, count)),
    )


def _bounds_on_lines(
    own: Schedule, count: c.Expression, result: c.Expression, num_bytes: int
) -> tuple[c.Statement, ...]:
    """Declare `start`, `stop` and `first` of a task whose ends are those of cache lines of the result."""
    task, ahead, start = c.Name("task"), c.Name("ahead"), c.Name("start")
    behind_line = c.Cast(c.NamedType("uintptr_t"), result) % line_bytes / num_bytes
    begins: c.Expression = c.literal(0)
    ends = count
    if own.num_tasks > 1:
        begins = c.Conditional(c.equal(task, 0), c.literal(0), task * own.per_task - ahead)
        ends = c.Conditional(task < own.num_tasks - 1, task * own.per_task + own.per_task - ahead, count)
    return (
        c.Declare(c.const(c.int64), "ahead", c.Cast(c.int64, behind_line)),
        c.Declare(c.const(c.int64), "start", begins),
        c.Declare(c.const(c.int64), "stop", ends),
        c.Declare(c.const(c.int64), "first", start + (-(start + ahead) & (own.lanes * own.joined - 1))),
    )


def _loop_over_rows(
    group: Group, rows: RowsEmitter, start: c.Expression, stop: c.Expression
) -> tuple[c.Statement, ...]:
    """Return the loop over rows; it increments the index along each outer axis, which is faster than division."""
    own = schedule_of(group)
    if own.rows_at_once > 1:
        assert isinstance(rows, RowEmitter), "only reductions of rows are done at once"
        block, start = _loop_over_blocks(group, rows, own.rows_at_once, start, stop)
        return (*block, *_loop_over_single_rows(group, rows, start, stop))
    return _loop_over_single_rows(group, rows, start, stop)


def _loop_over_blocks(
    group: Group, rows: RowEmitter, count: int, start: c.Expression, stop: c.Expression
) -> tuple[tuple[c.Statement, ...], c.Expression]:
    """Return the loop over as many rows at once as fit, and where the rows begin that are left over."""
    stage, *following = rows.stages
    blocks = RowBlockEmitter(rows.emitter, stage, rows.schedule[0].turns, following, rows.stored)
    length = rows.emitter.operands.extent(group.length)
    places = [Row((c.Name("row") + step,), c.literal(0), length, group.most_length) for step in range(count)]
    statements = blocks.emit(places, Scope(frozenset()))
    return (
        (c.loop("row", stop - (count - 1), *statements, start=start, step=count),),
        start + (stop - start) / count * count,
    )


def _loop_over_single_rows(
    group: Group, rows: RowsEmitter, start: c.Expression, stop: c.Expression
) -> tuple[c.Statement, ...]:
    extents = tuple(map(rows.emitter.operands.extent, group.rows))
    axes, declarations = row_indices(extents, start)
    if len(group.rows) == 1:
        axes = (c.Name("row"),)
    scope, length = Scope(frozenset(range(len(group.rows)))), rows.emitter.operands.extent(group.length)
    row = Row(axes, c.literal(0), length, group.most_length, moves((group.length,)))
    statements = rows.emit(row, scope)
    if all(extent == 1 for extent in group.rows):
        first = (c.Declare(c.const(c.int64), "row", c.literal(0)),) if len(group.rows) == 1 else ()
        declared = (*first, *declarations)
        # A loop body may need no index, and the C compiler warns of unused variables.
        used = tuple(each for each in declared if any(mentions(statement, each.name) for statement in statements))
        return (*used, *statements)
    counted = tuple(replace(each, ctype=c.int64) for each in declarations)
    loop = c.loop("row", stop, *statements, *_count_on(axes, extents), start=start)
    # Where no row is left, an extent may be 0, by which no index can be divided.
    is_divided = len(group.rows) > 1 and moves(group.rows)
    return (c.If(start < stop, (*counted, loop)),) if is_divided else (*counted, loop)


def _count_on(axes: tuple[c.Expression, ...], extents: tuple[c.Expression, ...]) -> tuple[c.Statement, ...]:
    """Return the statements that increment the indices along all outer axes."""
    statements: tuple[c.Statement, ...] = ()
    for axis in range(len(axes) if len(axes) > 1 else 0):
        wrap = (c.If(c.equal(axes[axis], extents[axis]), (c.Assign(axes[axis], c.literal(0)), *statements)),)
        statements = (c.AugmentedAssign(axes[axis], "+", c.literal(1)), *(wrap if axis else ()))
    return statements


def row_indices(rows: Sequence[c.Operand], row: c.Expression) -> tuple[tuple[c.Expression, ...], tuple[c.Declare, ...]]:
    """Return the index of a row along each outer axis, and its declarations; `row` counts through all axes."""
    if len(rows) <= 1:
        return tuple(row for _ in rows), ()
    names = tuple(c.Name(f"r{axis}") for axis in range(len(rows)))
    declarations = []
    for axis, name in enumerate(names):
        inner = _product(tuple(map(c.as_expression, rows[axis + 1 :])))
        index = row / inner if axis == 0 else row / inner % rows[axis]
        declarations.append(c.Declare(c.const(c.int64), name.text, index))
    return names, tuple(declarations)
