"""Who reads which buffer: the one question that every fusion asks."""

from __future__ import annotations

from collections.abc import Sequence

from mosaic.ir import Statement, read_views
from mosaic.ir_views import Buffer


def readers(statements: Sequence[Statement]) -> dict[Buffer, list[int]]:
    """Return the positions of the statements that read each buffer, each once, in order."""
    found: dict[Buffer, list[int]] = {}
    for position, statement in enumerate(statements):
        for buffer in dict.fromkeys(view.buffer for view in read_views(statement)):
            found.setdefault(buffer, []).append(position)
    return found
