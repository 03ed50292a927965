"""A shifted product for each tap of the filters, which adds to the sums of those before it.

Weakness: partial sums are written and read once for each tap.
"""

from __future__ import annotations

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
from mosaic.algorithms.costs import memory_cycles, num_bytes
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import register
from mosaic.lowering.convolution_products import by_taps
from mosaic.lowering.registry import Context, Value

_share = 0.7  # of the limit of multiply-adds: each product is only as deep as there are channels


def _lower(operation: Operation, context: Context) -> Sequence[Value]:
    return by_taps(as_convolution(operation), context)


def _num_cycles(case: Case) -> float:
    sums = 2 * (num_taps(case) - 1) * memory_cycles(num_bytes(case.types), case.target)
    return full_product_cycles(case, _share) + sums + touched_cycles(case)


for _rank in RANKS:
    register(
        Algorithm(
            f"conv{_rank}d",
            "smm",
            "a shifted product for each tap, added to those before it",
            _lower,
            _num_cycles,
            no_tiles,
        )
    )
