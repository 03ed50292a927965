"""Fuses attention into one kernel: a product, stages along its rows, and a product of these rows.

Before:  s = q @ k; p = softmax(s); y = p @ v
After:   for each block of rows: s = q @ k; p = softmax(s); y = p @ v        s and p as large as the block

The rows of s and p never reach memory. It pays where a batch has many products and a block of rows fits into the cache.
"""

from __future__ import annotations

import math
from dataclasses import replace

from mosaic.ir.statements import Group, IrProgram, Island, Matmul, RowStage, read_views, written_views
from mosaic.ir.views import Buffer
from mosaic.passes.fuse_epilogues import same_elements
from mosaic.passes.join_groups import as_definition, as_stage, row_stages

longest_row = 4096
"""Elements of a row of scores: a block of a few rows must fit on the stack and into L2."""


def fuse_attention(program: IrProgram) -> IrProgram:
    """Return the program with each chain of product, rows and product as one group at the place of its last part.

    Pre:  statements are groups and islands
    """
    groups: list[Group | Island | None] = [
        statement for statement in program.statements if isinstance(statement, Group | Island)
    ]
    touching = _touching(groups)
    delivered = frozenset(program.delivered)
    for position, group in enumerate(groups):
        places = _chain(position, groups, touching, delivered)
        if places is None:
            continue
        first, middle, last = (groups[place] for place in places)
        assert isinstance(first, Group), group
        assert isinstance(middle, Group)
        assert isinstance(last, Group)
        joined = _joined(first, middle, last)
        if joined is not None:
            groups[places[0]], groups[places[1]], groups[places[2]] = None, None, joined
    return replace(program, statements=tuple(group for group in groups if group is not None))


def _touching(groups: list[Group | Island | None]) -> dict[Buffer, list[int]]:
    """Return which groups read or write each buffer."""
    found: dict[Buffer, list[int]] = {}
    for position, group in enumerate(groups):
        if group is not None:
            for buffer in {view.buffer for view in (*read_views(group), *written_views(group))}:
                found.setdefault(buffer, []).append(position)
    return found


def _chain(
    position: int, groups: list[Group | Island | None], touching: dict[Buffer, list[int]], delivered: frozenset[Buffer]
) -> tuple[int, int, int] | None:
    """Return the positions of a product, its only user, and the only user of that, if their kinds fit."""
    product = _only_product(groups[position])
    middle = _only_user(product, position, touching, delivered) if product is not None else None
    rows = None if middle is None else groups[middle]
    if middle is None or not isinstance(rows, Group) or rows.turns:
        return None
    if not all(isinstance(stage, RowStage) for stage in rows.stages):
        return None
    stages = row_stages(rows)
    last = _only_user(stages[-1], middle, touching, delivered)
    if last is None or _only_product(groups[last]) is None:
        return None
    outside = [stage for stage in stages[:-1] if stage.result.buffer not in rows.local]
    return None if outside else (position, middle, last)


def _only_product(group: Group | Island | None) -> Matmul | None:
    if isinstance(group, Group) and not group.turns and len(group.stages) == 1 and isinstance(group.stages[0], Matmul):
        return group.stages[0]
    return None


def _only_user(
    stage: RowStage | Matmul, position: int, touching: dict[Buffer, list[int]], delivered: frozenset[Buffer]
) -> int | None:
    """Return the only other group that touches the result of a stage."""
    others = [place for place in touching[stage.result.buffer] if place != position]
    return others[0] if len(others) == 1 and others[0] > position and stage.result.buffer not in delivered else None


def _joined(first: Group, middle: Group, last: Group) -> Group | None:
    """Return the three as one group over the batch and rows of the products, or None if their shapes differ."""
    before, after = first.stages[0], last.stages[0]
    assert isinstance(before, Matmul)
    assert isinstance(after, Matmul)
    rows, length = before.result.shape[:-1], before.result.shape[-1]
    if not before.batch or after.left.shape != (*rows, length) or length > longest_row:
        return None
    if middle.length != length or math.prod(middle.rows) != math.prod(rows):
        return None
    if not before.result.covers_buffer or before.result.dtype != before.left.dtype:
        return None
    stages = [_over(stage, rows, length) for stage in middle.stages if isinstance(stage, RowStage)]
    known = [stage for stage in stages if stage is not None]
    if len(known) != len(stages) or not known or not same_elements(after.left, known[-1].result):
        return None
    if not all(_reads_rows_of(stage, before) for stage in known):
        return None
    if known[-1].result.dtype != after.left.dtype or any(stage.serial for stage in known):
        return None
    local = middle.local | {before.result.buffer, known[-1].result.buffer}
    if sum(view.buffer in local for view in after.reads()) != 1:
        return None  # the second product reads the rows in other ways too: a residual connection, p @ p.T
    return Group(rows, length, (before, *known, after), local)


def _over(stage: RowStage, rows: tuple[int, ...], length: int) -> RowStage | None:
    """Return a stage over rows that are split into more axes."""
    if stage.is_along_row:
        definition = as_definition(replace(stage, result=stage.result.drop_axes((stage.result.ndim - 1,))))
        return as_stage(replace(definition, reduced=(length,)), rows, length) if not stage.serial else None
    return as_stage(as_definition(stage), rows, length)


def _reads_rows_of(stage: RowStage, before: Matmul) -> bool:
    """Whether the stage reads the first product only at its own element."""
    return all(same_elements(view, before.result) for view in stage.reads() if view.buffer is before.result.buffer)
