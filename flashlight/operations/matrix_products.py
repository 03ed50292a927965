"""Matrix products, linear layers, and products that are added to a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit import nn
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, pulled_back, typed
from flashlight.table import Call, register


@register(aten.mm, aten.bmm, aten.matmul, aten.mv, aten.dot)
def _matmul(call: Call, x: LazyTensor, y: LazyTensor, out_dtype: object = None) -> LazyTensor:
    return cast(cnp.matmul(x, y), call.dtype)


@register(aten.vdot)
def _dot_of_conjugate(call: Call, x: LazyTensor, y: LazyTensor) -> LazyTensor:
    return cnp.matmul(cnp.conjugate(x), y)


@register(aten.linear)
def _linear(call: Call, x: LazyTensor, weight: LazyTensor, bias: LazyTensor | None = None) -> LazyTensor:
    product = cnp.matmul(x, cnp.transpose(weight))
    return cast(product if bias is None else product + bias, call.dtype)


def _added(call: Call, addend: LazyTensor, product: LazyTensor, beta: complex, alpha: complex) -> LazyTensor:
    # Among integers the factors wrap to their dtype.
    is_integral = product.dtype.kind in "iu"
    product = product if alpha == 1 else product * (typed(alpha, product.dtype) if is_integral else alpha)
    if beta == 0:
        # With beta == 0 torch ignores the addend, even a NaN in it.
        result = cnp.broadcast_to(product, call.shape)
    else:
        scaled = addend if beta == 1 else addend * (typed(beta, product.dtype) if is_integral else beta)
        result = cnp.add(product, scaled)
    return cast(result, call.dtype)


@register(aten.addmm, aten.addmv, aten.baddbmm)
def _add_product(
    call: Call,
    addend: LazyTensor,
    x: LazyTensor,
    y: LazyTensor,
    out_dtype: object = None,
    *,
    beta: complex = 1,
    alpha: complex = 1,
) -> LazyTensor:
    return _added(call, addend, cnp.matmul(x, y), beta, alpha)


@register(aten.addbmm)
def _add_sum_of_products(
    call: Call, addend: LazyTensor, x: LazyTensor, y: LazyTensor, *, beta: complex = 1, alpha: complex = 1
) -> LazyTensor:
    return _added(call, addend, cnp.sum(cnp.matmul(x, y), axis=0), beta, alpha)


@register(aten.addr)
def _add_outer_product(
    call: Call, addend: LazyTensor, x: LazyTensor, y: LazyTensor, *, beta: complex = 1, alpha: complex = 1
) -> LazyTensor:
    operands = (cast(each, call.dtype) for each in (x, y, addend))
    x, y, addend = operands
    return _added(call, addend, cnp.expand_dims(x, 1) * y, beta, alpha)


@register(aten._addmm_activation)
def _activated_product(
    call: Call,
    addend: LazyTensor,
    x: LazyTensor,
    y: LazyTensor,
    *,
    beta: complex = 1,
    alpha: complex = 1,
    use_gelu: bool = False,
) -> LazyTensor:
    product = _added(call, addend, cnp.matmul(x, y), beta, alpha)
    return nn.gelu(product, "tanh") if use_gelu else nn.relu(product)


@register(aten.outer, aten.ger)
def _outer(call: Call, x: LazyTensor, y: LazyTensor) -> LazyTensor:
    return cnp.expand_dims(cast(x, call.dtype), 1) * cast(y, call.dtype)


@register(aten._grouped_mm)
def _grouped_product(
    call: Call,
    x: LazyTensor,
    y: LazyTensor,
    offs: LazyTensor | None = None,
    bias: LazyTensor | None = None,
    out_dtype: object = None,
) -> LazyTensor:
    """Multiply parts of x, which end at the offsets, with matrices of y: each part by masks, so that no offset is read."""
    if offs is None:
        return cast(cnp.matmul(x, y), call.dtype)
    ends = cnp.reshape(offs, (-1, 1))
    starts = cnp.concatenate([cnp.zeros((1, 1), offs.dtype), ends[:-1]], axis=0)

    def masks(length: int) -> LazyTensor:
        places = np.arange(length)
        return (starts <= places) & (places < ends)

    if x.ndim == 2 and y.ndim == 3:
        kept = cnp.expand_dims(masks(x.shape[0]), -1)
        return cast(cnp.sum(cnp.where(kept, x, 0) @ y, axis=0), call.dtype)
    if x.ndim == 3 and y.ndim == 2:
        kept = cnp.expand_dims(masks(y.shape[1]), 1)
        return cast(cnp.sum(x @ cnp.where(kept, y, 0), axis=0), call.dtype)
    if x.ndim == 2:
        kept = cnp.expand_dims(masks(x.shape[1]), 1)
        return cast(cnp.where(kept, x, 0) @ y, call.dtype)
    return cast(cnp.matmul(x, y), call.dtype)


@register(aten._trilinear)
def _trilinear(
    call: Call,
    x: LazyTensor,
    y: LazyTensor,
    z: LazyTensor,
    expand1: Sequence[int],
    expand2: Sequence[int],
    expand3: Sequence[int],
    sumdim: Sequence[int],
    unroll_dim: int = 1,
) -> LazyTensor:
    def expanded(tensor: LazyTensor, axes: Sequence[int]) -> LazyTensor:
        return cnp.expand_dims(tensor, tuple(axes)) if axes else tensor

    product = expanded(x, expand1) * expanded(y, expand2) * expanded(z, expand3)
    return cnp.sum(product, axis=tuple(sumdim)) if sumdim else product


@register(aten._weight_norm_interface)
def _weight_norm(call: Call, v: LazyTensor, g: LazyTensor, dim: int = 0) -> list[Any]:
    axes = tuple(axis for axis in range(v.ndim) if axis != dim % v.ndim)
    norms = cnp.sqrt(cnp.sum(cnp.square(v), axis=axes, keepdims=True))
    return [v * (g / norms), norms]


@register(aten._weight_norm_interface_backward)
def _weight_norm_backward(
    call: Call, grad_w: LazyTensor, v: LazyTensor, g: LazyTensor, norms: LazyTensor, dim: int
) -> Sequence[LazyTensor]:
    return pulled_back(lambda v, g: _weight_norm(call, v, g, dim)[0], (v, g), grad_w)
