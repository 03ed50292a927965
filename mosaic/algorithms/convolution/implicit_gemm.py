"""A product whose left operand is a view of windows, which copies nothing (`mosaic/lowering/convolution.py`).

Forward, all tiles of a task take one part of the depth, whose panel of filters stays in the cache, and their sums wait. Both
gradients are such products too, and go through the depth as suits the panel: that of x is a product over windows of g for each
remainder of positions by the strides, that of the filters one whose depth are the positions.
"""

from __future__ import annotations

import math
from functools import singledispatch

from composit.nn.operations.convolution import FilterGradient, TransposedConvolution
from composit.operation import Operation
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
_share_of_narrow = 0.03  # of sums along positions, whose lanes run along groups
_summary = "one product over a view of windows, channels last, filters in panels"


def _why_not(case: Case) -> str:
    count = outputs_of_group(case)
    if operation_of(case).groups > 1 and count < fewest_columns:
        return f"a product needs {fewest_columns} outputs a group, and there are {count}"
    return no_tiles(case)


def _num_cycles(case: Case) -> float:
    return full_product_cycles(case, _share) + touched_cycles(case)


def _num_gradient_cycles(case: Case) -> float:
    """Return the cycles, of which lanes without a column take their part; groups of few columns are sums without tiles."""
    products, itemsize = case.operation.cost(case.operand_types, case.types), case.types[0].dtype.itemsize
    columns, groups = _columns(case.operation, case)
    is_narrow = groups > 1 and columns < fewest_columns
    lanes = case.target.lanes(itemsize)
    full = 1 if is_narrow else math.ceil(columns / lanes) * lanes / columns
    share = _share_of_narrow if is_narrow else _share
    return product_cycles(products * full, itemsize, case.target, share) + touched_cycles(case)


@singledispatch
def _columns(operation: Operation, case: Case) -> tuple[int, int]:
    """Return the columns of the product of a group, and the number of groups."""
    raise TypeError(f"_columns: {operation} is no gradient of a convolution")


@_columns.register
def _(operation: TransposedConvolution, case: Case) -> tuple[int, int]:
    return max(1, case.types[0].shape[1] // operation.groups), operation.groups


@_columns.register
def _(operation: FilterGradient, case: Case) -> tuple[int, int]:
    return max(1, case.types[0].shape[0] // operation.groups), operation.groups


for _rank in RANKS:
    register(
        Algorithm(f"conv{_rank}d", "implicit gemm", _summary, lower_through_depth(is_deep=False), _num_cycles, _why_not)
    )
    for _operation in ("conv_transpose{}d", "conv{}d_weight"):
        register(Algorithm(_operation.format(_rank), "implicit gemm", _summary, lower, _num_gradient_cycles))
