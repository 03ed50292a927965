"""Sums, means, extrema, variances, norms and running sums."""

from __future__ import annotations

import composit.numpy as cnp
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, axes_of, cast
from flashlight.table import Call, register

Dim = int | list[int] | None


@register(aten.sum)
def _sum(call: Call, x: LazyTensor, dim: Dim = None, keepdim: bool = False, dtype: object = None) -> LazyTensor:
    return cnp.sum(cast(x, call.dtype), axis=axes_of(dim, x.ndim), keepdims=keepdim)


@register(aten.prod)
def _product(call: Call, x: LazyTensor, dim: Dim = None, keepdim: bool = False, dtype: object = None) -> LazyTensor:
    return cnp.prod(cast(x, call.dtype), axis=axes_of(dim, x.ndim), keepdims=keepdim)


@register(aten.mean)
def _mean(call: Call, x: LazyTensor, dim: Dim = None, keepdim: bool = False, dtype: object = None) -> LazyTensor:
    return cnp.mean(cast(x, call.dtype), axis=axes_of(dim, x.ndim), keepdims=keepdim)


@register(aten.all)
def _all(call: Call, x: LazyTensor, dim: Dim = None, keepdim: bool = False) -> LazyTensor:
    return cnp.all(x, axis=axes_of(dim, x.ndim), keepdims=keepdim)


@register(aten.any)
def _any(call: Call, x: LazyTensor, dim: Dim = None, keepdim: bool = False) -> LazyTensor:
    return cnp.any(x, axis=axes_of(dim, x.ndim), keepdims=keepdim)


@register(aten.amax, aten.max.default)
def _max(call: Call, x: LazyTensor, dim: Dim = None, keepdim: bool = False) -> LazyTensor:
    return cnp.max(x, axis=axes_of(dim, x.ndim), keepdims=keepdim)


@register(aten.amin, aten.min.default)
def _min(call: Call, x: LazyTensor, dim: Dim = None, keepdim: bool = False) -> LazyTensor:
    return cnp.min(x, axis=axes_of(dim, x.ndim), keepdims=keepdim)


@register(aten.max.dim)
def _max_and_where(call: Call, x: LazyTensor, dim: int, keepdim: bool = False) -> object:
    if not x.ndim:
        return NotImplemented
    return cnp.max(x, axis=dim, keepdims=keepdim), cnp.argmax(x, axis=dim, keepdims=keepdim)


@register(aten.min.dim)
def _min_and_where(call: Call, x: LazyTensor, dim: int, keepdim: bool = False) -> object:
    if not x.ndim:
        return NotImplemented
    return cnp.min(x, axis=dim, keepdims=keepdim), cnp.argmin(x, axis=dim, keepdims=keepdim)


@register(aten.max.other)
def _maximum(call: Call, x: LazyTensor, y: LazyTensor) -> LazyTensor:
    return cnp.maximum(cast(x, call.dtype), cast(y, call.dtype))


@register(aten.min.other)
def _minimum(call: Call, x: LazyTensor, y: LazyTensor) -> LazyTensor:
    return cnp.minimum(cast(x, call.dtype), cast(y, call.dtype))


@register(aten.argmax)
def _argmax(call: Call, x: LazyTensor, dim: int | None = None, keepdim: bool = False) -> LazyTensor:
    return cnp.argmax(x, axis=dim, keepdims=keepdim)


@register(aten.argmin)
def _argmin(call: Call, x: LazyTensor, dim: int | None = None, keepdim: bool = False) -> LazyTensor:
    return cnp.argmin(x, axis=dim, keepdims=keepdim)


def _variance_of(x: LazyTensor, dim: Dim, correction: float | None, keepdim: bool) -> LazyTensor:
    correction = 1 if correction is None else correction
    return cnp.var(x, axis=axes_of(dim, x.ndim), ddof=correction, keepdims=keepdim)


@register(aten.var.correction)
def _variance(
    call: Call, x: LazyTensor, dim: Dim = None, correction: float | None = None, keepdim: bool = False
) -> LazyTensor:
    return _variance_of(x, dim, correction, keepdim)


@register(aten.std.correction)
def _deviation(
    call: Call, x: LazyTensor, dim: Dim = None, correction: float | None = None, keepdim: bool = False
) -> LazyTensor:
    return cnp.sqrt(_variance_of(x, dim, correction, keepdim))


@register(aten.var_mean.correction)
def _variance_and_mean(
    call: Call, x: LazyTensor, dim: Dim = None, correction: float | None = None, keepdim: bool = False
) -> tuple[LazyTensor, LazyTensor]:
    return _variance_of(x, dim, correction, keepdim), cnp.mean(x, axis=axes_of(dim, x.ndim), keepdims=keepdim)


@register(aten.cumsum)
def _running_sum(call: Call, x: LazyTensor, dim: int, dtype: object = None) -> LazyTensor:
    return cnp.cumsum(cast(x, call.dtype), axis=dim) if x.ndim else cast(x, call.dtype)


@register(aten.cumprod)
def _running_product(call: Call, x: LazyTensor, dim: int, dtype: object = None) -> LazyTensor:
    return cnp.cumprod(cast(x, call.dtype), axis=dim) if x.ndim else cast(x, call.dtype)


@register(aten.logsumexp)
def _log_sum_exp(call: Call, x: LazyTensor, dim: Dim, keepdim: bool = False) -> LazyTensor:
    axes = axes_of(dim, x.ndim)
    x = cast(x, call.dtype)
    largest = cnp.max(x, axis=axes, keepdims=True)
    total = largest + cnp.log(cnp.sum(cnp.exp(x - largest), axis=axes, keepdims=True))
    return total if keepdim else cnp.reshape(total, call.shape)


@register(aten.linalg_vector_norm)
def _vector_norm(
    call: Call, x: LazyTensor, ord: float = 2, dim: Dim = None, keepdim: bool = False, dtype: object = None
) -> LazyTensor:
    axes = axes_of(dim, x.ndim)
    size = cnp.absolute(cast(x, call.dtype))
    if ord == 2:
        return cnp.sqrt(cnp.sum(cnp.square(size), axis=axes, keepdims=keepdim))
    if ord == 1:
        return cnp.sum(size, axis=axes, keepdims=keepdim)
    if ord == float("inf"):
        return cnp.max(size, axis=axes, keepdims=keepdim)
    return cnp.power(cnp.sum(cnp.power(size, ord), axis=axes, keepdims=keepdim), 1 / ord)
