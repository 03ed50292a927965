"""A product whose left operand is a view of windows, which copies nothing (`mosaic/lowering/convolution.py`).

Forward, all tiles of a task take one part of the depth, whose panel of filters stays in the cache, and their sums wait. Both
gradients are such products too, and go through the depth as suits the panel: that of x is a product over windows of g for each
remainder of positions by the strides, that of the filters one whose depth are the positions.
"""

from __future__ import annotations

from mosaic.algorithms.convolution.cases import (
    RANKS,
    full_product_cycles,
    no_tiles,
    operation_of,
    outputs_of_group,
    touched_cycles,
)
from mosaic.algorithms.convolution.through_depth import lower_through_depth
from mosaic.algorithms.costs import product_cycles
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import register
from mosaic.lowering.convolution import fewest_columns
from mosaic.lowering.registry import lower

_share = 0.88  # of the limit of multiply-adds: sums wait in memory between parts of the depth
_summary = "one product over a view of windows, channels last, filters in panels"


def _why_not(case: Case) -> str:
    count = outputs_of_group(case)
    if operation_of(case).groups > 1 and count < fewest_columns:
        return f"a product needs {fewest_columns} outputs a group, and there are {count}"
    return no_tiles(case)


def _num_cycles(case: Case) -> float:
    return full_product_cycles(case, _share) + touched_cycles(case)


def _num_gradient_cycles(case: Case) -> float:
    products = case.operation.cost(case.operand_types, case.types)
    return product_cycles(products, case.types[0].dtype.itemsize, case.target, _share) + touched_cycles(case)


for _rank in RANKS:
    register(
        Algorithm(f"conv{_rank}d", "implicit gemm", _summary, lower_through_depth(is_deep=False), _num_cycles, _why_not)
    )
    for _operation in ("conv_transpose{}d", "conv{}d_weight"):
        register(Algorithm(_operation.format(_rank), "implicit gemm", _summary, lower, _num_gradient_cycles))
