"""The gradient of filters by sums in registers over blocks of positions, which every tap reads from one copy (`mosaic.ir.filter_sums`).

Weakness: lanes run along the channels of a group: with few of them, most are empty. Each task copies its part of the image anew.
"""

from __future__ import annotations

from mosaic.algorithms.convolution.cases import is_tiled
from mosaic.algorithms.costs import memory_cycles, num_bytes, product_cycles
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import register
from mosaic.lowering.filter_gradient import sums_over_positions

_share = 0.9  # of the limit of multiply-adds


def _why_not(case: Case) -> str:
    if not is_tiled(case):
        return f"sums are of float32 or float64, the same for both operands, not {', '.join(map(str, case.operand_types))}"
    return ""


def _num_cycles(case: Case) -> float:
    result, itemsize = case.types[0], case.types[0].dtype.itemsize
    lanes = case.target.lanes(itemsize)
    channels = max(1, result.shape[1])
    full = -(-channels // lanes) * lanes / channels
    products = case.operation.cost(case.operand_types, case.types) * full
    moved = memory_cycles(num_bytes((*case.operand_types, *case.types)), case.target)
    return product_cycles(products, itemsize, case.target, _share) + moved


for _rank in (1, 2):
    register(
        Algorithm(
            f"conv{_rank}d_weight",
            "direct",
            "sums in registers over blocks of positions, of which every tap reads one copy",
            sums_over_positions,
            _num_cycles,
            _why_not,
        )
    )
