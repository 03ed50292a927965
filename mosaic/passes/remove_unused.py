"""Removes statements whose results nothing reads.

Before:  a = exp(x); b = x + 1; return b
After:   b = x + 1; return b
"""

from __future__ import annotations

from dataclasses import replace

from mosaic.ir.statements import IrProgram, Statement, read_views, written_views
from mosaic.ir.views import Buffer


def remove_unused(program: IrProgram) -> IrProgram:
    """Return the program with only what its outputs depend on."""
    needed: set[Buffer] = set(program.delivered)
    kept: list[Statement] = []
    for statement in reversed(program.statements):
        if any(view.buffer in needed for view in written_views(statement)):
            kept.append(statement)
            # What it fills may have been begun before: the first row of an array that a loop grows, and reads itself.
            needed.update(view.buffer for view in (*read_views(statement), *written_views(statement)))
    return replace(program, statements=tuple(reversed(kept)))
