"""Checks the invariants of the intermediate form between passes; a violation is our own bug.

Every buffer is written before it is read; views stay inside their buffers in every turn of the loops around them;
expressions have the shape of their domain.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatch

from composit.errors import InternalError
from mosaic.ir.affine import Affine, Extents, Number, moves
from mosaic.ir.expressions import views
from mosaic.ir.kinds import Kind
from mosaic.ir.loops import Loop
from mosaic.ir.statements import POSITION_REDUCERS, Definition, Group, IrProgram, Matmul, Scatter
from mosaic.ir.views import Buffer, View, listed
from mosaic.passes.growth import Around, check_growth, least_and_most


def validate(program: IrProgram, checked: dict[int, Kind] | None = None) -> IrProgram:
    """Return the program unchanged.

    checked: the statements that earlier calls have looked at, by id. Most passes leave most statements as they are, and
             only the order of reads and writes depends on the statements around one.

    Raises: InternalError: it breaks an invariant
    """
    checked = {} if checked is None else checked
    written: set[Buffer] = set(program.inputs) | set(program.constants)
    for statement in program.statements:
        _check_order(statement, written)
        if id(statement) in checked:
            continue
        _check_reach(statement, ())
        check(statement)
        # It is kept, so that its id stays its own.
        checked[id(statement)] = statement
    for buffer in program.delivered:
        if buffer not in written:
            raise InternalError(f"validate: the output {buffer.name} is written by no statement of\n{program}")
    return program


@singledispatch
def check(statement: Kind) -> None:
    """Raise InternalError if a statement breaks an invariant of its kind: by default, if extents of its views move."""
    _check_numbers(statement)


def _check_numbers(statement: Kind) -> None:
    for view in (*statement.reads(), *statement.writes()):
        if moves(view.extents):
            raise InternalError(
                f"validate: {view} has extents that move with a loop, which {type(statement).__name__} does not take, in\n"
                f"{statement}"
            )


@singledispatch
def _check_order(statement: Kind, written: set[Buffer]) -> None:
    """Raise unless everything that a statement reads is written; note its writes."""
    _check_reads(tuple(statement.reads()), written, statement)
    written.update(view.buffer for view in statement.writes())


@_check_order.register
def _(group: Group, written: set[Buffer]) -> None:
    grown = {buffer for turns in group.turns for buffer in turns.grown}
    before = written | grown if grown else written  # a copy for each group would make the check quadratic
    for stage in group.stages:
        _check_order(stage, before)
    written.update(view.buffer for view in group.writes())


@_check_order.register
def _(loop: Loop, written: set[Buffer]) -> None:
    handed_on = {one.state.buffer for one in loop.carried} | {view.buffer for view in loop.grown}
    before = (written - loop.own_buffers()) | handed_on
    for part in loop.body:
        _check_order(part, before)
    _check_reads([one.following for one in loop.carried], before, loop)
    _check_reads(tuple(loop.reads()), written, loop)
    written.update(view.buffer for view in loop.writes())


def _check_reads(read: Iterable[View], written: set[Buffer], statement: Kind) -> None:
    for view in read:
        if view.buffer not in written and view.size:
            raise InternalError(f"validate: {view} is read before anything writes it, in\n{statement}")


@singledispatch
def _check_reach(statement: Kind, around: Around) -> None:
    """Raise unless all views of a statement stay inside their buffers in each turn of the loops around it."""
    for view in (*statement.reads(), *statement.writes()):
        _check_view(view, around)


@_check_reach.register
def _(definition: Definition, around: Around) -> None:
    for view in (*definition.reads(), *definition.writes()):
        _check_view(view, around)
    _check_reducer(definition.reducer, definition.reduced, around, definition)


@_check_reach.register
def _(group: Group, around: Around) -> None:
    inside = (*around, *((turns.symbol, turns.extent) for turns in group.turns))
    for stage in group.stages:
        _check_reach(stage, inside)
    for stage in group.row_stages:
        reduced = (*stage.serial, *((group.length,) if stage.is_along_row else ()))
        _check_reducer(stage.reducer, reduced, inside, stage)


def _check_reducer(reducer: str | None, reduced: Extents, around: Around, statement: Kind) -> None:
    """Raise if a reduction over extents that move finds a position, or may find no element where it needs one."""
    if not moves(reduced):
        return
    if reducer in POSITION_REDUCERS:
        raise InternalError(f"validate: a position is looked for along an extent that moves, in\n{statement}")
    if reducer in ("maximum", "minimum") and min(least_and_most(each, around, statement)[0] for each in reduced) < 1:
        raise InternalError(f"validate: a {reducer} may be of no element in some turn, in\n{statement}")


@_check_reach.register
def _(loop: Loop, around: Around) -> None:
    if least_and_most(loop.extent, around, loop)[1] > loop.symbol.most:
        raise InternalError(f"validate: a loop has more turns than its symbol allows in\n{loop}")
    for view in (view for one in loop.carried for view in (one.state, one.following, *views(one.start))):
        _check_view(view, around)
    for statement in loop.body:
        _check_reach(statement, (*around, (loop.symbol, loop.extent)))
    for whole in loop.grown:
        check_growth(whole, loop, around)


def _check_view(view: View, around: Around) -> None:
    first: Number = view.offset
    last: Number = view.offset
    for extent, stride in zip(view.extents, view.strides, strict=True):
        if isinstance(extent, Affine) and least_and_most(extent, around, view)[0] < 0:
            raise InternalError(f"validate: the extent {extent} of {view} is negative in some turn")
        if stride > 0:
            last = last + (extent - 1) * stride
        elif stride < 0:
            first = first + (extent - 1) * stride
    low, high = least_and_most(first, around, view)[0], least_and_most(last, around, view)[1]
    if view.size and not (low >= 0 and high < view.buffer.num_elements):
        raise InternalError(f"validate: {view} reaches from {low} to {high} of {view.buffer.num_elements} elements")


@check.register
def _(group: Group) -> None:
    """Its stages were checked as statements, before they were grouped; their extents may move with the loops around them."""


@check.register
def _(definition: Definition) -> None:
    _check_base(definition)
    for view in views(definition.expression):
        if view.extents != definition.domain:
            raise InternalError(f"validate: {view} is loaded over [{listed(definition.domain)}] in\n{definition}")


@check.register
def _(loop: Loop) -> None:
    for one in loop.carried:
        seen = {view.shape for view in (one.following, *views(one.start))}
        if seen - {one.state.shape} or one.state.dtype != one.following.dtype:
            raise InternalError(f"validate: {one} does not keep its type in\n{loop}")
    for statement in loop.body:
        check(statement)
        if any(statement.bases()):
            raise InternalError(f"validate: a turn writes a part of an array anew; carry the array, in\n{loop}")


def _check_base(definition: Definition | Scatter) -> None:
    base, buffer = definition.base, definition.result.buffer
    if base is None:
        return
    if not base.covers_buffer or (base.size, base.dtype) != (buffer.num_elements, buffer.dtype):
        raise InternalError(f"validate: the rest cannot come from another array than a whole one in\n{definition}")


@check.register
def _(matmul: Matmul) -> None:
    _check_numbers(matmul)
    rows, columns, _ = matmul.sizes
    if matmul.left.shape != (*matmul.batch, rows, *matmul.depth):
        raise InternalError(f"validate: the left operand does not fit in\n{matmul}")
    if (matmul.panel_width is None or matmul.packs) and matmul.right.shape != (*matmul.batch, *matmul.depth, columns):
        raise InternalError(f"validate: the right operand does not fit in\n{matmul}")


@check.register
def _(scatter: Scatter) -> None:
    _check_numbers(scatter)
    _check_base(scatter)
    if any(view.shape != scatter.result.shape for view in scatter.reads() if view is not scatter.base):
        raise InternalError(f"validate: a view has not the shape of the domain in\n{scatter}")
    zeroed = scatter.zeroed
    if zeroed is not None and (zeroed.shape[:-1] != scatter.rows or scatter.base is not None):
        raise InternalError(f"validate: the zeros are not those of the rows in\n{scatter}")
