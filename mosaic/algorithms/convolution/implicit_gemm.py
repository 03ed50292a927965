"""A product whose left operand is a view of windows, which copies nothing (`mosaic/lowering/convolution.py`).

It takes every case: where dtypes or few columns leave tiles of registers empty, the sums are a definition. So do both
gradients: that of x is a product over windows of g for each remainder of positions by the strides, that of the filters one
whose depth are the positions.
"""

from __future__ import annotations

from mosaic.algorithms.convolution.cases import RANKS
from mosaic.algorithms.costs import memory_cycles, num_bytes, product_cycles
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import register
from mosaic.lowering.registry import lower

_SHARE = 0.7  # of the limit of multiply-adds, at 64 channels and more


_OPERATIONS = ("conv{}d", "conv_transpose{}d", "conv{}d_weight")


def _num_cycles(case: Case) -> float:
    touched = memory_cycles(num_bytes((*case.operand_types, *case.types)), case.target)
    products = case.operation.cost(case.operand_types, case.types)
    return product_cycles(products, case.types[0].dtype.itemsize, case.target, _SHARE) + touched


for _rank in RANKS:
    for _operation in _OPERATIONS:
        register(
            Algorithm(
                _operation.format(_rank),
                "implicit gemm",
                "one product over a view of windows, channels last, filters in panels",
                lower,
                _num_cycles,
            )
        )
