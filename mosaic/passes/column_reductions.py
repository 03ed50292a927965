"""Reductions of rows to one as parts of a kernel over these rows: what they are, and the kernel that takes one.

Which kernel takes which reduction is decided in `join_column_reductions`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch

from mosaic.ir.affine import moves
from mosaic.ir.expressions import Load, loads, map_views
from mosaic.ir.kinds import Kind
from mosaic.ir.loops import Turns
from mosaic.ir.statements import Definition, Group, RowStage
from mosaic.ir.views import Buffer, Shape, View, numbers_only
from mosaic.lowering.registry import Memory
from mosaic.passes.fuse_rows import c_records, most_records
from mosaic.passes.join_groups import as_definition, longest_local_row, over_rows, reads_own_element
from mosaic.passes.schedule import lane_dtypes, task_elements

fewest_rows = 16
"""Rows of a part: each part is a row more to fill, to store and to add."""

shortest_reshaped_row = 64
"""Elements of a row from which on an elementwise kernel runs over rows instead: shorter ones leave too many lanes empty."""

most_parts, fewest_parts = 64, 8
"""Parts of the rows: more than `most_parts` make no task easier to share; rather than fewer than `fewest_parts`, where the rows
are long enough for more tasks, the reduction stays by itself."""


@dataclass(frozen=True, slots=True)
class Columns:
    """A reduction of rows to one, ``result[length] = reducer over rows of expression[length, rows...]``.

    stage:  the same as a stage of its group
    turns:  the loops around that
    shared: the buffers that it reads along the rows and along the lanes
    """

    stage: RowStage
    definition: Definition
    turns: tuple[Turns, ...]
    shared: frozenset[Buffer]

    @property
    def rows(self) -> Shape:
        """The extents of the axes that it reduces."""
        return numbers_only(self.definition.reduced)

    @property
    def read(self) -> frozenset[Buffer]:
        """All buffers that it reads."""
        return frozenset(view.buffer for view in self.stage.reads())


@singledispatch
def columns_of(statement: Kind) -> Iterator[Columns]:
    """Yield the reductions of rows that a statement computes from what others have computed."""
    yield from ()


@columns_of.register
def _(group: Group) -> Iterator[Columns]:
    if group.rows or not group.is_of_rows or moves((group.length,)) or any(group.bases()):
        return
    computed = {stage.result.buffer for stage in group.row_stages}
    for stage in group.row_stages:
        read = list(loads(stage.expression))
        is_plain = stage.reducer is not None and not stage.finds_position and bool(stage.serial)
        if not is_plain or stage.is_along_row or moves(stage.serial) or any(load.gathers for load in read):
            continue
        if not any(load.view.buffer in computed for load in read):
            views = [load.view for load in read]
            shared = frozenset(view.buffer for view in views if view.strides[0] and any(view.strides[1:]))
            yield Columns(stage, as_definition(stage), group.turns, shared)


def num_parts(rows: int, length: int) -> int:
    """Return in how many parts rows are reduced, 0 if they should not be reduced in parts."""
    tasks, most = math.ceil(rows * length / task_elements), min(most_parts, rows // fewest_rows)
    if most < min(tasks, fewest_parts) or length > longest_local_row:
        return 0
    return math.ceil(rows / math.ceil(rows / max(1, min(tasks, most))))


@dataclass(frozen=True, slots=True)
class Joined:
    """A kernel with a reduction, the stage that was that reduction, and the one over the parts; None if there is one part."""

    host: Group
    before: RowStage
    after: RowStage | None


@singledispatch
def left(owner: Kind, joined: Joined) -> Kind | None:
    """Return what is left of the group of a reduction that has joined a kernel, if anything is."""
    raise TypeError(f"left: {type(owner).__name__} has no stages")


@left.register
def _(owner: Group, joined: Joined) -> Kind | None:
    if joined.after is not None:
        stages = tuple(joined.after if stage is joined.before else stage for stage in owner.stages)
        return replace(owner, stages=stages)
    stages = tuple(stage for stage in owner.stages if stage is not joined.before)
    return replace(owner, stages=stages, local=owner.local - {joined.before.result.buffer}) if stages else None


@singledispatch
def joined(statement: Kind, columns: Columns, memory: Memory) -> Joined | None:
    """Return a kernel that also reduces its rows; None if it cannot."""
    return None


@joined.register
def _(group: Group, columns: Columns, memory: Memory) -> Joined | None:
    definition, (length,) = columns.definition, columns.definition.result.shape
    parts = num_parts(math.prod(columns.rows), length)
    host = _over_rows(group, columns) if parts and _can_be_host(group, columns) else None
    shaped = None if host is None else definition.reshaped((length,), host.rows)
    if host is None or shaped is None:
        return None
    axes = (*range(1, 1 + len(host.rows)), 0)
    expression = map_views(shaped.expression, lambda view: view.transpose(axes))
    stage = RowStage(
        definition.result.expand_dims((0,)), expression, definition.origins, definition.reducer, is_across_rows=True
    )
    is_too_wide = _widest((stage,)) > _widest(host.row_stages)  # all vectors would have fewer lanes
    if is_too_wide or not reads_own_element(stage, host) or not all(map(_is_dense, (*host.row_stages, stage))):
        return None
    after = None
    if parts > 1:
        partial = memory.temporary((parts, length), definition.result.dtype)
        stage = replace(stage, result=partial)
        after = replace(columns.stage, expression=Load(partial.transpose((1, 0))), serial=(parts,))
    read = {view.buffer for view in stage.reads()}
    first = max((turn for turn, other in enumerate(host.row_stages, 1) if other.result.buffer in read), default=0)
    stages = (*host.stages[:first], stage, *host.stages[first:])
    return Joined(replace(host, stages=stages), columns.stage, after)


def _can_be_host(group: Group, columns: Columns) -> bool:
    """Whether a group may take a reduction: it has rows that do not move, and its C does not get too large."""
    if not group.is_of_rows or group.turns != columns.turns or moves((*group.rows, group.length)) or any(group.bases()):
        return False
    return c_records(group) + c_records(columns.definition) <= most_records


def _over_rows(group: Group, columns: Columns) -> Group | None:
    (length,) = columns.definition.result.shape
    host = over_rows(group, columns.rows, length)
    return host if host is group or length >= shortest_reshaped_row else None


def _widest(stages: Iterable[RowStage]) -> int:
    return max(dtype.itemsize for stage in stages for dtype in lane_dtypes(stage))


def _is_dense(stage: RowStage) -> bool:
    """Whether lanes read and write neighbouring elements, or all the same."""
    views: Sequence[View] = (*stage.reads(), *stage.writes())
    axis = stage.result.ndim - 1 if not stage.is_across_rows else -1
    return not stage.serial and all(view.strides[axis] in (0, 1) for view in views)
