"""Removes fences: what was read under another name is read under its own. Nothing moves to another place after this pass.

Before:  fenced_0[4] = fence(input_0[4]); t[4] = exp(fenced_0[4])
After:   t[4] = exp(input_0[4])
"""

from __future__ import annotations

from dataclasses import replace

from mosaic.ir.fences import Fence
from mosaic.ir.kinds import with_views
from mosaic.ir.statements import IrProgram
from mosaic.ir.views import View
from mosaic.lowering.registry import Memory


def remove_fences(program: IrProgram, memory: Memory) -> IrProgram:
    """Return the program without fences.

    Pre:  statements are groups, islands and fences
    Post: statements are groups and islands
    """
    names = memory.behind_fence
    if not names:
        return program

    def own(view: View) -> View:
        return replace(view, buffer=names[view.buffer]) if view.buffer in names else view

    kept = (each for each in program.statements if not isinstance(each, Fence))
    return replace(program, statements=tuple(with_views(each, own) for each in kept))
