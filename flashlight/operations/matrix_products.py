"""Matrix products and linear layers."""

from __future__ import annotations

import composit.numpy as cnp
from flashlight.operations.arguments import Lazy, aten
from flashlight.table import Call, register


@register(aten.mm, aten.bmm, aten.matmul, aten.mv, aten.dot)
def _matmul(call: Call, x: Lazy, y: Lazy) -> Lazy:
    return cnp.matmul(x, y)


@register(aten.linear)
def _linear(call: Call, x: Lazy, weight: Lazy, bias: Lazy = None) -> Lazy:
    product = cnp.matmul(x, cnp.transpose(weight))
    return product if bias is None else product + bias


@register(aten.addmm, aten.addmv, aten.baddbmm)
def _add_product(call: Call, addend: Lazy, x: Lazy, y: Lazy, beta: complex = 1, alpha: complex = 1) -> Lazy:
    product = cnp.matmul(x, y)
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        # With beta == 0 torch ignores the addend, even a NaN in it.
        return product
    return product + (addend if beta == 1 else addend * beta)


@register(aten.outer, aten.ger)
def _outer(call: Call, x: Lazy, y: Lazy) -> Lazy:
    return cnp.expand_dims(x, 1) * y
