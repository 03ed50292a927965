"""Who reads which buffer, and which writes may take a buffer over: what fusions ask before they move a read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mosaic.ir import IrProgram, Island, Statement, read_views
from mosaic.ir_views import Buffer, BufferKind, View


def readers(statements: Sequence[Statement]) -> dict[Buffer, list[int]]:
    """Return the positions of the statements that read each buffer, each once, in order."""
    found: dict[Buffer, list[int]] = {}
    for position, statement in enumerate(statements):
        for buffer in dict.fromkeys(view.buffer for view in read_views(statement)):
            found.setdefault(buffer, []).append(position)
    return found


def updated_buffer(island: Island, kept: frozenset[Buffer]) -> Buffer | None:
    """Return the buffer whose memory a write may change in place once nothing reads it any more; None if there is none.

    kept: buffers that leave the program
    """
    target = island.operands[0] if island.updates_operand else None
    if not isinstance(target, View) or target.buffer.kind is not BufferKind.TEMPORARY or target.buffer in kept:
        return None
    return target.buffer if target.covers_buffer and target.size else None


def updates(program: IrProgram) -> dict[Buffer, int]:
    """Return the position of the first write that may take over each buffer."""
    kept = frozenset(program.delivered)
    found: dict[Buffer, int] = {}
    for position, statement in enumerate(program.statements):
        if isinstance(statement, Island) and (buffer := updated_buffer(statement, kept)) is not None:
            found.setdefault(buffer, position)
    return found


def moves_behind_update(views: Iterable[View], updated: Mapping[Buffer, int], position: int, place: int) -> bool:
    """Whether reads that move from one position to a later one would pass a write that takes over what they read."""
    return any(position < updated.get(view.buffer, -1) < place for view in views)
