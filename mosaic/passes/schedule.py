"""Decides how each group runs: how many tasks, which vectors, how many at once. All such numbers stand here and in `streams`.

Before:  for rows [1000] of 1000:
             y[1000, 1] = add over row of x[1000, 1000]
After:   for rows [1000] of 1000 in 63 tasks of 16 by 8 lanes, 4 in turn:
             y[1000, 1] = add over row of x[1000, 1000]

Nothing here depends on the number of threads, so results do not either. A kind of statement from outside runs as elementwise
rows do, unless it registers for `schedule_of` or `lane_dtypes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np

from mosaic.codegen.bfloat16_kernel import bfloat16_spec
from mosaic.codegen.first_true import position_dtype
from mosaic.codegen.matmul_kernel import matmul_spec, num_pairs_axes
from mosaic.codegen.narrowing import vectors_of_store
from mosaic.codegen.row_stages import plan_phases
from mosaic.codegen.shared_indices import shared_indices
from mosaic.ir.affine import most, moves
from mosaic.ir.calls import CallOfUser
from mosaic.ir.expressions import Load, size, walk
from mosaic.ir.filter_sums import FilterSums, GroupSums
from mosaic.ir.indirect import IndirectProduct
from mosaic.ir.kinds import Kind
from mosaic.ir.loops import Loop
from mosaic.ir.schedule import PhaseSchedule, Schedule
from mosaic.ir.statements import Bfloat16Matmul, Group, IrProgram, Matmul, RowStage, Scatter
from mosaic.ir.winograd import WinogradFilters, WinogradProduct
from mosaic.matmul.bfloat16_product import choose_bfloat16_blocking
from mosaic.matmul.bfloat16_product import num_tasks as num_bfloat16_tasks
from mosaic.matmul.blocking import Blocking, fitting_target, num_tasks, task_products
from mosaic.matmul.filter_blocking import choose_filter_blocks
from mosaic.matmul.indirect_blocking import indirect_blocking
from mosaic.passes.streams import (
    fewest_elements,
    fills_lines,
    fitting_vectors,
    is_stream,
    lies_on_vectors,
    num_algorithms,
    reads_one_operand_again,
    turns_of_stream,
    whole_store,
    widest_stream,
)
from mosaic.passes.transpositions import side_of_squares
from mosaic.targets import Target, line_bytes
from mosaic.winograd.blocks import choose_blocks

ChooseBlocking = Callable[[Matmul, Target], Blocking]

task_elements = 16 * 1024
"""The fewest elements of a task: several microseconds of work against about one to hand a task over."""

most_doubled_tasks = 8
"""Up to so many tasks their number becomes a power of two: of three tasks one thread of two runs two."""

block_elements = 4096
"""A sum over a long row is added up in blocks: rounding errors grow with a block's length, not with the row's."""

accumulators_in_turn = 4
most_records_in_turns = 8
"""Longer expressions get no copies: they keep the processor busy alone, and copies would slow the compiler."""

rows_at_once, turns_of_rows_at_once = 4, 2
"""A matrix of 1,000 x 1,000 times a vector: 0.8 of the time of one row after the other, whose loads of the vector are half of
all; with two rows 0.87. Of 3,072 x 768 with a bias 0.72 (Sapphire Rapids). Eight accumulators leave room for the vectors of the operand."""

most_vectors_of_sums = 4
"""Vectors of channels of a task that adds up narrow groups' gradients: what it reads of a position lies side by side."""

most_wide_vectors = 8
most_wide_records = 12
"""The most records of a loop's body that is copied for several vectors."""

unrolled_turns, most_unrolled_records = 4, 8
"""A turn of one addition costs as much as its loop does: a scan of int64 by turns of four takes 0.85 of the time."""

fewest_rows_for_checks = 4
"""Rows of a task from which on it pays to check the indices that all rows share before them: `x[:, columns]`."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The inputs of scheduling besides the groups."""

    target: Target
    choose_blocking: ChooseBlocking


def schedule(program: IrProgram, machine: Machine) -> IrProgram:
    """Return the program with a schedule for each group.

    Pre:  statements are groups and islands
    """
    return program.with_groups(lambda group: (replace(group, schedule=schedule_of(group.stages[0], group, machine)),))


@singledispatch
def schedule_of(first: Kind, group: Group, machine: Machine) -> Schedule:
    """Return how a group runs, by the kind of its first stage."""
    dtypes = [dtype for stage in group.stages for dtype in lane_dtypes(stage)]
    return _of_rows(group, machine.target, num_lanes(dtypes, machine.target, group.most_length), not group.rows)


@schedule_of.register
def _(first: RowStage, group: Group, machine: Machine) -> Schedule:
    stages = group.row_stages
    if side := side_of_squares(group, machine.target):
        return _of_squares(group, side)
    if group.most_length < 2 * block_elements and reads_one_operand_again(group):
        return _of_rows_at_once(group, machine.target)
    is_streamed, is_flat = is_stream(stages), not group.rows and not any(stage.is_along_row for stage in stages)
    joins = is_flat and _lies_on_lines(group)
    target = fitting_vectors(stages, machine.target, joins) if is_streamed else machine.target
    lanes = num_lanes(_dtypes_of(stages), target, group.most_length)
    rows = _of_stream(group, target, lanes) if is_streamed and is_flat else _of_rows(group, target, lanes, is_flat)
    for stage in stages:
        if stage.is_across_rows:
            tasks = most(stage.result.extents[0])
            rows = replace(rows, num_tasks=tasks, per_task=math.ceil(math.prod(group.most_rows) / tasks))
    checks_first = not rows.is_flat and rows.per_task >= fewest_rows_for_checks and bool(shared_indices(group))
    return replace(rows, phases=_phases(stages, group.most_length, lanes), checks_first=checks_first)


@schedule_of.register
def _(first: Scatter, group: Group, machine: Machine) -> Schedule:
    dtypes = (first.result.dtype, *(part.dtype for part in walk(first.expression)))
    lanes = num_lanes(dtypes, machine.target, group.most_length)
    return _of_rows(group, machine.target, lanes, not group.rows and not first.is_in_order)


@schedule_of.register
def _(first: Loop, group: Group, machine: Machine) -> Schedule:
    dtypes, records = tuple(lane_dtypes(first)), first.num_records
    # A row of one element is a number. gcc keeps a vector of one integer in an integer's register, and does well; one of
    # one float goes there and back for each operation.
    is_integer = group.most_length == 1 and all(dtype.kind in "iub" for dtype in dtypes)
    lanes = 1 if is_integer else num_lanes(dtypes, machine.target, group.most_length)
    wide = _wide_vectors(group.most_length, lanes) if records <= most_wide_records else 1
    unrolled = unrolled_turns if records <= most_unrolled_records else 1
    rows = _of_rows(group, machine.target, lanes, not group.rows)
    return replace(rows, phases=(PhaseSchedule(wide=wide),), unrolled=unrolled)


@schedule_of.register
def _(first: Matmul, group: Group, machine: Machine) -> Schedule:
    if len(group.stages) > 1:
        return _of_blocks(group, machine)
    target = fitting_target(matmul_spec(first), machine.target)
    blocking, lanes = machine.choose_blocking(first, target), target.lanes(first.left.dtype.itemsize)
    count, per_task = _tasks_of_batch(first, num_tasks(matmul_spec(first), blocking))
    return Schedule(target.vector_bytes, lanes, count, per_task, blockings=(blocking,))


@schedule_of.register
def _(first: Bfloat16Matmul, group: Group, machine: Machine) -> Schedule:
    target, spec = machine.target, bfloat16_spec(first)
    blocking = choose_bfloat16_blocking(spec, target)
    return Schedule(target.vector_bytes, target.lanes(4), num_bfloat16_tasks(spec, blocking), blockings=(blocking,))


@schedule_of.register
def _(first: WinogradProduct, group: Group, machine: Machine) -> Schedule:
    target, spec = machine.target, first.spec
    blocks, lanes = choose_blocks(spec, target), target.lanes(spec.dtype.itemsize)
    return Schedule(
        target.vector_bytes,
        lanes,
        blocks.num_tasks(spec),
        blocks.tiles,
        blockings=(blocks.product,),
        panels=blocks.panels,
    )


@schedule_of.register
def _(first: IndirectProduct, group: Group, machine: Machine) -> Schedule:
    target, spec = machine.target, first.spec
    blocking = indirect_blocking(spec, target)
    count = num_tasks(spec, blocking) * first.num_groups
    return Schedule(target.vector_bytes, target.lanes(spec.dtype.itemsize), count, blockings=(blocking,))


@schedule_of.register
def _(first: FilterSums, group: Group, machine: Machine) -> Schedule:
    target, spec = machine.target, first.spec
    count = choose_filter_blocks(spec, target).num_tasks(spec)
    return Schedule(target.vector_bytes, target.lanes(spec.dtype.itemsize), count)


@schedule_of.register
def _(first: GroupSums, group: Group, machine: Machine) -> Schedule:
    lanes = machine.target.lanes(first.image.dtype.itemsize)
    vectors = math.ceil(first.num_channels / lanes)
    per_task = min(most_vectors_of_sums, math.ceil(vectors / 2))
    return Schedule(machine.target.vector_bytes, lanes, math.ceil(vectors / per_task), per_task)


@schedule_of.register
def _(first: WinogradFilters, group: Group, machine: Machine) -> Schedule:
    groups, _, panels = first.result.shape[:3]
    return Schedule(machine.target.vector_bytes, machine.target.lanes(first.result.dtype.itemsize), groups * panels)


@schedule_of.register
def _(first: CallOfUser, group: Group, machine: Machine) -> Schedule:
    return Schedule(machine.target.vector_bytes, 1, first.num_parts)


def _tasks_of_batch(matmul: Matmul, num_each: int) -> tuple[int, int]:
    """Return the number of tasks, and how many pairs of matrices share one."""
    count = num_pairs_axes(matmul)
    batch = math.prod(matmul.batch[:count])
    per_task = min(batch, task_products // math.prod((*matmul.batch[count:], *matmul.sizes)))
    if batch == 1 or per_task < 2:
        return num_each * batch, 1
    count = math.ceil(batch / per_task)
    return count, math.ceil(batch / count)


def _of_blocks(group: Group, machine: Machine) -> Schedule:
    """Return the schedule of attention: a task is a block of rows whose local arrays take at most a quarter of L2."""
    target, stages = machine.target, group.row_stages
    fitting = min(target.caches.l2, 1 << 20) // 4 // (group.most_length * 8)
    rows = min(group.most_rows[-1], max(8, fitting // 8 * 8))
    blockings = tuple(replace(machine.choose_blocking(each, target), row_block=rows) for each in group.products)
    lanes = num_lanes(_dtypes_of(stages), target, group.most_length)
    count = math.prod(group.most_rows[:-1]) * math.ceil(group.most_rows[-1] / rows)
    phases = _phases(stages, group.most_length, lanes)
    return Schedule(target.vector_bytes, lanes, count, phases=phases, block_rows=rows, blockings=blockings)


def _of_rows(group: Group, target: Target, lanes: int, is_flat: bool) -> Schedule:
    """Return the tasks: ranges of the only row, or blocks of rows counted through all outer axes, of equal size."""
    turns = max(1, *(stage.num_turns for stage in group.stages))  # a sum may be of no element in any turn
    work = turns + _num_algorithms(group)
    if is_flat:
        # Reductions across rows read several vectors of a row at once.
        least = line_bytes if turns == 1 else most_wide_vectors * lanes
        return _of_ranges(group, target, lanes, max(least, math.ceil(task_elements / work) // least * least), least)
    count = math.prod(group.most_rows)
    per_task = max(1, min(count, task_elements // max(1, group.most_length * work)))
    tasks = min(count, _even(math.ceil(count / per_task)))
    per_task = math.ceil(count / tasks)  # 128 rows by 42 are 4 times 32
    return Schedule(target.vector_bytes, lanes, math.ceil(count / per_task), per_task)


def _num_algorithms(group: Group) -> int:
    """Return how many algorithms, such as exp, are run for an element: each takes about as long as all else."""
    if not group.is_of_rows:
        return 0
    return sum(stage.num_turns * num_algorithms(stage) for stage in group.row_stages if not stage.is_per_row)


def _even(num_tasks: int) -> int:
    """Return at least as many tasks, of which two threads get equal parts, and four if there are few."""
    return 1 << (num_tasks - 1).bit_length() if num_tasks <= most_doubled_tasks else num_tasks + num_tasks % 2


def _of_squares(group: Group, side: int) -> Schedule:
    """Return the schedule of a copy that exchanges two axes: a task is some bands of rows."""
    *outer, rows = group.most_rows
    count = math.prod(outer) * math.ceil(rows / side)
    per_task = max(1, task_elements // (side * group.most_length))
    tasks = math.ceil(count / per_task)
    num_bytes = side * group.row_stages[0].result.dtype.itemsize
    return Schedule(num_bytes, side, tasks, math.ceil(count / tasks), side=side)


def _of_rows_at_once(group: Group, target: Target) -> Schedule:
    """Return the schedule of a matrix times a vector and the like."""
    widest = target.vector_bytes if lies_on_vectors(group, target.vector_bytes) else widest_stream
    narrow = replace(target, vector_bytes=min(target.vector_bytes, widest))
    rows = _of_rows(group, narrow, num_lanes(_dtypes_of(group.row_stages), narrow, group.most_length), False)
    per_task = math.ceil(rows.per_task / rows_at_once) * rows_at_once
    num_tasks = math.ceil(math.prod(group.most_rows) / per_task)
    after = (PhaseSchedule(),) * (plan_phases(group.row_stages, frozenset()).num_phases - 1)
    phases = (PhaseSchedule(turns=turns_of_rows_at_once), *after)
    return replace(rows, num_tasks=num_tasks, per_task=per_task, phases=phases, rows_at_once=rows_at_once)


def _of_ranges(group: Group, target: Target, lanes: int, most: int, least: int) -> Schedule:
    """Return tasks that are ranges of at most so many elements, multiples of `least`; the last has what is left."""
    per_task = math.ceil(group.most_length / _even(max(1, math.ceil(group.most_length / most))) / least) * least
    return Schedule(target.vector_bytes, lanes, max(1, math.ceil(group.most_length / per_task)), per_task, True)


def _lies_on_lines(group: Group) -> bool:
    """Whether the vectors of a stream along one row can lie where cache lines of the result begin."""
    return not moves((group.length,)) and group.most_length >= task_elements and fills_lines(group.row_stages)


def _of_stream(group: Group, target: Target, lanes: int) -> Schedule:
    """Return the tasks of a stream along one row: on lines of the cache, where the last takes the rest and none is short."""
    stages = group.row_stages
    fewest = max(task_elements, fewest_elements(stages))
    if not _lies_on_lines(group):
        return _of_ranges(group, target, lanes, fewest, line_bytes)
    per_task = group.most_length // max(1, group.most_length // fewest) // line_bytes * line_bytes
    joined = vectors_of_store(stages, lanes, target.vector_bytes, whole_store)
    num_tasks, unrolled = group.most_length // per_task, turns_of_stream(stages, lanes * joined)
    schedule = Schedule(target.vector_bytes, lanes, num_tasks, per_task, True, on_lines=True)
    return replace(schedule, unrolled=unrolled, joined=joined)


def _phases(stages: Sequence[RowStage], length: int, lanes: int) -> tuple[PhaseSchedule, ...]:
    plan = plan_phases(stages, frozenset())
    return tuple(_phase(plan.loop_stages(number), length, lanes) for number in range(plan.num_phases))


def _phase(stages: Sequence[RowStage], length: int, lanes: int) -> PhaseSchedule:
    records = sum(size(stage.expression) for stage in stages)
    if any(stage.is_along_row for stage in stages):
        if length >= 2 * block_elements:
            return PhaseSchedule(block_elements, accumulators_in_turn)
        is_worth = length >= 2 * accumulators_in_turn * lanes and records <= most_records_in_turns
        return PhaseSchedule(turns=accumulators_in_turn if is_worth else 1)
    if len(stages) == 1 and stages[0].serial and records <= most_records_in_turns:
        return PhaseSchedule(wide=_wide_vectors(length, lanes))
    return PhaseSchedule()


def _wide_vectors(length: int, lanes: int) -> int:
    """Return how many vectors of a row go through inner loops together: a power of two."""
    return 1 << (min(most_wide_vectors, length // lanes).bit_length() - 1) if length >= lanes else 1


def num_lanes(dtypes: Iterable[np.dtype], target: Target, length: int) -> int:
    """Return as many lanes as the widest of the dtypes allows; short rows of small elements leave no vector half empty."""
    widest = max(dtype.itemsize for dtype in dtypes)
    fewest = target.vector_bytes // max(4, widest)
    needed = max(fewest, 1 << (length - 1).bit_length())
    return min(target.vector_bytes // widest, needed)


def _dtypes_of(stages: Iterable[Kind]) -> list[np.dtype]:
    return [dtype for stage in stages for dtype in lane_dtypes(stage)]


@singledispatch
def lane_dtypes(stage: Kind) -> Iterator[np.dtype]:
    """Yield the dtypes of values held in vectors."""
    for view in (*stage.reads(), *stage.writes()):
        yield view.dtype


@lane_dtypes.register
def _(stage: RowStage) -> Iterator[np.dtype]:
    """Yield the dtypes of result and expression; an index that is the same for all lanes is a scalar and has none."""
    if stage.finds_position:
        yield from () if stage.is_along_row else (position_dtype(stage),)
    else:
        yield stage.result.dtype
    lane_axis = stage.result.ndim - 1
    for part in walk(stage.expression):
        yield part.dtype
        if isinstance(part, Load):
            yield from (gather.index.dtype for gather in part.gathers if gather.index.view.strides[lane_axis])


@lane_dtypes.register
def _(stage: Loop) -> Iterator[np.dtype]:
    for one in stage.carried:
        yield one.state.dtype
        yield from (part.dtype for part in walk(one.start))
    for part in stage.body:
        yield from lane_dtypes(part)
