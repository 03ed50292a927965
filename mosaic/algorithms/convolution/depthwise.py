"""Sums of windows with lanes along groups of channels, for groups with few outputs: a tile of products would leave lanes empty.

Weakness: each number of x is loaded once for each tap, from the cache.
"""

from __future__ import annotations

from mosaic.algorithms.convolution.cases import (
    RANKS,
    is_tiled,
    num_products,
    operation_of,
    outputs_of_group,
    touched_cycles,
)
from mosaic.algorithms.costs import product_cycles
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import register
from mosaic.lowering.convolution import fewest_columns
from mosaic.lowering.registry import lower

_share = 0.3  # of the limit of multiply-adds: two loads for each


def _why_not(case: Case) -> str:
    count = outputs_of_group(case)
    if operation_of(case).groups == 1 or count >= fewest_columns:
        return f"it is for groups of fewer than {fewest_columns} outputs, and there are {count} in each of {operation_of(case).groups}"
    return "" if is_tiled(case) else f"it is for float32 or float64, not {', '.join(map(str, case.operand_types))}"


def _num_cycles(case: Case) -> float:
    return product_cycles(num_products(case), case.types[0].dtype.itemsize, case.target, _share) + touched_cycles(case)


for _rank in RANKS:
    register(
        Algorithm(
            f"conv{_rank}d",
            "depthwise",
            "sums of windows, lanes along channels, for groups of few outputs",
            lower,
            _num_cycles,
            _why_not,
        )
    )
