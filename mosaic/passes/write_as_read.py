"""Lets an array that is written in parts, and only read to be copied in another order, be written in that order.

Before:  t[64, 58, 58 by 3364, 58, 1] = 0.0 around, x[64, 56, 56] inside
         c[58, 58, 64] = t[58, 58, 64 by 58, 1, 3364]
After:   c[64, 58, 58 by 1, 3712, 64] = 0.0 around, x[64, 56, 56] inside

An image with a border of zeros whose channels a convolution wants side by side is then stored once, not twice. What is written by
one definition alone needs no pass: it is inlined.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import singledispatch

from mosaic.ir.expressions import Load
from mosaic.ir.kinds import Kind
from mosaic.ir.statements import Definition, IrProgram, Statement, written_views
from mosaic.ir.views import Buffer, BufferKind, View, index_map
from mosaic.passes.uses import readers


def write_as_read(program: IrProgram) -> IrProgram:
    """Return the program with arrays that several definitions fill, and one copies, filled in the order of the copy.

    Pre:  statements are definitions, matmuls, scatters and islands; what one definition fills is inlined
    Post: no copy is left of an array that is written by definitions only, and read by nothing else
    """
    statements: list[Statement | None] = list(program.statements)
    users, writers = readers(program.statements), _writers(program)
    counts = Counter(view.buffer for statement in program.statements for view in written_views(statement))
    for buffer, places in writers.items():
        if len(places) < 2 or len(users.get(buffer, [])) != 1 or buffer in program.delivered:
            continue
        (place,) = users[buffer]
        copied = _copied(statements[place], buffer)
        if (
            copied is None
            or place < places[-1]
            or counts[copied[1].buffer] != 1
            or copied[1].buffer in program.delivered
        ):
            continue
        moved = [_moved(statements[writer], *copied) for writer in places]
        if all(each is not None for each in moved):
            for writer, each in zip(places, moved, strict=True):
                statements[writer] = each
            statements[place] = None
    return replace(program, statements=tuple(each for each in statements if each is not None))


def _writers(program: IrProgram) -> dict[Buffer, list[int]]:
    """Return the positions of the statements that write each temporary buffer, in order."""
    found: dict[Buffer, list[int]] = {}
    for position, statement in enumerate(program.statements):
        for view in written_views(statement):
            if view.buffer.kind is BufferKind.TEMPORARY:
                found.setdefault(view.buffer, []).append(position)
    return found


@singledispatch
def _copied(statement: Kind | None, buffer: Buffer) -> tuple[View, View] | None:
    """Return the whole buffer as a statement reads it, and where that copies it to; None if it does anything else."""
    return None


@_copied.register
def _(statement: Definition, buffer: Buffer) -> tuple[View, View] | None:
    load, result = statement.expression, statement.result
    if statement.reducer is not None or statement.base is not None:
        return None
    if not isinstance(load, Load) or load.gathers or load.dtype != result.dtype or load.view.dtype != load.dtype:
        return None
    seen = load.view
    is_whole = seen.buffer is buffer and not seen.is_moving and not result.is_moving
    is_whole = is_whole and seen.size == buffer.num_elements == result.buffer.num_elements
    shows_each_once = all(stride > 0 for stride, extent in zip(seen.strides, seen.shape, strict=True) if extent != 1)
    return (seen, result) if is_whole and shows_each_once and result.buffer.kind is BufferKind.TEMPORARY else None


@singledispatch
def _moved(statement: Kind | None, seen: View, result: View) -> Definition | None:
    """Return a definition that writes to a part of `seen`, which writes to the same part of `result` instead."""
    return None


@_moved.register
def _(statement: Definition, seen: View, result: View) -> Definition | None:
    if statement.base is not None or statement.result.is_moving:
        return None
    mapping = index_map(statement.result, seen)
    return None if mapping is None else replace(statement, result=mapping.apply(result, statement.result.extents))
