"""Fuses attention into one kernel: a product, stages along its rows, and a product of these rows.

Before:  s = q @ k; p = softmax(s); y = p @ v
After:   for each block of rows: s = q @ k; p = softmax(s); y = p @ v        s and p as large as the block

The rows of s and p never reach memory. It pays where a batch has many products and a block of rows fits into the cache.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch

from mosaic.algorithms.attention import longest_row
from mosaic.ir.kinds import Kind
from mosaic.ir.statements import (
    Group,
    IrProgram,
    Matmul,
    RowStage,
    Statement,
    read_views,
    written_views,
)
from mosaic.ir.views import Buffer
from mosaic.passes.fuse_epilogues import same_elements
from mosaic.passes.join_groups import as_definition, as_stage


def fuse_attention(program: IrProgram, unfused: Collection[int] = ()) -> IrProgram:
    """Return the program with each chain of product, rows and product as one group at the place of its last part.

    unfused: the instructions of second products that stay by themselves

    Pre:  statements are groups and islands
    """
    touching, delivered = _touching(program.statements), frozenset(program.delivered)
    replaced: dict[Statement, tuple[Group, ...]] = {}
    for statement in program.statements:
        chain = _chain(statement, touching, delivered)
        is_left = chain is None or not replaced.keys().isdisjoint(chain.statements) or chain.after.origins[0] in unfused
        joined = None if chain is None or is_left else _joined(chain)
        if chain is not None and joined is not None:
            replaced.update({chain.statements[0]: (), chain.statements[1]: (), chain.statements[2]: (joined,)})
    return program.with_groups(lambda group: replaced.get(group, (group,)))


@dataclass(frozen=True, slots=True)
class _Chain:
    """A product, the rows that alone read its result, and the product that alone reads theirs; the statements they are."""

    before: Matmul
    rows: Group
    after: Matmul
    statements: tuple[Statement, Statement, Statement]


def _touching(statements: Sequence[Statement]) -> dict[Buffer, list[Statement]]:
    """Return which statements read or write each buffer, in order."""
    found: dict[Buffer, list[Statement]] = {}
    for statement in statements:
        for buffer in {view.buffer for view in (*read_views(statement), *written_views(statement))}:
            found.setdefault(buffer, []).append(statement)
    return found


def _chain(first: Statement, touching: dict[Buffer, list[Statement]], delivered: frozenset[Buffer]) -> _Chain | None:
    """Return the chain that begins with a statement, if the kinds of its users fit."""

    def only_user(buffer: Buffer, writer: Statement) -> Statement | None:
        """Return the only other statement that touches a buffer, if it comes later."""
        others = touching[buffer]
        return others[1] if len(others) == 2 and others[0] is writer and buffer not in delivered else None

    before = _only_product(first)
    middle = None if before is None else only_user(before.result.buffer, first)
    rows = None if middle is None else _only_rows(middle)
    if before is None or middle is None or rows is None:
        return None
    *inner, outer = (stage.result.buffer for stage in rows.row_stages)
    last = only_user(outer, middle)
    after = None if last is None else _only_product(last)
    if last is None or after is None or not rows.local.issuperset(inner):
        return None
    return _Chain(before, rows, after, (first, middle, last))


@singledispatch
def _only_product(statement: Kind) -> Matmul | None:
    """Return the product that a statement is, outside of loops."""
    return None


@_only_product.register
def _(statement: Group) -> Matmul | None:
    is_only = len(statement.stages) == len(statement.products) == 1 and not statement.turns
    return statement.products[0] if is_only and statement.products[0].fits_blocks else None


@singledispatch
def _only_rows(statement: Kind) -> Group | None:
    """Return the stages along rows that a statement is, outside of loops."""
    return None


@_only_rows.register
def _(statement: Group) -> Group | None:
    return statement if statement.is_of_rows and not statement.turns else None


def _joined(chain: _Chain) -> Group | None:
    """Return the three as one group over the batch and rows of the products, or None if their shapes differ."""
    before, middle, after = chain.before, chain.rows, chain.after
    rows, length = before.result.shape[:-1], before.result.shape[-1]
    if not before.batch or len(before.depth) != 1 or after.left.shape != (*rows, length) or length > longest_row:
        return None
    if middle.length != length or math.prod(middle.rows) != math.prod(rows):
        return None
    if not before.result.covers_buffer or before.result.dtype != before.left.dtype:
        return None
    stages = [_over(stage, rows, length) for stage in middle.row_stages]
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
