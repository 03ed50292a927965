"""The reductions "argmax" and "argmin": the first position of the largest or smallest value; the first NaN wins.

Along a row, the extremum of a block of vectors is compared with the best so far, and only the last block that was better
is searched for the place. Across rows (the reduced axis is a loop inside), each lane keeps its best value and its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mosaic import c
from mosaic.codegen.accumulators import first_lanes
from mosaic.codegen.expressions import Emitter, Scope, Where
from mosaic.codegen.first_true import SearchRow, Truth, position_type, search_along_row
from mosaic.codegen.reducers import combine, combine_lanes, identity_of
from mosaic.codegen.row_loops import Row, loop_along_row
from mosaic.ir.expressions import size
from mosaic.ir.statements import RowStage
from mosaic.vector import lane_operations

EXTREMA = {"argmax": "maximum", "argmin": "minimum"}

vectors_per_block = 8
vectors_per_turn = 4
most_records_in_turns = 8


@dataclass(frozen=True, slots=True)
class Extremum:
    """The best value so far in every lane (`best`), of a stage."""

    emitter: Emitter
    stage: RowStage
    best: c.Name

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the values that are compared."""
        return self.stage.expression.dtype

    @property
    def reducer(self) -> str:
        """The function that chooses one of two values."""
        return EXTREMA[str(self.stage.reducer)]

    def start(self, name: str, scope: Scope) -> c.Name:
        """Declare lanes that every value beats or equals."""
        lanes = self.emitter.lanes
        worst = lanes.constant(identity_of(self.reducer, self.dtype).value, self.dtype)
        scope.statements.append(c.Declare(lanes.declare(lanes.type(self.dtype)), name, worst))
        return c.Name(name)

    def combined(self, left: c.Expression, right: c.Expression) -> c.Expression:
        """Return the better of two vectors, lane by lane."""
        return combine(self.emitter.lanes, self.reducer, self.dtype, left, right)

    def beats(self, value: c.Expression) -> c.Expression:
        """Return where a vector is better than the best so far, as the mask of a comparison."""
        wins = c.Binary(">" if self.reducer == "maximum" else "<", value, self.best)
        if self.dtype.kind != "f":
            return wins
        return wins | (c.not_equal(value, value) & c.equal(self.best, self.best))

    def is_here(self, value: c.Expression) -> c.Expression:
        """Return the mask of the lanes that equal the best of the values."""
        found = c.equal(value, self.best)
        if self.dtype.kind == "f":
            found = found | c.not_equal(value, value)
        return self.emitter.lanes.as_mask(found, self.emitter.lanes.type(self.dtype))


def new_extremum(emitter: Emitter, stage: RowStage, scope: Scope) -> Extremum:
    """Declare the best so far."""
    extremum = Extremum(emitter, stage, c.Name(emitter.fresh("best")))
    extremum.start(extremum.best.text, scope)
    return extremum


def extremum_search(emitter: Emitter, stage: RowStage, scope: Scope, result: c.Name) -> SearchRow:
    """Declare the best so far, and return what sets the result to its place."""
    extremum = new_extremum(emitter, stage, scope)

    def take_row(row: Row, outer: Scope, value: Truth, extra: tuple[c.Expression, ...], before: c.Expression) -> None:
        start = _start_of_best(extremum, row, outer, value, extra)

        def truth(body: Scope, where: Where) -> c.Expression:
            return extremum.is_here(value(body, where))

        inside = outer.inner()
        found = search_along_row(emitter, row, inside, truth, extra, start)
        inside.statements.append(c.Assign(result, before + c.Name(found)))
        outer.statements.append(c.If(start >= 0, tuple(inside.statements)))

    return take_row


def _start_of_best(extremum: Extremum, row: Row, scope: Scope, value: Truth, extra: tuple[c.Expression, ...]) -> c.Name:
    """Add the pass over a row, and return the start of the last block that beat the best, negative if none did."""
    start = c.Name(extremum.emitter.fresh("start"))
    scope.statements.append(c.Declare(c.int64, start.text, c.literal(-1)))
    block = vectors_per_block * extremum.emitter.lanes.lanes
    limit = row.length // block * block if size(extremum.stage.expression) <= most_records_in_turns else 0
    if limit:
        index, inner = c.Name(extremum.emitter.fresh("block")), scope.inner()
        _compare(extremum, inner, _block_extremum(extremum, row, inner, value, extra, index), start, index)
        scope.statements.append(c.loop(index.text, limit, *inner.statements, step=block))
    if limit < row.length:
        rest = _rest_extremum(extremum, row, scope, value, extra, limit)
        _compare(extremum, scope, rest, start, c.literal(limit))
    return start


def _block_extremum(
    extremum: Extremum, row: Row, scope: Scope, value: Truth, extra: tuple[c.Expression, ...], index: c.Name
) -> c.Name:
    """Add the extremum of a block, lane by lane; several accumulators take turns, because each waits for its last result."""
    emitter, lane_axis = extremum.emitter, len(row.axes)
    lanes, partial = emitter.lanes, list[c.Name]()
    for number in range(vectors_per_block):
        body = scope.inner(lane_axis)
        vector = value(body, row.where(index + number * lanes.lanes, None, extra))
        scope.statements.extend(body.statements)
        if number < vectors_per_turn:
            partial.append(c.Name(emitter.fresh("extremum")))
            declared = lanes.declare(lanes.type(extremum.dtype))
            scope.statements.append(c.Declare(declared, partial[number].text, vector))
        else:
            name = partial[number % vectors_per_turn]
            scope.statements.append(c.Assign(name, extremum.combined(name, vector)))
    for other in partial[1:]:
        scope.statements.append(c.Assign(partial[0], extremum.combined(partial[0], other)))
    return partial[0]


def _rest_extremum(
    extremum: Extremum, row: Row, scope: Scope, value: Truth, extra: tuple[c.Expression, ...], start: int
) -> c.Name:
    """Add the extremum of the rest of a row after its whole blocks."""
    lanes = extremum.emitter.lanes
    name, vector = extremum.start(extremum.emitter.fresh("extremum"), scope), lanes.type(extremum.dtype)

    def body(inner: Scope, where: Where) -> None:
        combined = extremum.combined(name, value(inner, where))
        if where.count is not None:
            valid = first_lanes(lanes, vector.mask, where.count)
            combined = lanes.use(lane_operations.select(vector))(valid, combined, name)
        inner.statements.append(c.Assign(name, combined))

    loop_along_row(extremum.emitter, row, scope, body, extra, start)
    return name


def _compare(extremum: Extremum, scope: Scope, value: c.Name, begin: c.Name, start: c.Expression) -> None:
    """Add the test whether some lane beats the best, which then becomes the best, with its block's start."""
    lanes, vector = extremum.emitter.lanes, extremum.emitter.lanes.type(extremum.dtype)
    scalar = combine_lanes(lanes, extremum.reducer, extremum.dtype, value)
    is_better = lanes.use(lane_operations.any_lane(vector.mask))(extremum.beats(value))
    taken = (
        c.Assign(extremum.best, lanes.broadcast_register(scalar, extremum.dtype)),
        c.Assign(begin, start),
    )
    scope.statements.append(c.If(is_better, taken))


def start_place(emitter: Emitter, stage: RowStage, scope: Scope) -> tuple[Extremum, str]:
    """Declare each lane's best value, and its place, which is 0 as long as nothing is better than the worst."""
    extremum, name = new_extremum(emitter, stage, scope), emitter.fresh("place")
    vector = position_type(emitter, stage)
    scope.statements.append(c.Declare(emitter.lanes.declare(vector), name, vector.zero))
    return extremum, name


def keep_place(extremum: Extremum, place: str, value: c.Expression, position: c.Expression, scope: Scope) -> None:
    """Add the statements that keep the better of two values in each lane, and its place."""
    emitter, lanes = extremum.emitter, extremum.emitter.lanes
    own, places = lanes.type(extremum.dtype), position_type(emitter, extremum.stage)
    is_better = c.Name(emitter.fresh("is_better"))
    scope.statements.append(c.Declare(lanes.declare(own.mask), is_better.text, extremum.beats(value)))
    here = places.filled(c.Cast(places.element.ctype, position))
    mask = lanes.converted(is_better, own.mask, places.mask)
    chosen = lanes.use(lane_operations.select(places))(mask, here, c.Name(place))
    best = lanes.use(lane_operations.select(own))(is_better, value, extremum.best)
    scope.statements.extend((c.Assign(c.Name(place), chosen), c.Assign(extremum.best, best)))
