"""The gradient of filters by sums in registers over blocks of positions, which every tap reads from one copy (`mosaic.ir.filter_sums`).

Weakness: lanes run along the channels of a group: with few of them, most are empty. Each task copies its part of the image anew.
"""

from __future__ import annotations

from composit.nn.operations.convolution import FilterGradient
from mosaic.algorithms.convolution.cases import is_tiled
from mosaic.algorithms.costs import memory_cycles, num_bytes, product_cycles
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import register
from mosaic.lowering.filter_gradient import sums_by_groups, sums_over_positions

_share = 0.9  # of the limit of multiply-adds


def _why_not(case: Case) -> str:
    if not is_tiled(case):
        return (
            f"sums are of float32 or float64, the same for both operands, not {', '.join(map(str, case.operand_types))}"
        )
    return ""


def _num_cycles(case: Case) -> float:
    result, itemsize = case.types[0], case.types[0].dtype.itemsize
    lanes = case.target.lanes(itemsize)
    channels = max(1, result.shape[1])
    full = -(-channels // lanes) * lanes / channels
    products = case.operation.cost(case.operand_types, case.types) * full
    moved = memory_cycles(num_bytes((*case.operand_types, *case.types)), case.target)
    return product_cycles(products, itemsize, case.target, _share) + moved


_share_of_lanes = 0.45  # of the limit: a load for each multiply-add, from L2
_most_in_group = 8


def _why_not_by_groups(case: Case) -> str:
    result, operation = case.types[0], case.operation
    assert isinstance(operation, FilterGradient), "registered for gradients of filters"
    outputs, channels = result.shape[0] // operation.groups, result.shape[1]
    if outputs != channels or channels not in (1, 2, 4, 8) or channels > case.target.lanes(result.dtype.itemsize):
        return (
            f"it is for groups of as many outputs as channels, 1, 2, 4 or {_most_in_group} that fit in a vector, and there are"
            f" {outputs} and {channels}"
        )
    return _why_not(case)


def _num_cycles_by_groups(case: Case) -> float:
    result, itemsize = case.types[0], case.types[0].dtype.itemsize
    lanes, channels = case.target.lanes(itemsize), max(1, result.shape[0])
    full = -(-channels // lanes) * lanes / channels
    products = case.operation.cost(case.operand_types, case.types) * full
    moved = memory_cycles(num_bytes((*case.operand_types, *case.types)), case.target)
    return product_cycles(products, itemsize, case.target, _share_of_lanes) + moved


for _rank in (1, 2):
    register(
        Algorithm(
            f"conv{_rank}d_weight",
            "depthwise",
            "sums in registers line by line, lanes along the channels of all groups",
            sums_by_groups,
            _num_cycles_by_groups,
            _why_not_by_groups,
        )
    )
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
