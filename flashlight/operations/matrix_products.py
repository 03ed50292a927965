"""Matrix products and linear layers."""

from __future__ import annotations

import composit.numpy as cnp
from composit.types import LazyTensor
from flashlight.operations.arguments import aten
from flashlight.table import Call, register


@register(aten.mm, aten.bmm, aten.matmul, aten.mv, aten.dot)
def _matmul(call: Call, x: LazyTensor, y: LazyTensor) -> LazyTensor:
    return cnp.matmul(x, y)


@register(aten.linear)
def _linear(call: Call, x: LazyTensor, weight: LazyTensor, bias: LazyTensor | None = None) -> LazyTensor:
    product = cnp.matmul(x, cnp.transpose(weight))
    return product if bias is None else product + bias


@register(aten.addmm, aten.addmv, aten.baddbmm)
def _add_product(
    call: Call, addend: LazyTensor, x: LazyTensor, y: LazyTensor, beta: complex = 1, alpha: complex = 1
) -> LazyTensor:
    product = cnp.matmul(x, y)
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        # With beta == 0 torch ignores the addend, even a NaN in it.
        return product
    return product + (addend if beta == 1 else addend * beta)


@register(aten.outer, aten.ger)
def _outer(call: Call, x: LazyTensor, y: LazyTensor) -> LazyTensor:
    return cnp.expand_dims(x, 1) * y
