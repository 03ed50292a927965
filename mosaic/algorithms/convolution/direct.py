"""Sums of a tile stay in registers over all taps and channels; windows are read where they lie, channels last.

Weakness: a panel of filters is read once for each tile of rows, so it must stay in L2; where it does not, `implicit gemm` reads
it a part at a time.

Reference: Georganas et al., "Anatomy of high-performance deep learning convolutions on SIMD architectures"
"""

from __future__ import annotations

from mosaic.algorithms.convolution.cases import (
    RANKS,
    full_product_cycles,
    is_tiled,
    operation_of,
    outputs_of_group,
    touched_cycles,
)
from mosaic.algorithms.convolution.through_depth import lower_through_depth, panel_fits
from mosaic.algorithms.costs import product_cycles
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import register
from mosaic.lowering.convolution import fewest_columns

_share = 0.92  # of the limit of multiply-adds: 0.88 to 0.97 from 64 channels on (Sapphire Rapids)
_share_from_far = 0.7  # where the panel comes from beyond L2 for each tile
_share_of_sums = 0.1  # without tiles, each sum is a definition


def _num_cycles(case: Case) -> float:
    if not is_tiled(case):
        products = case.operation.cost(case.operand_types, case.types)
        return product_cycles(products, case.types[0].dtype.itemsize, case.target, _share_of_sums) + touched_cycles(
            case
        )
    share = _share if panel_fits(case) else _share_from_far
    return full_product_cycles(case, share) + touched_cycles(case)


def _why_not(case: Case) -> str:
    count = outputs_of_group(case)
    if is_tiled(case) and operation_of(case).groups > 1 and count < fewest_columns:
        return f"tiles need {fewest_columns} outputs a group, and there are {count}"
    return ""


for _rank in RANKS:
    register(
        Algorithm(
            f"conv{_rank}d",
            "direct",
            "sums in registers over all taps and channels, windows read where they lie, channels last",
            lower_through_depth(is_deep=True),
            _num_cycles,
            _why_not,
        )
    )
