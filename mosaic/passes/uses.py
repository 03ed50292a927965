"""Which statements read a buffer, and which writes may reuse it; fusions ask before they move a read.

A write to a part of an array is a statement with a base: an island that numpy runs, a definition, or a group with one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mosaic.ir.expressions import gathered_views, loads
from mosaic.ir.statements import Definition, IrProgram, RowStage, Statement, read_views
from mosaic.ir.views import Buffer, BufferKind, View, may_overlap


def readers(statements: Sequence[Statement]) -> dict[Buffer, list[int]]:
    """Return the positions of the statements that read each buffer, each once, in order."""
    found: dict[Buffer, list[int]] = {}
    for position, statement in enumerate(statements):
        for buffer in dict.fromkeys(view.buffer for view in read_views(statement)):
            found.setdefault(buffer, []).append(position)
    return found


def updated_buffers(statement: Statement, kept: frozenset[Buffer]) -> list[Buffer]:
    """Return the buffers whose memory a statement may change in place once nothing else reads them any more.

    kept: buffers that leave the program
    """
    return [
        base.buffer
        for base in statement.bases()
        if base.buffer.kind is BufferKind.TEMPORARY and base.buffer not in kept and base.covers_buffer and base.size
    ]


def updates(program: IrProgram) -> dict[Buffer, int]:
    """Return the position of the first write that may take over each buffer."""
    kept = frozenset(program.delivered)
    found: dict[Buffer, int] = {}
    for position, statement in enumerate(program.statements):
        for buffer in updated_buffers(statement, kept):
            found.setdefault(buffer, position)
    return found


def reads_own_elements(write: Definition | RowStage, reader: Definition | RowStage) -> bool:
    """Whether a statement reads the base of a write only at elements replaced in the same turn, or kept.

    Otherwise a write in place could change an element before it is read.
    """
    assert write.base is not None
    buffer, shape = write.base.buffer, write.base.shape
    if any(view.buffer is buffer for view in gathered_views(reader.expression)):
        return False
    count = write.result.ndim
    seen = [_once(load.view, count) for load in loads(reader.expression) if load.view.buffer is buffer]
    return all(
        are_same_elements(view, write.result) or not may_overlap(view, _in(buffer, write.result), shape)
        for view in seen
    )


def _once(view: View, count: int) -> View:
    """Return a view without axes behind the first `count`, along which a sum reads the same elements again."""
    if any(view.strides[count:]):
        return view
    return replace(view, extents=view.extents[:count], strides=view.strides[:count])


def _in(buffer: Buffer, view: View) -> View:
    return replace(view, buffer=buffer)


def are_same_elements(first: View, second: View) -> bool:
    """Whether two views have equal offsets, shapes and strides (of axes longer than 1); their buffers may differ."""
    return bool((first.offset, first.extents) == (second.offset, second.extents)) and all(
        extent == 1 or one == other
        for extent, one, other in zip(first.extents, first.strides, second.strides, strict=True)
    )


def moves_behind_update(views: Iterable[View], updated: Mapping[Buffer, int], position: int, place: int) -> bool:
    """Whether reads moved from one position to a later one would pass a write that reuses their buffer."""
    return any(position < updated.get(view.buffer, -1) < place for view in views)
