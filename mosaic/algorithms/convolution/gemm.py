"""Windows copied to columns (im2col), which one product for each group multiplies by the filters.

Weakness: columns are as many times larger than x as there are taps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from composit.operation import Operation
from mosaic.algorithms.convolution.cases import (
    RANKS,
    as_convolution,
    full_product_cycles,
    no_tiles,
    num_taps,
    touched_cycles,
)
from mosaic.algorithms.costs import memory_cycles
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import register
from mosaic.lowering.convolution_products import by_columns
from mosaic.lowering.registry import Context, Value

_share = 0.8  # of the limit of multiply-adds: rows of the columns are as long as the depth


def _lower(operation: Operation, context: Context) -> Sequence[Value]:
    return by_columns(as_convolution(operation), context)


def _num_cycles(case: Case) -> float:
    shape, channels = case.types[0].shape, case.operand_types[0].shape[1]
    size = shape[0] * math.prod(shape[2:]) * channels * num_taps(case)
    columns = 2 * memory_cycles(size * case.types[0].dtype.itemsize, case.target)  # written, then read
    return full_product_cycles(case, _share) + columns + touched_cycles(case)


for _rank in RANKS:
    register(
        Algorithm(
            f"conv{_rank}d",
            "gemm",
            "windows copied to columns (im2col), and one product",
            _lower,
            _num_cycles,
            no_tiles,
        )
    )
