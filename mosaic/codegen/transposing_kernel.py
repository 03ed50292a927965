"""A copy that exchanges two axes as a C function: square tiles are transposed in registers, so that each cache line is read once.

`mosaic/passes/transpositions.py` says which groups are such copies.
"""

from __future__ import annotations

import math

from mosaic import c
from mosaic.codegen.expressions import Emitter
from mosaic.codegen.operands import Operands, address
from mosaic.codegen.row_kernel import KernelCode, lanes_of, row_indices, schedule_of, task_bounds
from mosaic.ir.expressions import Load
from mosaic.ir.statements import Group
from mosaic.ir.views import numbers_only
from mosaic.targets import Target
from mosaic.vector.transposition import transpose

_from, _to, _first, _row, _lane, _band = (c.Name(name) for name in ("from", "to", "first", "row", "lane", "band"))


def emit_transposing_kernel(group: Group, comment: str, target: Target) -> KernelCode:
    """Return the kernel of a group that copies rows from columns; a task is some bands of rows, `side` each.

    Pre:  the schedule has a side
    """
    (stage,), own = group.row_stages, schedule_of(group)
    assert isinstance(stage.expression, Load)
    emitter, side = Emitter(lanes_of(group, target), Operands()), own.side
    rows, source = numbers_only(group.rows), stage.expression.view
    bands = (*rows[:-1], -(-rows[-1] // side))
    axes, declarations = row_indices(bands, _band)
    places = (*axes[:-1], _first)
    to = address(emitter.operands.pointer(stage.result, is_written=True), stage.result.strides[:-1], places)
    start = address(emitter.operands.pointer(source), source.strides[:-1], places)
    element = emitter.lanes.stored_type(source.dtype).element.ctype
    loop = c.loop(
        "band",
        c.Name("stop"),
        *declarations,
        c.Declare(c.const(c.int64), "first", axes[-1] * side),
        c.Declare(c.pointer(element), "to", to),
        c.Declare(c.const_pointer(element), "from", start),
        *_rows_of_band(group, emitter, side),
        start=c.Name("start"),
    )
    count = c.literal(math.prod(bands))
    unused = (c.ExpressionStatement(c.Cast(c.void, c.Name("task"))),) if own.num_tasks == 1 else ()
    body = (
        c.Declare(c.pointer(c.pointer(c.void)), "operands", c.Name("context")),
        *unused,
        *emitter.operands.declarations(),
        *task_bounds(own, count),
        loop,
    )
    helpers = tuple(emitter.lanes.helpers.values())
    return KernelCode(body, comment, helpers, emitter.operands.listed(), own.num_tasks)


def _rows_of_band(group: Group, emitter: Emitter, side: int) -> tuple[c.Statement, ...]:
    """Return the statements for a band of rows: square tiles, then what is left of the rows, or of the last band."""
    (stage,) = group.row_stages
    assert isinstance(stage.expression, Load)
    length, count = group.most_length, group.most_rows[-1]
    row_step, lane_step = stage.result.strides[-2], stage.expression.view.strides[-1]
    tile = emitter.lanes.use(transpose(emitter.lanes.stored_type(stage.result.dtype)))
    whole = length // side * side
    call = tile(_to + _lane, c.literal(row_step), _from + _lane * lane_step, c.literal(lane_step))
    tiles: tuple[c.Statement, ...] = (c.loop("lane", c.literal(whole), c.ExpressionStatement(call), step=side),)

    def one_by_one(rows: c.Operand, start: int) -> c.Statement:
        element = c.Assign(_to[_row * row_step + _lane], _from[_row + _lane * lane_step])
        return c.loop("row", rows, c.loop("lane", c.literal(length), element, start=start))

    if whole < length:
        tiles = (*tiles, one_by_one(side, whole))
    if count % side == 0:
        return tiles
    return (c.If(_first + side <= count, tiles, (one_by_one(count - _first, 0),)),)
