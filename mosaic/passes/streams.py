"""Streams: kernels of so few operations that they wait for memory, such as a copy, `x + y`, or a comparison.

What they need is decided here: vectors that suit memory, tasks that are long enough, stores that fill whole cache lines.
The pass `schedule` asks; `mosaic/codegen/row_stages.py` emits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mosaic.codegen.elementwise import is_row
from mosaic.codegen.narrowing import vectors_of_store
from mosaic.ir.affine import moves
from mosaic.ir.expressions import Apply, loads, walk
from mosaic.ir.statements import Group, RowStage
from mosaic.ir.views import BufferKind
from mosaic.targets import Target, line_bytes

widest_stream = 32
"""Bytes of a vector: with 64, each access of an array that numpy allocated touches two cache lines, since malloc aligns to
16 bytes. It loses up to 8% (Zen 4), stores that are aligned or not."""

narrowest_stream = 8
"""Bytes of the narrowest vector: shorter accesses cost more than they save (int64 to int8). With 8, int64 to uint16 takes 0.95 of
its time with wide vectors, and less where the result's pages are new (Zen 4)."""

whole_store = 16
"""Bytes of a store that gains nothing by being longer: int64 to int32 takes 1.04 with two vectors a store, to int16 0.97 (Zen 4)."""

most_streamed = 2
"""The most operations of a kernel that waits for memory."""

task_bytes = 192 * 1024
"""The fewest bytes that a task moves: a few microseconds. A task of 16,384 truth values took 0.5, a tenth of it to begin."""


def is_stream(stages: Sequence[RowStage]) -> bool:
    """Whether the stages do so little with each element that memory decides their time."""
    if any(stage.reducer or stage.serial for stage in stages):
        return False
    return sum(map(num_applied, stages)) <= most_streamed and all(map(is_plain, stages))


def num_applied(stage: RowStage) -> int:
    """Return how many functions are applied to each element."""
    return sum(isinstance(part, Apply) for part in walk(stage.expression))


def num_algorithms(stage: RowStage) -> int:
    """Return how many different functions that are algorithms, such as exp, are applied to each element."""
    applied = (part for part in walk(stage.expression) if isinstance(part, Apply))
    return len({one for one in applied if not is_row(one.function, one.arguments[0].dtype)})


def is_plain(stage: RowStage) -> bool:
    """Whether every operand is read in order, and every function is a few operations."""
    applied = [part for part in walk(stage.expression) if isinstance(part, Apply)]
    is_gathered = any(load.gathers for load in loads(stage.expression))
    return not is_gathered and all(is_row(one.function, one.arguments[0].dtype) for one in applied)


def fitting_vectors(stages: Sequence[RowStage], target: Target, joins: bool) -> Target:
    """Return the target with vectors of the size that suits the stages of a stream, whose stores may join vectors."""
    read = [load.dtype.itemsize for stage in stages for load in loads(stage.expression)]
    if not read or target.vector_bytes <= widest_stream:  # a fill needs none but its stores
        return target
    written = [stage.result.dtype.itemsize for stage in stages]
    lanes = widest_stream // max(*read, *written)
    joined = vectors_of_store(stages, lanes, widest_stream, whole_store) if joins else 1
    narrowest = min(*read, min(written) * joined)
    return replace(target, vector_bytes=widest_stream) if lanes * narrowest >= narrowest_stream else target


def fewest_elements(stages: Sequence[RowStage]) -> int:
    """Return the elements of a task that moves `task_bytes`."""
    views = {load.view for stage in stages for load in loads(stage.expression)} | {stage.result for stage in stages}
    return task_bytes // sum(view.dtype.itemsize for view in views)


def turns_of_stream(stages: Sequence[RowStage], lanes: int) -> int:
    """Return the turns of the loop that the compiler writes out: with stores of less than half a line, as many as fill it.

    `lanes` are the elements that a turn stores. Stores of half a line gain nothing.
    """
    num_bytes = lanes * max(stage.result.dtype.itemsize for stage in stages)
    return 1 if 2 * num_bytes >= line_bytes else line_bytes // num_bytes


def fills_lines(stages: Sequence[RowStage]) -> bool:
    """Whether all that is stored lies one element after the other, so that vectors can lie within cache lines."""
    return all(stage.result.strides == (1,) for stage in stages)


def lies_on_vectors(group: Group, vector_bytes: int) -> bool:
    """Whether the rows that a group reads lie in memory of ours, where each begins as a vector does."""
    views = [load.view for stage in group.row_stages for load in loads(stage.expression)]
    along = [view for view in views if view.strides[0] and view.strides[-1] == 1 and view.extents[-1] != 1]
    is_ours = all(view.buffer.kind in (BufferKind.CONSTANT, BufferKind.TEMPORARY) for view in along)
    return is_ours and all(
        not moves((view.offset,)) and view.most_shape[-1] * view.dtype.itemsize % vector_bytes == 0 for view in along
    )


def reads_one_operand_again(group: Group) -> bool:
    """Whether a group reduces each row of a matrix with an operand that is the same for all rows, as `matrix @ vector` does.

    Stages that go on with the number of each row, such as a bias, may follow.
    """
    if not group.is_of_rows or len(group.rows) != 1 or moves((*group.rows, group.length)):
        return False
    stage, *following = group.row_stages
    if not all(each.is_per_row for each in following):
        return False
    if not stage.is_along_row or stage.serial or stage.finds_position or not is_plain(stage):
        return False
    if num_applied(stage) > most_streamed:
        return False
    strides = [load.view.strides for load in loads(stage.expression)]
    return any(row and lane for row, lane in strides) and any(lane and not row for row, lane in strides)
