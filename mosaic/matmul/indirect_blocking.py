"""Blocks of a product whose rows are found by a table (`mosaic.ir.indirect`).

A row of a tile takes a register for its address, so tiles are wide and low. A task computes the offsets of its rows; a block of
rows shares a panel, which should come from L2 again.
"""

from __future__ import annotations

import math

from mosaic.matmul.blocking import Blocking, MatmulSpec, enough_tasks, task_products
from mosaic.targets import Target

_most_rows = 8
_tiles_of_block = 16


def indirect_blocking(spec: MatmulSpec, target: Target) -> Blocking:
    """Return the block sizes; the depth is not divided, since sums stay in registers."""
    lanes, registers = target.lanes(spec.dtype.itemsize), target.num_vector_registers
    vectors = min(indirect_width(spec.columns, target, spec.dtype.itemsize) // lanes, registers)
    most = min(_most_rows, (registers - vectors - 1) // vectors)
    mr = math.ceil(spec.rows / math.ceil(spec.rows / most))
    block = mr * _tiles_of_block
    panels = math.ceil(spec.columns / (vectors * lanes))
    while block > mr and _is_short(spec, panels, block):
        block = mr * math.ceil(block // mr / 2)
    return Blocking(mr, vectors * lanes, spec.depth, block)


def _is_short(spec: MatmulSpec, panels: int, block: int) -> bool:
    """Whether there are too few tasks, and half of one is still worth the handing over."""
    tasks = math.ceil(spec.rows / block) * panels
    return tasks < enough_tasks and spec.rows * spec.columns * spec.depth // tasks >= 2 * task_products


def indirect_width(columns: int, target: Target, item_bytes: int) -> int:
    """Return the width of a panel: as many vectors as hold the columns, at most four, or two of 16 registers."""
    lanes = target.lanes(item_bytes)
    most = 4 if target.num_vector_registers >= 32 else 2
    return min(most, math.ceil(columns / lanes)) * lanes
