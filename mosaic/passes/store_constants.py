"""Stores constants in the order in which the lanes of a kernel read them.

Before:  y[56, 96] = x[56, 96] * w[56, 96 by 0, 9] + x[56, 96 from 96] * w[56, 96 by 0, 9 from 1]
After:   y[56, 96] = x[56, 96] * p[56, 96 by 0, 1] + x[56, 96 from 96] * p[56, 96 by 0, 1 from 96]
         p[2, 96] = w[2, 96 by 1, 9]                stored when the model is built

So a depthwise convolution loads vectors of its filters. Right operands of products are stored in panels by store_panels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import singledispatch
from itertools import groupby, pairwise

from mosaic.ir.affine import moves
from mosaic.ir.expressions import Expression, Load, loads, rewrite
from mosaic.ir.kinds import Kind
from mosaic.ir.statements import Group, IrProgram, RowStage
from mosaic.ir.views import Buffer, BufferKind, View, numbers_only, row_major_strides
from mosaic.tiling.packing import Packing


def store_constants(program: IrProgram) -> IrProgram:
    """Return the program in which lanes read neighbouring elements of constants.

    Pre:  statements are groups and islands
    """
    store = _Store(len(program.constants))
    statements = tuple(_stored(statement, store) for statement in program.statements)
    return replace(program, statements=statements, constants={**program.constants, **store.packings})


@dataclass(slots=True)
class _Store:
    """The constants that are stored anew, and which of them holds what is seen in a view."""

    first: int
    packings: dict[Buffer, Packing] = field(default_factory=dict)
    known: dict[View, Buffer] = field(default_factory=dict)

    def buffer_of(self, seen: View) -> Buffer:
        """Return a buffer that holds the elements of a view in row-major order."""
        if seen not in self.known:
            number = self.first + len(self.packings)
            stored = Buffer(BufferKind.CONSTANT, number, seen.size, seen.dtype)
            self.packings[stored] = Packing(seen, seen.shape[-1], 0)
            self.known[seen] = stored
        return self.known[seen]


@singledispatch
def _stored(statement: Kind, store: _Store) -> Kind:
    """Return a statement whose lanes read neighbouring elements of constants."""
    return statement


@_stored.register
def _(group: Group, store: _Store) -> Kind:
    lane_axis = len(group.rows)
    views = {
        part.view
        for stage in group.row_stages
        for part in loads(stage.expression)
        if not part.gathers and _is_scattered(part.view, lane_axis)
    }
    if not views:
        return group
    replaced = dict(_replacements(views, lane_axis, store))

    return replace(group, stages=tuple(_reading(stage, replaced) for stage in group.stages))


@singledispatch
def _reading(stage: Kind, replaced: Mapping[View, View]) -> Kind:
    """Return a stage of a group with the views that its lanes read replaced."""
    return stage


@_reading.register
def _(stage: RowStage, replaced: Mapping[View, View]) -> Kind:
    def loaded(part: Expression) -> Expression | None:
        view = replaced.get(part.view) if isinstance(part, Load) and not part.gathers else None
        return None if view is None else Load(view)

    return replace(stage, expression=rewrite(stage.expression, loaded))


def _is_scattered(view: View, lane_axis: int) -> bool:
    """Whether lanes read elements of a constant that lie apart."""
    is_constant = view.buffer.kind is BufferKind.CONSTANT and not view.is_moving and not moves(view.extents)
    return is_constant and view.extents[lane_axis] != 1 and view.strides[lane_axis] not in (0, 1)


def _replacements(views: Iterable[View], lane_axis: int, store: _Store) -> Iterator[tuple[View, View]]:
    """Yield each view with the same elements in memory of their own, which views that lie evenly apart share."""

    def layout(view: View) -> tuple[int, ...]:
        return (view.buffer.number, *view.shape, *view.strides)

    def start(view: View) -> int:
        (offset,) = numbers_only((view.offset,))
        return offset

    for _, together in groupby(sorted(views, key=lambda view: (*layout(view), start(view))), key=layout):
        alike = list(together)
        steps = {start(after) - start(before) for before, after in pairwise(alike)}
        for run in [alike] if len(steps) == 1 else [[view] for view in alike]:
            yield from _stored_run(run, min(steps, default=0), lane_axis, store)


def _stored_run(run: Sequence[View], step: int, lane_axis: int, store: _Store) -> Iterator[tuple[View, View]]:
    """Yield the views of a run with their replacements: elements of all, one view after the other, lanes side by side."""
    first = run[0]
    axes = [axis for axis in range(first.ndim) if first.strides[axis] and axis != lane_axis] + [lane_axis]
    shape = tuple(first.shape[axis] for axis in axes)
    size = math.prod(shape)
    # Windows that overlap would be stored several times.
    if len(run) * size > first.buffer.num_elements:
        return
    seen = View(first.buffer, first.offset, (len(run), *shape), (step, *(first.strides[axis] for axis in axes)))
    buffer = store.buffer_of(seen)
    steps = dict(zip(axes, row_major_strides(shape), strict=True))
    strides = tuple(steps.get(axis, 0) for axis in range(first.ndim))
    for place, view in enumerate(run):
        yield view, View(buffer, place * size, view.extents, strides)
