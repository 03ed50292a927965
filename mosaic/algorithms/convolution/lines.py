"""Products along the lines of images whose channels come first (`mosaic/lowering/convolution_lines.py`).

What comes from outside and goes there is not brought into another order and back: for few channels, or filters of one tap, that
takes longer than the products.

Weakness: lanes stay empty at the end of each line, and the filters' numbers are loaded once for each part of a line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from composit.operation import Operation
from mosaic.algorithms.convolution.cases import (
    RANKS,
    as_convolution,
    no_tiles,
    num_products,
    operation_of,
    outputs_of_group,
    touched_cycles,
)
from mosaic.algorithms.costs import product_cycles
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import register
from mosaic.lowering.convolution import fewest_columns
from mosaic.lowering.convolution_lines import along_lines
from mosaic.lowering.registry import Context, Value

_share = 0.75  # of the limit of multiply-adds


def _lower(operation: Operation, context: Context) -> Sequence[Value]:
    return along_lines(as_convolution(operation), context)


def _why_not(case: Case) -> str:
    count = outputs_of_group(case)
    if operation_of(case).groups > 1 and count < fewest_columns:
        return f"a product needs {fewest_columns} outputs a group, and there are {count}"
    return no_tiles(case)


def _num_cycles(case: Case) -> float:
    itemsize, shape = case.types[0].dtype.itemsize, case.types[0].shape
    kernel = case.operand_types[1].shape[2:]
    columns = math.prod(shape[2:]) if math.prod(kernel) == 1 else shape[-1]
    lanes = case.target.lanes(itemsize)
    full = math.ceil(columns / lanes) * lanes / max(1, columns)
    return product_cycles(num_products(case) * full, itemsize, case.target, _share) + touched_cycles(
        case, has_channels_last=False
    )


for _rank in RANKS:
    register(
        Algorithm(
            f"conv{_rank}d",
            "lines",
            "a product for each line, or each image where filters have one tap, channels first",
            _lower,
            _num_cycles,
            _why_not,
        )
    )
