"""Whether a definition can join a group, and the group it makes.

A definition joins if it has the group's rows, element by element or one value per row, and reads what the group
computes only at its own element. A group without reductions takes the rows of the first reduction that joins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import singledispatch

from mosaic.codegen.row_stages import plan_phases
from mosaic.ir.affine import Extents, Number, most, most_of, moves
from mosaic.ir.expressions import gathered_views, loads, views
from mosaic.ir.kinds import Kind
from mosaic.ir.statements import Definition, Group, RowStage
from mosaic.ir.views import Shape, View, numbers_only
from mosaic.passes.canonical_axes import without_unit_axes
from mosaic.passes.fuse_epilogues import same_elements
from mosaic.passes.uses import reads_own_elements

longest_local_row = 16 * 1024
"""The most elements of a row that are kept on the stack between phases."""


@singledispatch
def join(statement: Kind, definition: Definition) -> Group | None:
    """Return a group with the definition as its last stage, or None if it does not fit; only a group is joined."""
    return None


@join.register
def _(group: Group, definition: Definition) -> Group | None:
    if not group.is_of_rows:
        return None
    compact = without_unit_axes(definition)
    if compact.reducer is not None and not any(stage.is_along_row for stage in group.row_stages):
        reshaped = _with_rows_of(group, compact)
        if reshaped is not None:
            group = reshaped
    stage = as_stage(compact, group.rows, group.length)
    if stage is None or not reads_own_element(stage, group):
        return None
    if not all(can_be_in_place(write, (*group.row_stages, stage)) for write in (*group.row_stages, stage)):
        return None
    if not all(_are_apart(stage, other) for other in group.row_stages):
        return None
    if group.most_length > longest_local_row and (stage.is_along_row or any(s.is_along_row for s in group.row_stages)):
        return None
    return replace(group, stages=(*group.stages, stage))


@singledispatch
def merge(first: Kind, second: Kind) -> Group | None:
    """Return two statements as one group, stage by stage, or None if they are no elementwise groups over the same rows."""
    return None


@merge.register
def _(first: Group, second: Kind) -> Group | None:
    stages = elementwise_stages(second)
    if not stages or not elementwise_stages(first):
        return None
    merged: Group | None = first
    for stage in stages:
        merged = None if merged is None else join(merged, as_definition(stage))
    return merged


@singledispatch
def elementwise_stages(statement: Kind) -> Sequence[RowStage]:
    """Return the stages of a group that only computes elements; none for anything else."""
    return ()


@elementwise_stages.register
def _(group: Group) -> Sequence[RowStage]:
    is_plain = group.is_of_rows and not group.turns
    plain = is_plain and all(
        stage.is_element_wise and not stage.serial and not stage.reducer for stage in group.row_stages
    )
    return group.row_stages if plain else ()


def _are_apart(stage: RowStage, other: RowStage) -> bool:
    """Whether two stages fill different arrays, or parts of one array that have no element in common and that neither reads."""
    buffer = stage.result.buffer
    if buffer is not other.result.buffer:
        return True
    is_read = any(view.buffer is buffer for each in (stage, other) for view in each.reads())
    return not is_read and _are_disjoint(stage.result, other.result)


def _are_disjoint(first: View, second: View) -> bool:
    """Whether two parts of an array have no element in common, if their strides are equal and positive."""
    distance = second.offset - first.offset
    if moves((distance, *first.extents, *second.extents)) or first.strides != second.strides:
        return False
    axes = sorted(zip(first.strides, first.shape, second.shape, strict=True), reverse=True)
    return all(stride > 0 for stride, *_ in axes) and not _meet(most(distance), axes)


def _meet(distance: int, axes: Sequence[tuple[int, int, int]]) -> bool:
    """Whether a distance is a sum of steps along axes: of i - j strides, i and j below the extents."""
    if not axes:
        return distance == 0
    (stride, first, second), *inner = axes
    low = distance - sum(step * (count - 1) for step, count, _ in inner)
    high = distance + sum(step * (count - 1) for step, _, count in inner)
    # Only these steps leave a distance that the inner axes can bridge.
    steps = range(max(-(low // -stride), 1 - second), min(high // stride, first - 1) + 1)
    return any(_meet(distance - step * stride, inner) for step in steps)


def can_be_in_place(write: RowStage, stages: Sequence[RowStage]) -> bool:
    """Whether a write among stages reads the array that it changes before it changes it, and so do the others."""
    if write.base is None:
        return True
    buffer = write.base.buffer
    if any(stage.result.buffer is buffer for stage in stages):
        return False
    phases = plan_phases(stages, frozenset()).phases
    turn = stages.index(write)
    for position, stage in enumerate(stages):
        if stage is write or not any(load.view.buffer is buffer for load in loads(stage.expression)):
            continue
        if position > turn or phases[position] > phases[turn] or not reads_own_elements(write, stage):
            return False
    return reads_own_elements(write, write)


def _with_rows_of(group: Group, reduction: Definition) -> Group | None:
    """Return an elementwise group over the rows that a reduction keeps, of extents that do not move."""
    if moves(reduction.domain):
        return None
    rows, length = reduction.result.shape, math.prod(most_of(reduction.reduced))
    stages = group.row_stages
    if any(stage.serial or not stage.is_element_wise for stage in stages) or moves((*group.rows, group.length)):
        return None
    if math.prod(group.most_rows) * group.most_length != math.prod(rows) * length:
        return None
    reshaped = [as_stage(as_definition(stage), rows, length) for stage in stages]
    if any(stage is None for stage in reshaped):
        return None
    return Group(rows, length, tuple(stage for stage in reshaped if stage is not None))


def over_rows(group: Group, rows: Shape, length: int) -> Group | None:
    """Return a group over so many rows of that length: as it is, or an elementwise group in that shape."""
    if group.most_length == length and math.prod(group.most_rows) == math.prod(rows):
        return group
    found = elementwise_stages(group)
    if not found or math.prod(group.most_rows) * group.most_length != math.prod(rows) * length:
        return None
    shaped = [as_stage(as_definition(stage), rows, length) for stage in found]
    stages = tuple(stage for stage in shaped if stage is not None)
    return replace(group, rows=rows, length=length, stages=stages) if len(stages) == len(shaped) else None


def as_definition(stage: RowStage) -> Definition:
    """Return a stage per element as a definition over rows and length."""
    return Definition(stage.result, stage.expression, stage.origins, stage.serial, stage.reducer, stage.base)


def as_stage(definition: Definition, rows: Extents, length: Number) -> RowStage | None:
    """Return the definition as a stage over these rows, or None if some view does not allow it."""
    if moves((*definition.domain, *rows, length)):
        return _as_moving_stage(definition, rows, length)
    return _as_stage(definition, numbers_only(rows), most(length))


def _as_moving_stage(definition: Definition, rows: Extents, length: Number) -> RowStage | None:
    """Return a stage for extents of which some move with a loop: they must be those of the rows, axis by axis."""
    kept, reduced = definition.result.extents, definition.reduced
    if definition.reducer is not None and (kept, reduced) == (rows, (length,)):
        return _along_row(definition, rows, length)
    if kept == (*rows, length):
        return _stage(definition, reduced)
    if kept == rows and definition.reducer is None:
        shaped = definition.reshaped((*rows, 1), ())
        return None if shaped is None else _stage(shaped, ())
    return None


def _as_stage(definition: Definition, rows: Shape, length: int) -> RowStage | None:
    num_rows, kept, reduced = math.prod(rows), definition.result.size, math.prod(most_of(definition.reduced))
    if definition.reducer is not None and kept == num_rows and reduced == length:
        return _along_row(definition, rows, length)
    if kept == num_rows * length and not (definition.reducer and length == 1):
        shaped = definition.reshaped((*rows, length), definition.reduced)
        return None if shaped is None else _stage(shaped, shaped.reduced)
    if kept == num_rows and definition.reducer is None:
        shaped = definition.reshaped((*rows, 1), ())
        return None if shaped is None else _stage(shaped, ())
    return None


def _stage(shaped: Definition, serial: Extents) -> RowStage:
    return RowStage(shaped.result, shaped.expression, shaped.origins, shaped.reducer, serial, base=shaped.base)


def _along_row(definition: Definition, rows: Extents, length: Number) -> RowStage | None:
    shaped = definition.reshaped(rows, (length,))
    if shaped is None:
        return None
    result = shaped.result.expand_dims((len(rows),))
    return RowStage(result, shaped.expression, shaped.origins, shaped.reducer, is_along_row=True)


def reads_own_element(stage: RowStage, group: Group) -> bool:
    """Whether the stage reads the group's results only at its own element or row."""
    written = {other.result.buffer: other.result for other in group.row_stages}
    if any(view.buffer in written for view in gathered_views(stage.expression)):
        return False
    for view in views(stage.expression):
        stored = written.get(view.buffer)
        if stored is None:
            continue
        if stage.serial or not same_elements(view, _broadcast_row(stored, view)):
            return False
    return True


def _broadcast_row(stored: View, seen: View) -> View:
    """Return a value per row as an element of the row sees it."""
    if stored.extents[-1] == 1 and seen.extents[-1] != 1:
        return replace(stored, extents=seen.extents, strides=(*stored.strides[:-1], 0))
    return stored
