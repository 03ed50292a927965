"""One group as one C function: which rows are a task, and what stands around the loops over rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from mosaic import c
from mosaic.c.walk import mentions
from mosaic.codegen.expressions import Emitter, Scope
from mosaic.codegen.first_true import position_dtype
from mosaic.codegen.functions import is_row
from mosaic.codegen.lanes import Lanes, bool_dtype, lanes_for
from mosaic.codegen.operands import Operand, Operands
from mosaic.codegen.row_loops import Row
from mosaic.codegen.row_stages import RowEmitter, most_wide_vectors
from mosaic.codegen.scatters import ScatterEmitter
from mosaic.codegen.serial_loops import LoopEmitter
from mosaic.ir import Group, Loop, RowStage, Scatter
from mosaic.ir_expressions import Apply, Load, loads, walk
from mosaic.kernels.helper import Helper
from mosaic.targets import Target

task_elements = 16 * 1024
"""How many elements are worth a task of their own: several microseconds against about one to hand a task over."""

widest_stream = 32
most_streamed = 2
"""A kernel of so few operations waits for memory, where wider vectors gain nothing and lose 5% (Zen 4): arrays of numpy
start anywhere in a cache line, so that each access to 64 bytes touches two lines."""


@dataclass(frozen=True, slots=True)
class KernelCode:
    """A kernel before it has a name: body, helpers, what its table of operands holds, and its number of tasks.

    scratch_bytes: what each thread needs of the arena to itself; its start stands behind the operands
    """

    body: c.Body
    comment: str
    helpers: tuple[Helper, ...]
    operands: tuple[Operand, ...]
    num_tasks: int
    scratch_bytes: int = 0

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


def emit_row_kernel(group: Group, comment: str, target: Target) -> KernelCode:
    """Return the kernel of a group of row stages."""
    stages = tuple(stage for stage in group.stages if isinstance(stage, RowStage))
    emitter = Emitter(lanes_for(stage_dtypes(stages), _vectors_for(stages, target), group.length), Operands())
    stored = frozenset(stage.result.buffer for stage in stages) - group.local
    rows = RowEmitter(emitter, stages, stored)
    is_flat = not group.rows and not any(stage.is_along_row for stage in stages)
    return kernel_of_rows(group, comment, rows, is_flat)


def _vectors_for(stages: tuple[RowStage, ...], target: Target) -> Target:
    """Return the target with vectors of the size that suits the stages."""
    if target.vector_bytes <= widest_stream or any(stage.reducer for stage in stages):
        return target
    dtypes = set(stage_dtypes(stages))
    # Conversions between sizes, and truth values, take several instructions per vector; a fill takes none.
    is_plain = len({dtype.itemsize for dtype in dtypes}) == 1 and bool_dtype not in dtypes
    if not is_plain or not any(True for stage in stages for _ in loads(stage.expression)):
        return target
    applied = [part for stage in stages for part in walk(stage.expression) if isinstance(part, Apply)]
    if len(applied) > most_streamed or not all(is_row(part.function, part.arguments[0].dtype) for part in applied):
        return target
    return replace(target, vector_bytes=widest_stream)


def emit_scatter_kernel(group: Group, scatter: Scatter, comment: str, target: Target) -> KernelCode:
    """Return the kernel of a group of one scatter."""
    dtypes = (scatter.result.dtype, *(part.dtype for part in walk(scatter.expression)))
    rows = ScatterEmitter(Emitter(lanes_for(dtypes, target, group.length), Operands()), scatter)
    return kernel_of_rows(group, comment, rows, is_flat=not group.rows and not scatter.is_in_order)


def emit_loop_kernel(group: Group, loop: Loop, comment: str, target: Target) -> KernelCode:
    """Return the kernel of a group of one loop."""
    dtypes = tuple(loop_dtypes(loop))
    # A row of one element is a number. gcc keeps a vector of one integer in an integer's register, and does well; one of
    # one float goes there and back for each operation.
    is_integer = group.length == 1 and all(dtype.kind in "iub" for dtype in dtypes)
    lanes = Lanes(target, 1) if is_integer else lanes_for(dtypes, target, group.length)
    emitter = Emitter(lanes, Operands())
    stored = frozenset(view.buffer for view in loop.writes()) - group.local
    return kernel_of_rows(group, comment, LoopEmitter(emitter, loop, stored), is_flat=not group.rows)


def loop_dtypes(loop: Loop) -> Iterator[np.dtype]:
    """Yield the dtypes that stand in lanes."""
    for one in loop.carried:
        yield one.state.dtype
        yield from (part.dtype for part in walk(one.start))
    for part in loop.body:
        if isinstance(part, Loop):
            yield from loop_dtypes(part)
        else:
            assert isinstance(part, RowStage), "groups hold no definitions"
            yield from stage_dtypes((part,))


class RowsEmitter(Protocol):
    """What emits the statements for one row, or for a range of a row, with the emitter of the kernel's expressions."""

    emitter: Emitter

    def emit(self, row: Row, scope: Scope) -> tuple[c.Statement, ...]:
        """Return the statements for one row."""


def kernel_of_rows(group: Group, comment: str, rows: RowsEmitter, is_flat: bool) -> KernelCode:
    """Return the kernel that computes a group row by row, or in ranges of its only row."""
    num_tasks, loops = _flat_tasks(group, rows) if is_flat else _row_tasks(group, rows)
    emitter = rows.emitter
    unpack = (c.Declare(c.Pointer(c.pointer(c.void), is_const=False), "operands", c.Name("context")),)
    unused = (c.ExpressionStatement(c.Cast(c.void, c.Name("task"))),) if num_tasks == 1 else ()
    operands, local = emitter.operands.listed(), emitter.local
    body = (*unpack, *unused, *emitter.operands.declarations(), *local.declarations(len(operands)), *loops)
    helpers = tuple(emitter.lanes.helpers.values())
    return KernelCode(body, comment, helpers, operands, num_tasks, local.scratch_bytes)


def stage_dtypes(stages: tuple[RowStage, ...]) -> Iterator[np.dtype]:
    """Yield the dtypes that stand in lanes; an index that is the same for all lanes is a scalar."""
    for stage in stages:
        if stage.finds_position:
            yield from () if stage.is_along_row else (position_dtype(stage),)
        else:
            yield stage.result.dtype
        lane_axis = stage.result.ndim - 1
        for part in walk(stage.expression):
            yield part.dtype
            if isinstance(part, Load):
                yield from (gather.index.dtype for gather in part.gathers if gather.index.view.strides[lane_axis])


def _flat_tasks(group: Group, rows: RowsEmitter) -> tuple[int, tuple[c.Statement, ...]]:
    """A single long row: a task is a range of its elements, a multiple of the lanes."""
    work = _work_per_element(group)
    # Reductions across rows read several vectors of a row at once.
    least = 64 if work == 1 else most_wide_vectors * rows.emitter.lanes.lanes
    chunk = max(least, math.ceil(task_elements / work) // least * least)
    num_tasks = max(1, math.ceil(group.length / chunk))
    chunk = math.ceil(group.length / num_tasks / least) * least
    num_tasks = max(1, math.ceil(group.length / chunk))
    scope = Scope(frozenset())
    if num_tasks == 1:
        return 1, rows.emit(Row((), c.literal(0), c.literal(group.length), group.length), scope)
    start = c.Name("task") * chunk
    bounds = (
        c.Declare(c.const(c.int64), "start", start),
        c.Declare(c.const(c.int64), "stop", c.minimum(c.Name("start") + chunk, c.literal(group.length))),
    )
    return num_tasks, (*bounds, *rows.emit(Row((), c.Name("start"), c.Name("stop"), group.length), scope))


def _work_per_element(group: Group) -> int:
    return max(stage.num_turns for stage in group.stages)


def _row_tasks(group: Group, rows: RowsEmitter) -> tuple[int, tuple[c.Statement, ...]]:
    """Many rows: a task is a block of them, counted through all outer axes."""
    count = math.prod(group.rows)
    per_task = max(1, min(count, task_elements // max(1, group.length * _work_per_element(group))))
    num_tasks = math.ceil(count / per_task)
    per_task = math.ceil(count / num_tasks)  # equal shares: 128 rows by 42 are 4 times 32
    start, stop = c.Name("start"), c.Name("stop")
    if num_tasks == 1:
        return 1, _loop_over_rows(group, rows, c.literal(0), c.literal(count))
    bounds = (
        c.Declare(c.const(c.int64), "start", c.Name("task") * per_task),
        c.Declare(c.const(c.int64), "stop", c.minimum(start + per_task, c.literal(count))),
    )
    return num_tasks, (*bounds, *_loop_over_rows(group, rows, start, stop))


def _loop_over_rows(
    group: Group, rows: RowsEmitter, start: c.Expression, stop: c.Expression
) -> tuple[c.Statement, ...]:
    """Return the loop over rows; the index along each outer axis is counted on, which is faster than division."""
    axes, declarations = row_indices(group.rows, start)
    if len(group.rows) == 1:
        axes = (c.Name("row"),)
    scope = Scope(frozenset(range(len(group.rows))))
    statements = rows.emit(Row(axes, c.literal(0), c.literal(group.length), group.length), scope)
    if math.prod(group.rows) == 1:
        row = (c.Declare(c.const(c.int64), "row", c.literal(0)),) if len(group.rows) == 1 else ()
        declared = (*row, *declarations)
        # Loops that are carried round may need no index: an unused variable is a warning.
        used = tuple(each for each in declared if any(mentions(statement, each.name) for statement in statements))
        return (*used, *statements)
    counted = tuple(replace(each, ctype=c.int64) for each in declarations)
    return (*counted, c.loop("row", stop, *statements, *_count_on(axes, group.rows), start=start))


def _count_on(axes: tuple[c.Expression, ...], extents: tuple[int, ...]) -> tuple[c.Statement, ...]:
    """Return the statements that move the indices along all outer axes to the next row."""
    statements: tuple[c.Statement, ...] = ()
    for axis in range(len(axes) if len(axes) > 1 else 0):
        wrap = (c.If(c.equal(axes[axis], extents[axis]), (c.Assign(axes[axis], c.literal(0)), *statements)),)
        statements = (c.AugmentedAssign(axes[axis], "+", c.literal(1)), *(wrap if axis else ()))
    return statements


def row_indices(rows: tuple[int, ...], row: c.Expression) -> tuple[tuple[c.Expression, ...], tuple[c.Declare, ...]]:
    """Return the index along each outer axis of the row counted through all of them, and what declares them."""
    if len(rows) <= 1:
        return tuple(row for _ in rows), ()
    names = tuple(c.Name(f"r{axis}") for axis in range(len(rows)))
    declarations = []
    for axis, name in enumerate(names):
        inner = math.prod(rows[axis + 1 :])
        index = row / inner if axis == 0 else row / inner % rows[axis]
        declarations.append(c.Declare(c.const(c.int64), name.text, index))
    return names, tuple(declarations)
