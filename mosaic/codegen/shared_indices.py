"""Indices that are the same in all rows of a kernel, as in `x[:, columns]`: checked once in a task, not in each row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mosaic import c
from mosaic.codegen.expressions import Emitter, Where
from mosaic.ir.affine import moves, terms_of
from mosaic.ir.expressions import Gather, loads
from mosaic.ir.statements import Group

_index_dtype = np.dtype(np.int64)


def shared_indices(group: Group) -> tuple[Gather, ...]:
    """Return the gathers whose indices differ along the rows' lanes, but not from row to row."""
    if moves((*group.rows, group.length)):
        return ()
    return tuple(dict.fromkeys(_shared(group)))


def _shared(group: Group) -> Iterator[Gather]:
    computed = {stage.result.buffer for stage in group.row_stages}
    lane_axis = len(group.rows)
    for stage in group.row_stages:
        if stage.serial:
            continue
        for gather in (gather for load in loads(stage.expression) for gather in load.gathers):
            view = gather.index.view
            *of_rows, of_lanes = view.strides[: lane_axis + 1]
            is_given = view.buffer not in computed and not gather.index.gathers and not terms_of(view.offset)
            if is_given and of_lanes and not any(of_rows):
                yield gather


def check_shared_indices(group: Group, emitter: Emitter) -> tuple[c.Statement, ...]:
    """Return the statements that check these indices and keep them in local arrays, which the emitter then reads."""
    lane_axis, lane = len(group.rows), c.Name("lane")
    where = Where((*(c.literal(0) for _ in group.rows), lane), lane_axis)
    statements: list[c.Statement] = []
    for gather in shared_indices(group):
        checked = emitter.checked_index(gather, where, c.literal(0))
        name = emitter.fresh("indices")
        statements.append(emitter.local.declare(name, _index_dtype, group.most_length))
        statements.append(c.loop("lane", group.most_length, c.Assign(c.Name(name)[lane], checked)))
        emitter.checked[gather] = c.Name(name)
    return tuple(statements)
