"""Copies that exchange two axes: which groups are such, and how large their square tiles are.

Before:  for rows [1000] of 1000:
             y[1000, 1000] = x[1000, 1000 by 1]
After:   for rows [1000] of 1000 in 63 tasks of 1 by squares of 16:

Lane by lane, each element of a vector comes from another cache line, and 4 KiB apart they push each other out of the cache.
"""

from __future__ import annotations

from mosaic.ir.affine import moves
from mosaic.ir.expressions import Load
from mosaic.ir.statements import Group
from mosaic.ir.views import View
from mosaic.targets import Target, line_bytes

most_side = 16
"""Sixteen vectors are what AVX2 has registers for; a side of 16 elements of 4 bytes is a cache line."""


def side_of_squares(group: Group, target: Target) -> int:
    """Return the side of the tiles of a copy whose rows lie along the source's columns; 0 for any other group."""
    source = _copied(group)
    if source is None or moves((*group.rows, group.length)):
        return 0
    (stage,) = group.row_stages
    side = min(most_side, min(target.vector_bytes, line_bytes) // source.dtype.itemsize)
    exchanges = source.strides[-2] == 1 and source.strides[-1] not in (0, 1) and stage.result.strides[-1] == 1
    return side if exchanges and min(group.most_rows[-1], group.most_length) >= side > 1 else 0


def _copied(group: Group) -> View | None:
    """Return what a group copies element by element; None where it does anything else."""
    if len(group.stages) > 1 or not group.is_of_rows or not group.rows:
        return None
    (stage,) = group.row_stages
    load = stage.expression
    if not isinstance(load, Load) or load.gathers or stage.reducer or not stage.is_element_wise:
        return None
    is_plain = load.dtype == stage.result.dtype and load.view.buffer is not stage.result.buffer
    return load.view if is_plain else None
