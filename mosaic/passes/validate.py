"""Checks the invariants of the intermediate form between passes; a violation is our own bug.

Every buffer is written before it is read; views stay inside their buffers; expressions have the shape of their domain.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatch

from composit.errors import InternalError
from mosaic.ir.affine import bounds
from mosaic.ir.expressions import views
from mosaic.ir.kinds import Kind
from mosaic.ir.loops import Loop
from mosaic.ir.statements import Definition, Group, IrProgram, Matmul, Scatter
from mosaic.ir.views import Buffer, View


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
        _check_views((*statement.reads(), *statement.writes()))
        check(statement)
        # It is kept, so that its id stays its own.
        checked[id(statement)] = statement
    for buffer in program.delivered:
        if buffer not in written:
            raise InternalError(f"validate: the output {buffer.name} is written by no statement of\n{program}")
    return program


@singledispatch
def check(statement: Kind) -> None:
    """Raise InternalError if a statement breaks an invariant of its kind."""


@singledispatch
def _check_order(statement: Kind, written: set[Buffer]) -> None:
    """Raise unless everything that a statement reads is written; note its writes."""
    _check_reads(tuple(statement.reads()), written, statement)
    written.update(view.buffer for view in statement.writes())


@_check_order.register
def _(group: Group, written: set[Buffer]) -> None:
    for stage in group.stages:
        _check_order(stage, written)


@_check_order.register
def _(loop: Loop, written: set[Buffer]) -> None:
    before = written | {one.state.buffer for one in loop.carried}
    for part in loop.body:
        _check_order(part, before)
    _check_reads([one.following for one in loop.carried], before, loop)
    _check_reads(tuple(loop.reads()), written, loop)
    written.update(view.buffer for view in loop.writes())


def _check_reads(read: Iterable[View], written: set[Buffer], statement: Kind) -> None:
    for view in read:
        if view.buffer not in written and view.size:
            raise InternalError(f"validate: {view} is read before anything writes it, in\n{statement}")


def _check_views(seen: Iterable[View]) -> None:
    for view in seen:
        spans = [(extent - 1) * stride for extent, stride in zip(view.shape, view.strides, strict=True)]
        first, last = bounds(view.offset)
        low = first + sum(span for span in spans if span < 0)
        high = last + sum(span for span in spans if span > 0)
        if view.size and not 0 <= low <= high < view.buffer.num_elements:
            raise InternalError(f"validate: {view} reaches from {low} to {high} of {view.buffer.num_elements} elements")


@check.register
def _(definition: Definition) -> None:
    _check_base(definition)
    for view in views(definition.expression):
        if view.shape != definition.domain:
            raise InternalError(f"validate: {view} is loaded over {definition.domain} in\n{definition}")


@check.register
def _(loop: Loop) -> None:
    if bounds(loop.extent)[1] > loop.symbol.most:
        raise InternalError(f"validate: a loop has more turns than its symbol allows in\n{loop}")
    for one in loop.carried:
        seen = {view.shape for view in (one.following, *views(one.start))}
        if seen - {one.state.shape} or one.state.dtype != one.following.dtype:
            raise InternalError(f"validate: {one} does not keep its type in\n{loop}")
    for statement in loop.body:
        check(statement)
        if any(statement.bases()):
            raise InternalError(f"validate: a turn writes a part of an array anew; carry the array, in\n{loop}")


def _check_base(definition: Definition) -> None:
    base, buffer = definition.base, definition.result.buffer
    if base is None:
        return
    if not base.covers_buffer or (base.size, base.dtype) != (buffer.num_elements, buffer.dtype):
        raise InternalError(f"validate: the rest cannot come from another array than a whole one in\n{definition}")


@check.register
def _(matmul: Matmul) -> None:
    rows, columns, depth = matmul.sizes
    if matmul.left.shape != (*matmul.batch, rows, depth):
        raise InternalError(f"validate: the left operand does not fit in\n{matmul}")
    if matmul.panel_width is None and matmul.right.shape != (*matmul.batch, depth, columns):
        raise InternalError(f"validate: the right operand does not fit in\n{matmul}")


@check.register
def _(scatter: Scatter) -> None:
    if any(view.shape != scatter.result.shape for view in scatter.reads()):
        raise InternalError(f"validate: a view has not the shape of the domain in\n{scatter}")
    if scatter.is_in_order and scatter.num_rows:
        raise InternalError(f"validate: rows that tasks share cannot be in order, as asked in\n{scatter}")
