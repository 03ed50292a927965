"""One product of all positions, whose rows are found by a table of offsets that each task computes once (`mosaic.ir.indirect`).

Rows of a tile may lie in different lines or images, so tiles are full where lines are short or strides are long.
Weakness: each row of a tile takes a register for its address, so that tiles are low and each number of the filters is loaded
for fewer rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from composit.operation import Operation
from mosaic.algorithms.convolution.cases import RANKS, as_convolution, full_product_cycles, no_tiles, touched_cycles
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import register
from mosaic.lowering.convolution_products import by_table
from mosaic.lowering.registry import Context, Value

_share = 0.65  # of the limit of multiply-adds


def _lower(operation: Operation, context: Context) -> Sequence[Value]:
    return by_table(as_convolution(operation), context)


def _num_cycles(case: Case) -> float:
    return full_product_cycles(case, _share) + touched_cycles(case)


for _rank in RANKS:
    register(
        Algorithm(
            f"conv{_rank}d",
            "implicit precomp gemm",
            "one product whose rows are found by a table of offsets",
            _lower,
            _num_cycles,
            no_tiles,
        )
    )
