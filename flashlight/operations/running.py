"""Running sums, products, extrema and log-sums along an axis."""

from __future__ import annotations

import numpy as np

import composit.numpy as cnp
from composit.nn.operations.cumulative import logcumsumexp
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast
from flashlight.table import Call, register


@register(aten.cumsum)
def _running_sum(call: Call, x: LazyTensor, dim: int, *, dtype: object = None) -> LazyTensor:
    x = cast(x, call.dtype)
    if not x.ndim:
        return x
    total = cast(cnp.cumsum(x, axis=dim), call.dtype)
    # torch adds to 0, so that no sum is -0.
    return total + call.dtype.type(0) if total.dtype.kind == "f" else total


@register(aten.cumprod)
def _running_product(call: Call, x: LazyTensor, dim: int, *, dtype: object = None) -> LazyTensor:
    x = cast(x, call.dtype)
    return cast(cnp.cumprod(x, axis=dim), call.dtype) if x.ndim else x


@register(aten.logcumsumexp, aten._logcumsumexp)
def _running_log_sum(call: Call, x: LazyTensor, dim: int) -> LazyTensor:
    if not x.ndim or not x.size:
        return x
    if x.dtype.kind == "c":
        return cnp.log(cnp.cumsum(cnp.exp(x), axis=dim))
    # A logarithm of torch's is no negative zero.
    return cast(logcumsumexp(x, dim) + 0.0, call.dtype)


@register(aten.cummax)
def _running_maximum(call: Call, x: LazyTensor, dim: int) -> list[LazyTensor]:
    return _running_extremum(x, dim, is_maximum=True)


@register(aten.cummin)
def _running_minimum(call: Call, x: LazyTensor, dim: int) -> list[LazyTensor]:
    return _running_extremum(x, dim, is_maximum=False)


def _running_extremum(x: LazyTensor, dim: int, *, is_maximum: bool) -> list[LazyTensor]:
    """Return running extrema and where they are: of equal elements the last, and NaN from the first NaN on."""
    if not x.ndim:
        return [x, cnp.asarray(np.int64(0))]
    axis = dim % x.ndim
    extrema = (cnp.maximum if is_maximum else cnp.minimum).accumulate(x, axis=axis)
    numbers = np.arange(x.shape[axis]).reshape(-1, *[1] * (x.ndim - 1 - axis))
    is_extremum = (x == extrema) | (x != x)
    places = cnp.maximum.accumulate(cnp.where(is_extremum, numbers, 0), axis=axis)
    return [cnp.take_along_axis(x, places, axis=axis), places]
