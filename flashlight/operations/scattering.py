"""Elements written or added at places that tensors choose: `scatter`, `index_put`, `index_add`; parts overwritten (slice_scatter)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit import nn
from composit.apply import apply
from composit.handle import TensorHandle
from composit.nn.arguments import counted_from_start
from composit.nn.gradient_flow import sloped
from composit.nn.operations.scattering import scatter_reduce
from composit.numpy.indexing.advanced_indices import ARRAY, AdvancedIndexAdjoint
from composit.operation import Shape
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, pulled_back, typed
from flashlight.operations.indexing import numpy_index
from flashlight.table import Call, register

# torch's older names of reductions.
_REDUCTIONS = {"add": "sum", "multiply": "prod"}


@register(aten.scatter)
def _scatter(
    call: Call, x: LazyTensor, dim: int, index: LazyTensor, source: LazyTensor | complex, *, reduce: str | None = None
) -> LazyTensor:
    if reduce is not None:
        filled = source if isinstance(source, TensorHandle) else cnp.full(index.shape, typed(source, x.dtype))
        return _scatter_reduce(call, x, dim, index, filled, _REDUCTIONS[reduce])
    values: Any = source if isinstance(source, TensorHandle) else typed(source, x.dtype)
    return _along(x, dim, index, values, lambda x, index, values: nn.scatter(x, index, values, dim))


@register(aten.scatter_add)
def _scatter_add(call: Call, x: LazyTensor, dim: int, index: LazyTensor, source: LazyTensor) -> LazyTensor:
    return _along(x, dim, index, source, lambda x, index, values: nn.scatter_add(x, index, values, dim))


@register(aten.scatter_reduce)
def _scatter_reduce(
    call: Call,
    x: LazyTensor,
    dim: int,
    index: LazyTensor,
    source: LazyTensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> LazyTensor:
    def combined(x: LazyTensor, index: LazyTensor, values: LazyTensor) -> LazyTensor:
        result = scatter_reduce(x, index, values, dim, reduction=reduce, includes_self=include_self)
        is_shared = reduce in ("amax", "amin") and not include_self and result.dtype.kind == "f"
        return sloped(result, _slopes_at_extrema(x, index, values, dim, result)) if is_shared else result

    return _along(x, dim, index, source, combined)


def _slopes_at_extrema(
    x: LazyTensor, index: LazyTensor, values: LazyTensor, dim: int, extrema: LazyTensor
) -> LazyTensor:
    """Return the part of the gradient that torch gives to the extrema of a source.

    An element of x that is as large as they are has its part, which torch drops, although x is not included.
    """
    written = values[tuple(slice(length) for length in index.shape)]
    is_extremum = cast(nn.gather(extrema, index, dim) == written, x.dtype)
    number = nn.scatter_add(cnp.zeros(x.shape, x.dtype), index, is_extremum, dim)
    return cast(cnp.where(number == 0, 1, number / cnp.maximum(number + (x == extrema), 1)), x.dtype)


def _along(x: LazyTensor, dim: int, index: LazyTensor, source: Any, function: Any) -> LazyTensor:
    """Call a function of x, indices and source, which torch also takes with rank 0."""
    vectors = [
        cnp.reshape(each, (1,)) if isinstance(each, TensorHandle) and not each.ndim else each
        for each in (x, index, source)
    ]
    vectors[1] = counted_from_start(vectors[1], vectors[0].shape[dim])
    result: LazyTensor = function(*vectors) if vectors[1].size else vectors[0]
    return cnp.reshape(result, x.shape)


@register(aten.index_reduce)
def _index_reduce(
    call: Call,
    x: LazyTensor,
    dim: int,
    index: LazyTensor,
    source: LazyTensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> LazyTensor:
    if not x.ndim:
        x, source = cnp.reshape(x, (1,)), cnp.reshape(source, (1,))
    places = cnp.broadcast_to(cnp.reshape(index, (-1, *[1] * (x.ndim - 1 - dim % x.ndim))), source.shape)
    result = _scatter_reduce(call, x, dim, places, source, reduce, include_self=include_self)
    return cnp.reshape(result, call.shape)


@register(aten.index_put, aten._unsafe_index_put)
def _index_put(
    call: Call, x: LazyTensor, indices: Sequence[LazyTensor | None], values: LazyTensor, accumulate: bool = False
) -> LazyTensor:
    mask = indices[0] if len(indices) == 1 else None
    if mask is not None and mask.dtype == np.bool_ and values.size == 1:
        # x[mask] = number -> where(mask, number, x): the mask is not read, so there is no guard.
        mask = cnp.reshape(mask, mask.shape + (1,) * (x.ndim - mask.ndim))
        value = cnp.reshape(cast(values, call.dtype), ())
        return cnp.where(mask, x + value if accumulate else value, x)
    places = _places_in(x)[numpy_index(indices)]
    return (_add_at if accumulate else _put_at)(x, places, cast(values, call.dtype))


@register(aten.index_add)
def _index_add(
    call: Call, x: LazyTensor, dim: int, index: LazyTensor, source: LazyTensor, *, alpha: complex = 1
) -> LazyTensor:
    added = source if alpha == 1 else source * typed(alpha, x.dtype)
    return _add_at(x, _rows(x, dim, index), added)


@register(aten.index_copy)
def _index_copy(call: Call, x: LazyTensor, dim: int, index: LazyTensor, source: LazyTensor) -> LazyTensor:
    return _put_at(x, _rows(x, dim, index), source)


@register(aten.index_fill)
def _index_fill(call: Call, x: LazyTensor, dim: int, index: LazyTensor, value: LazyTensor | complex) -> LazyTensor:
    filling = value if isinstance(value, TensorHandle) else cnp.asarray(typed(value, x.dtype))
    length = x.shape[dim] if x.ndim else 1
    # torch takes negative indices here.
    places = cnp.where(index < 0, index + length, index)
    return _put_at(x, _rows(x, dim, places), cast(filling, x.dtype))


@register(aten.put)
def _put(call: Call, x: LazyTensor, index: LazyTensor, source: LazyTensor, accumulate: bool = False) -> LazyTensor:
    places = cnp.where(index < 0, index + x.size, index)
    return (_add_at if accumulate else _put_at)(x, places, cnp.reshape(source, index.shape))


@register(aten.masked_scatter)
def _masked_scatter(call: Call, x: LazyTensor, mask: LazyTensor, source: LazyTensor) -> LazyTensor:
    return _written_where(x, mask, source, call.shape)


@register(aten.masked_scatter_backward)
def _masked_scatter_backward(call: Call, g: LazyTensor, mask: LazyTensor, sizes: Sequence[int]) -> LazyTensor:
    def forward(source: LazyTensor) -> LazyTensor:
        return _written_where(cnp.zeros(g.shape, g.dtype), mask, source, g.shape)

    return pulled_back(forward, (cnp.zeros(tuple(sizes), g.dtype),), g)[0]


def _written_where(x: LazyTensor, mask: LazyTensor, source: LazyTensor, shape: Shape) -> LazyTensor:
    mask = cnp.broadcast_to(mask, shape)
    # The number of true elements before each one is its position in the source. Nothing is read.
    numbers = cnp.reshape(cnp.cumsum(cnp.reshape(mask, (-1,)), dtype=np.int64) - 1, shape)
    if not source.size:
        return cnp.broadcast_to(x, shape)
    chosen = cnp.take(cnp.reshape(source, (-1,)), cnp.where(mask, numbers, 0))
    return cnp.where(mask, chosen, x)


def _places_in(x: LazyTensor) -> LazyTensor:
    """Return an array of x's shape with each element's flat position; indexed as x is, it gives the places to write to."""
    return cnp.asarray(np.arange(x.size).reshape(x.shape))


def _rows(x: LazyTensor, dim: int, index: LazyTensor) -> LazyTensor:
    if not x.ndim:
        return cnp.reshape(cnp.take(cnp.zeros((1,), np.int64), cnp.reshape(index, (-1,))), ())
    return cnp.take(_places_in(x), counted_from_start(cnp.reshape(index, (-1,)), x.shape[dim]), axis=dim)


def _add_at(x: LazyTensor, places: LazyTensor, values: LazyTensor) -> LazyTensor:
    values = cnp.reshape(cnp.broadcast_to(values, places.shape), (-1,))
    sums = apply(AdvancedIndexAdjoint((ARRAY,), (x.size,)), values, cnp.reshape(places, (-1,)))
    return cast(x + cnp.reshape(sums, x.shape), x.dtype)


def _put_at(x: LazyTensor, places: LazyTensor, values: LazyTensor) -> LazyTensor:
    # Of several writes to one place the last one wins, as in torch on a single thread.
    written = cnp.array(cnp.reshape(x, (-1,)))
    written[cnp.reshape(places, (-1,))] = cnp.reshape(cnp.broadcast_to(values, places.shape), (-1,))
    return cnp.reshape(written, x.shape)


@register(aten.slice_scatter)
def _slice_scatter(
    call: Call,
    x: LazyTensor,
    source: LazyTensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> LazyTensor:
    axis = dim % x.ndim
    begin, stop, _ = slice(start, end, step).indices(x.shape[axis])
    if step != 1:
        written = cnp.array(x)
        written[(*(slice(None),) * axis, slice(begin, stop, step))] = source
        return written
    before, after = (x[(*(slice(None),) * axis, slice(*bounds))] for bounds in ((0, begin), (stop, x.shape[axis])))
    parts = [part for part in (before, cast(source, call.dtype), after) if part.shape[axis]]
    if not parts:
        return x
    return cnp.concatenate(parts, axis=axis) if len(parts) > 1 else parts[0]


@register(aten.select_scatter)
def _select_scatter(call: Call, x: LazyTensor, source: LazyTensor, dim: int, index: int) -> LazyTensor:
    axis = dim % x.ndim
    index %= x.shape[axis]
    return _slice_scatter(call, x, cnp.expand_dims(source, axis), axis, index, index + 1)
