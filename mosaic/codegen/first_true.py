"""The reduction "first": the position of the first true element, or 0, in the order of the reduced axes.

Along a row, vectors are searched and the loop ends where one is true: eight of them are tested at once, because a test
costs more than a comparison. Across rows (the reduced axis is a loop inside), each lane keeps its own position.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from mosaic import c
from mosaic.codegen.accumulators import first_lanes
from mosaic.codegen.expressions import Emitter, Scope, Where
from mosaic.codegen.row_loops import Row
from mosaic.ir.affine import most_of
from mosaic.ir.statements import RowStage
from mosaic.vector import lane_operations
from mosaic.vector.vector_types import VectorType, vector_type

Truth = Callable[[Scope, Where], c.Expression]

vectors_per_test = 8


def position_dtype(stage: RowStage) -> np.dtype:
    """Return the dtype in which lanes keep positions: the smallest that holds all of them."""
    count = math.prod(most_of(stage.serial))
    return np.dtype("i2" if count < 2**15 else "i4" if count < 2**31 else "i8")


def position_type(emitter: Emitter, stage: RowStage) -> VectorType:
    """Return the lanes of positions: as wide as the mask, or wider where that does not hold all of them."""
    lanes = emitter.lanes
    size = max(position_dtype(stage).itemsize, lanes.mask.element.num_bytes)
    return vector_type(np.dtype(f"i{size}"), lanes.lanes)


def unset(vector: VectorType) -> c.Expression:
    """Return the position that means none so far; no element has it."""
    return vector.literal(2 ** (8 * vector.element.num_bytes - 1) - 1)


def start_position(emitter: Emitter, stage: RowStage, scope: Scope) -> str:
    """Declare the lanes of positions, none of them set."""
    vector = position_type(emitter, stage)
    name = emitter.fresh("first")
    scope.statements.append(c.Declare(emitter.lanes.declare(vector), name, vector.filled(unset(vector))))
    return name


def keep_position(
    emitter: Emitter, stage: RowStage, name: str, is_true: c.Expression, position: c.Expression, scope: Scope
) -> None:
    """Add the statement that sets the lanes that are true now and were not before."""
    vector, lanes = position_type(emitter, stage), emitter.lanes
    mask = lanes.converted(is_true, lanes.mask, vector)
    here = c.Cast(vector.element.ctype, position)
    is_first = mask & c.equal(c.Name(name), unset(vector))
    everywhere = lanes.use(lane_operations.select(vector))(is_first, vector.filled(here), c.Name(name))
    scope.statements.append(c.Assign(c.Name(name), everywhere))


def settle_position(emitter: Emitter, stage: RowStage, name: str, scope: Scope) -> None:
    """Add the statement that makes a position that was never set 0."""
    vector = position_type(emitter, stage)
    is_unset = c.equal(c.Name(name), unset(vector))
    settled = emitter.lanes.use(lane_operations.select(vector))(is_unset, vector.zero, c.Name(name))
    scope.statements.append(c.Assign(c.Name(name), settled))


def linear(indices: Sequence[c.Expression], extents: Sequence[c.Operand]) -> c.Expression:
    """Return the index counted through several axes, the last one fastest."""
    total: c.Expression = c.literal(0)
    for index, extent in zip(indices, extents, strict=True):
        total = total * extent + index
    return total


SearchRow = Callable[[Row, Scope, Truth, tuple[c.Expression, ...], c.Expression], None]
"""Adds the search of one row: (row, scope, value there, indices of the axes around the row, positions before the row)."""


def first_true_search(emitter: Emitter, stage: RowStage, scope: Scope, result: c.Name) -> SearchRow:
    """Declare the variables of a search, and return the statements that set the result (0 before)."""
    is_found = c.Name(emitter.fresh("is_found"))
    scope.statements.append(c.Declare(c.int_, is_found.text, c.literal(0)))

    def take_row(row: Row, outer: Scope, truth: Truth, extra: tuple[c.Expression, ...], before: c.Expression) -> None:
        inner = outer.inner()
        found = c.Name(search_along_row(emitter, row, inner, truth, extra))
        noted = (c.Assign(result, before + found), c.Assign(is_found, c.literal(1)))
        inner.statements.append(c.If(found >= 0, noted))
        outer.statements.append(c.If(c.equal(is_found, 0), tuple(inner.statements)))

    return take_row


def search_along_row(
    emitter: Emitter,
    row: Row,
    scope: Scope,
    truth: Truth,
    extra: tuple[c.Expression, ...],
    start: c.Name | None = None,
) -> str:
    """Add the search of one row and return the name of the position in it, negative if nothing is true.

    start: the position of a vector near the first true element, if known
    """
    lanes, lane_axis = emitter.lanes.lanes, len(row.axes)
    found = emitter.fresh("first")
    scope.statements.append(c.Declare(c.int64, found, c.literal(-1)))
    if start is None:
        start = _skip_what_is_false(emitter, row, scope, truth, extra)
    whole = row.length // lanes * lanes
    if whole:
        index = c.Name(emitter.fresh("i"))
        inner = scope.inner(lane_axis)
        _note_first(emitter, truth(inner, row.where(index, None, extra)), index, c.Name(found), inner)
        scope.statements.append(c.loop(index.text, whole, *inner.statements, start=start, step=lanes))
    if row.length > whole:
        rest = c.literal(row.length - whole)
        inner = scope.inner(lane_axis)
        is_true = truth(inner, row.where(c.literal(whole), rest, extra))
        valid = is_true & first_lanes(emitter.lanes, emitter.lanes.mask, rest)
        _note_first(emitter, valid, c.literal(whole), c.Name(found), inner, is_in_loop=False)
        scope.statements.append(c.If(c.Name(found) < 0, tuple(inner.statements)))
    return found


def _skip_what_is_false(
    emitter: Emitter, row: Row, scope: Scope, truth: Truth, extra: tuple[c.Expression, ...]
) -> c.Name:
    """Add the loop over blocks of vectors of which none is true, and return the start of the first other one."""
    lanes, start = emitter.lanes.lanes, c.Name(emitter.fresh("start"))
    scope.statements.append(c.Declare(c.int64, start.text, c.literal(0)))
    step = vectors_per_test * lanes
    if row.length < 2 * step:
        return start
    index = c.Name(emitter.fresh("i"))
    inner = scope.inner()
    together: c.Expression | None = None
    for number in range(vectors_per_test):
        body = inner.inner(len(row.axes))
        is_true = truth(body, row.where(index + number * lanes, None, extra))
        inner.statements.extend(body.statements)
        together = is_true if together is None else together | is_true
    assert together is not None
    is_any = emitter.lanes.use(lane_operations.any_lane(emitter.lanes.mask))(together)
    body_of_loop = (*inner.statements, c.If(is_any, (c.Break(),)), c.Assign(start, index + step))
    scope.statements.append(c.loop(index.text, row.length // step * step, *body_of_loop, step=step))
    return start


def _note_first(
    emitter: Emitter, is_true: c.Expression, index: c.Expression, found: c.Name, scope: Scope, is_in_loop: bool = True
) -> None:
    """Add the test of one vector: the position of its first true lane, and the end of the loop."""
    lanes, name, lane = emitter.lanes, emitter.fresh("is_true"), c.Name("lane")
    scope.statements.append(c.Declare(lanes.declare(lanes.mask), name, is_true))
    note = c.If(c.Name(name)[lane], (c.Assign(found, index + lane), c.Break()))
    # It runs once for each row, so copies of it would cost the compiler time and save nothing.
    search = replace(c.loop("lane", lanes.lanes, note), pragmas=("GCC unroll 1",))
    ends: tuple[c.Statement, ...] = (search, *((c.Break(),) if is_in_loop else ()))
    scope.statements.append(c.If(lanes.use(lane_operations.any_lane(lanes.mask))(c.Name(name)), ends))
