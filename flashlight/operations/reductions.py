"""Sums, means, extrema, variances and norms along axes. Running sums are in running.py."""

from __future__ import annotations

import math

import numpy as np

import composit.numpy as cnp
from composit import nn
from composit.nn.distances import norm_along, root
from composit.nn.gradient_flow import sloped
from composit.operation import Axes
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, axes_of, cast, typed
from flashlight.table import Call, register

Dim = int | list[int] | None
_RENORM_EPSILON = 1e-7  # torch's, against a division by 0


@register(aten.sum)
def _sum(call: Call, x: LazyTensor, dim: Dim = None, keepdim: bool = False, dtype: object = None) -> LazyTensor:
    return cast(cnp.sum(cast(x, call.dtype), axis=axes_of(dim, x.ndim), keepdims=keepdim), call.dtype)


@register(aten.nansum)
def _sum_without_nan(
    call: Call, x: LazyTensor, dim: Dim = None, keepdim: bool = False, dtype: object = None
) -> LazyTensor:
    return _sum(call, cnp.where(cnp.isnan(x), 0, x), dim, keepdim)


@register(aten.prod)
def _product(call: Call, x: LazyTensor, dim: Dim = None, keepdim: bool = False, dtype: object = None) -> LazyTensor:
    return cast(cnp.prod(cast(x, call.dtype), axis=axes_of(dim, x.ndim), keepdims=keepdim), call.dtype)


@register(aten.mean)
def _mean(call: Call, x: LazyTensor, dim: Dim = None, keepdim: bool = False, dtype: object = None) -> LazyTensor:
    return cast(cnp.mean(cast(x, call.dtype), axis=axes_of(dim, x.ndim), keepdims=keepdim), call.dtype)


@register(aten.all, aten._is_all_true)
def _all(call: Call, x: LazyTensor, dim: Dim = None, keepdim: bool = False) -> LazyTensor:
    return cast(cnp.all(x, axis=axes_of(dim, x.ndim), keepdims=keepdim), call.dtype)


@register(aten.any, aten._is_any_true)
def _any(call: Call, x: LazyTensor, dim: Dim = None, keepdim: bool = False) -> LazyTensor:
    return cast(cnp.any(x, axis=axes_of(dim, x.ndim), keepdims=keepdim), call.dtype)


@register(aten.count_nonzero)
def _count(call: Call, x: LazyTensor, dim: Dim = None) -> LazyTensor:
    return cnp.sum(x != 0, axis=axes_of(dim, x.ndim), dtype=call.dtype)


@register(aten.amax, aten.max.default)
def _max(call: Call, x: LazyTensor, dim: Dim = None, keepdim: bool = False) -> LazyTensor:
    return cnp.max(x, axis=axes_of(dim, x.ndim), keepdims=keepdim)


@register(aten.amin, aten.min.default)
def _min(call: Call, x: LazyTensor, dim: Dim = None, keepdim: bool = False) -> LazyTensor:
    return cnp.min(x, axis=axes_of(dim, x.ndim), keepdims=keepdim)


@register(aten.aminmax)
def _extrema(call: Call, x: LazyTensor, *, dim: int | None = None, keepdim: bool = False) -> list[LazyTensor]:
    return [_min(call, x, dim, keepdim), _max(call, x, dim, keepdim)]


@register(aten.max.dim)
def _max_and_where(call: Call, x: LazyTensor, dim: int, keepdim: bool = False) -> list[LazyTensor]:
    return at_position(x, cnp.argmax(x, axis=dim, keepdims=True) if x.ndim else None, dim, keepdim)


@register(aten.min.dim)
def _min_and_where(call: Call, x: LazyTensor, dim: int, keepdim: bool = False) -> list[LazyTensor]:
    return at_position(x, cnp.argmin(x, axis=dim, keepdims=True) if x.ndim else None, dim, keepdim)


def at_position(x: LazyTensor, position: LazyTensor | None, dim: int, keepdim: bool) -> list[LazyTensor]:
    """Return the elements at positions along an axis, and the positions: where they are, the derivative is. None for rank 0."""
    if position is None:
        return [x, cnp.asarray(np.int64(0))]
    value = cnp.take_along_axis(x, position, axis=dim)
    return [value, position] if keepdim else [cnp.squeeze(value, dim), cnp.squeeze(position, dim)]


@register(aten.argmax)
def _argmax(call: Call, x: LazyTensor, dim: int | None = None, keepdim: bool = False) -> LazyTensor:
    return cnp.argmax(x, axis=dim if x.ndim else None, keepdims=keepdim)


@register(aten.argmin)
def _argmin(call: Call, x: LazyTensor, dim: int | None = None, keepdim: bool = False) -> LazyTensor:
    return cnp.argmin(x, axis=dim if x.ndim else None, keepdims=keepdim)


def _variance_of(x: LazyTensor, dim: Dim, correction: float | None, keepdim: bool) -> LazyTensor:
    correction = 1 if correction is None else correction
    return cnp.var(x, axis=axes_of(dim, x.ndim), ddof=correction, keepdims=keepdim)


@register(aten.var.correction)
def _variance(
    call: Call, x: LazyTensor, dim: Dim = None, *, correction: float | None = None, keepdim: bool = False
) -> LazyTensor:
    return cast(_variance_of(x, dim, correction, keepdim), call.dtype)


@register(aten.std.correction)
def _deviation(
    call: Call, x: LazyTensor, dim: Dim = None, *, correction: float | None = None, keepdim: bool = False
) -> LazyTensor:
    # The derivative at a deviation of 0 is 0.
    return cast(root(_variance_of(x, dim, correction, keepdim)), call.dtype)


def _mean_of(call: Call, x: LazyTensor, dim: Dim, keepdim: bool) -> LazyTensor:
    dtype, _ = call.result_types[1]
    mean = cnp.mean(x, axis=axes_of(dim, x.ndim), keepdims=keepdim)
    if mean.dtype.kind == "f":
        # torch subtracts infinite elements from each other; the one exception, a single infinity that is the last element, is not kept.
        mean = cnp.where(cnp.isinf(mean), typed(np.nan, mean.dtype), mean)
    return cast(mean, dtype)


@register(aten.var_mean.correction)
def _variance_and_mean(
    call: Call, x: LazyTensor, dim: Dim = None, *, correction: float | None = None, keepdim: bool = False
) -> tuple[LazyTensor, LazyTensor]:
    return _variance(call, x, dim, correction=correction, keepdim=keepdim), _mean_of(call, x, dim, keepdim)


@register(aten.std_mean.correction)
def _deviation_and_mean(
    call: Call, x: LazyTensor, dim: Dim = None, *, correction: float | None = None, keepdim: bool = False
) -> tuple[LazyTensor, LazyTensor]:
    return _deviation(call, x, dim, correction=correction, keepdim=keepdim), _mean_of(call, x, dim, keepdim)


@register(aten.logsumexp)
def _log_sum_exp(call: Call, x: LazyTensor, dim: Dim, keepdim: bool = False) -> LazyTensor:
    x, axes = cast(x, call.dtype), axes_of(dim, x.ndim)
    if x.dtype.kind == "c":
        largest = cnp.max(cnp.real(x), axis=axes, keepdims=True)
        shift = cnp.where(cnp.isfinite(largest), largest, 0)
        total = cnp.log(cnp.sum(cnp.exp(x - shift), axis=axes, keepdims=True)) + shift
        return cnp.reshape(total, call.shape)
    total = cnp.reshape(nn.logsumexp(x, axes, keepdims=True), call.shape)
    # The gradient of a row of minus infinities is NaN.
    slopes = cnp.where(total == -np.inf, typed(np.nan, total.dtype), typed(1, total.dtype))
    return cast(sloped(total, slopes), call.dtype)


@register(aten.linalg_vector_norm)
def _vector_norm(
    call: Call, x: LazyTensor, ord: float = 2, dim: Dim = None, keepdim: bool = False, *, dtype: object = None
) -> LazyTensor:
    return cast(_norm_of(x, ord, axes_of(dim, x.ndim), keepdim), call.dtype)


def _norm_of(x: LazyTensor, order: float, axes: Axes | None, keepdims: bool) -> LazyTensor:
    every = tuple(range(x.ndim)) if axes is None else axes
    size = cnp.absolute(x) if x.dtype.kind == "c" else x
    size = size if size.dtype.kind == "f" else cast(size, np.dtype(np.float64))
    if order == -math.inf:
        return cnp.min(cnp.absolute(size), axis=every, keepdims=keepdims)
    return norm_along("norm", size, order, every, keepdims)


@register(aten.norm)
def _norm(
    call: Call,
    x: LazyTensor,
    p: float | None = 2,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: object = None,
) -> LazyTensor:
    return cast(_norm_of(x, 2 if p is None else p, axes_of(dim, x.ndim), keepdim), call.dtype)


@register(aten.dist)
def _distance(call: Call, x: LazyTensor, y: LazyTensor, p: float = 2) -> LazyTensor:
    return cast(_norm_of(cast(x, call.dtype) - cast(y, call.dtype), p, None, False), call.dtype)


@register(aten.renorm)
def _renorm(call: Call, x: LazyTensor, p: float, dim: int, maxnorm: float) -> LazyTensor:
    axes = tuple(axis for axis in range(x.ndim) if axis != dim % x.ndim)
    is_large = _norm_of(x, p, axes, True) > maxnorm
    # The norm is computed again where it is used: elsewhere it has no gradient, which NaN would make NaN.
    norms = _norm_of(cnp.where(is_large, x, 0), p, axes, True)
    return cast(x * cnp.where(is_large, maxnorm / (norms + _RENORM_EPSILON), 1), call.dtype)


@register(aten.trace)
def _trace(call: Call, x: LazyTensor) -> LazyTensor:
    return cast(cnp.trace(x), call.dtype)
