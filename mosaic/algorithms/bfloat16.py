"""Products whose operands are rounded to bfloat16, with float32 sums, on instructions for that (AMX-BF16, AVX512-BF16).

The left operand is stored as 16 bits a number, where it is computed or before the product; the right one in panels of pairs
(`mosaic.tiling.pairs`), once if it is constant. Both are rounded to the nearest, which changes each factor by at most 2**-8 of
itself; so a result differs from float32's by at most about 2**-7 of the sum of the products' magnitudes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from composit.operation import Operation
from mosaic.algorithms.costs import memory_cycles, num_bytes, product_cycles
from mosaic.algorithms.record import Algorithm, Case
from mosaic.algorithms.registry import register
from mosaic.ir.expressions import Accumulated, Load, literal
from mosaic.ir.statements import Bfloat16Matmul
from mosaic.ir.views import View
from mosaic.lowering.registry import Context, Value
from mosaic.matmul.bfloat16_product import PADDED_ROWS
from mosaic.tiling.pairs import BITS, as_bfloat16, padded_depth

_SHARE = 0.5  # of the limit of these instructions: loading tiles takes as long as multiplying them
_SPEEDS = {"tiles": 8.0, "pairs": 2.0}  # multiply-adds a cycle, against those of float32


def _why_not(case: Case) -> str:
    if not case.target.bfloat16:
        return "the code is for a processor without instructions on bfloat16, or precision='bfloat16' was not asked for"
    left, right = case.operand_types
    if {left.dtype, right.dtype} != {np.dtype(np.float32)}:
        return f"operands of float32 are rounded to bfloat16, not {left}, {right}"
    if len(left.shape) < 2 or len(right.shape) != 2:
        return f"a matrix, or a stack of matrices, is multiplied by one matrix, not {left} by {right}"
    return "" if min(case.types[0].size, left.shape[-1]) else "an operand is empty"


def _num_cycles(case: Case) -> float:
    products = math.prod(case.types[0].shape) * case.operand_types[0].shape[-1]
    share = _SHARE * _SPEEDS[case.target.bfloat16]
    touched = memory_cycles(num_bytes((*case.operand_types, *case.types)), case.target)
    return max(product_cycles(products, 4, case.target, share), touched)


def _lower(operation: Operation, context: Context) -> Sequence[Value]:
    left, right, result = context.view(0), context.view(1), context.result()
    rows, depth = math.prod(left.shape[:-1]), left.shape[-1]
    stored = _rounded(context, left, rows, depth)
    product = result.reshape((rows, result.shape[-1]))
    assert product is not None, "a new array is dense"
    sums = Accumulated(np.dtype(np.float32))
    context.statements.append(Bfloat16Matmul(product, stored, right, sums, (context.position,)))
    return (result,)


def _rounded(context: Context, left: View, rows: int, depth: int) -> View:
    """Return the rows of the left operand as bfloat16, followed by zeros, in memory for whole tiles of rows."""
    whole = context.memory.temporary((-(-rows // PADDED_ROWS) * PADDED_ROWS, padded_depth(depth)), BITS)
    used = whole.slice_axis(0, 0, rows)
    stored = used.slice_axis(1, 0, depth)
    target = stored.reshape(left.shape)
    assert target is not None, "splitting an axis keeps strides"
    context.define(target, as_bfloat16(Load(left)))
    if depth < whole.shape[1]:
        context.define(used.slice_axis(1, depth, whole.shape[1] - depth), literal(0, BITS))
    return stored


register(
    Algorithm(
        "matmul",
        "gemm bfloat16",
        "operands rounded to bfloat16, float32 sums, two products an instruction or tiles of them",
        _lower,
        _num_cycles,
        _why_not,
        is_default=False,
        error="differs from float32 by at most 2**-7 of the sum of the magnitudes of the products",
        precision="bfloat16",
    )
)
