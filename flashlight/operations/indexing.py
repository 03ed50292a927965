"""Indexing by tensors: `embedding`, `gather`, `scatter`, `x[indices]` (aten.index) and `x[indices] = v` (aten.index_put)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.apply import apply
from composit.handle import TensorHandle
from composit.numpy.indexing.advanced_indices import ARRAY, AdvancedIndexAdjoint
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast
from flashlight.table import Call, register


@register(aten.embedding)
def _embedding(call: Call, weight: LazyTensor, indices: LazyTensor, *how: object, **more: object) -> LazyTensor:
    return cnp.take(weight, indices, axis=0)


@register(aten.index_select)
def _index_select(call: Call, x: LazyTensor, dim: int, index: LazyTensor) -> LazyTensor:
    return cnp.take(x, cnp.reshape(index, (-1,)), axis=dim) if x.ndim else x


@register(aten.gather)
def _gather(call: Call, x: LazyTensor, dim: int, index: LazyTensor, sparse_grad: bool = False) -> LazyTensor:
    axis = dim % x.ndim
    # Torch lets the index be shorter than x along the other axes.
    cut = tuple(slice(None) if at == axis else slice(0, length) for at, length in enumerate(index.shape))
    within = all(at == axis or x.shape[at] == length for at, length in enumerate(index.shape))
    return cnp.take_along_axis(x if within else x[cut], index, axis=axis)


@register(aten.index.Tensor)
def _index(call: Call, x: LazyTensor, indices: Sequence[LazyTensor | None]) -> LazyTensor:
    chosen: LazyTensor = x[_numpy_index(indices)]
    return chosen


def _numpy_index(indices: Sequence[LazyTensor | None]) -> tuple[Any, ...]:  # Any: slices and tensors
    # uint8 masks are torch's old boolean masks. A mask decides the result's shape, so composit reads it: a guard.
    truth = np.dtype(np.bool_)
    return tuple(
        slice(None) if index is None else cast(index, truth) if index.dtype == np.uint8 else index for index in indices
    )


@register(aten.index_put, aten._unsafe_index_put)
def _index_put(
    call: Call, x: LazyTensor, indices: Sequence[LazyTensor | None], values: LazyTensor, accumulate: bool = False
) -> LazyTensor:
    mask = indices[0]
    if len(indices) == 1 and mask is not None and mask.dtype == np.bool_ and not values.ndim and not accumulate:
        # x[mask] = number -> where(mask, number, x): the mask is not read, so there is no guard.
        mask = cnp.reshape(mask, mask.shape + (1,) * (x.ndim - mask.ndim))
        return cnp.where(mask, cast(values, call.dtype), x)
    places = _places_in(x)[_numpy_index(indices)]
    return (_add_at if accumulate else _put_at)(x, places, cast(values, call.dtype))


@register(aten.scatter.src, aten.scatter.value)
def _scatter(call: Call, x: LazyTensor, dim: int, index: LazyTensor, source: LazyTensor) -> LazyTensor:
    places, source = _along(x, dim, index, source, call)
    return _put_at(x, places, source)


@register(aten.scatter_add)
def _scatter_add(call: Call, x: LazyTensor, dim: int, index: LazyTensor, source: LazyTensor) -> LazyTensor:
    places, source = _along(x, dim, index, source, call)
    return _add_at(x, places, source)


@register(aten.index_add)
def _index_add(
    call: Call, x: LazyTensor, dim: int, index: LazyTensor, source: LazyTensor, alpha: complex = 1
) -> LazyTensor:
    places = cnp.take(_places_in(x), cnp.reshape(index, (-1,)), axis=dim)
    return _add_at(x, places, source if alpha == 1 else source * alpha)


@register(aten.index_copy)
def _index_copy(call: Call, x: LazyTensor, dim: int, index: LazyTensor, source: LazyTensor) -> LazyTensor:
    return _put_at(x, cnp.take(_places_in(x), cnp.reshape(index, (-1,)), axis=dim), source)


def _places_in(x: LazyTensor) -> LazyTensor:
    """Return an array of x's shape with each element's flat position; indexed as x is, it gives the places to write to."""
    return cnp.asarray(np.arange(x.size).reshape(x.shape))


def _along(
    x: LazyTensor, dim: int, index: LazyTensor, source: LazyTensor | complex, call: Call
) -> tuple[LazyTensor, LazyTensor]:
    axis = dim % x.ndim
    # Torch lets the index be shorter than x, and the source longer than the index.
    rows = tuple(slice(None) if at == axis else slice(0, length) for at, length in enumerate(index.shape))
    places = cnp.take_along_axis(_places_in(x)[rows], index, axis=axis)
    if not isinstance(source, TensorHandle):
        return places, cnp.asarray(call.dtype.type(source))
    return places, cnp.asarray(source)[tuple(slice(0, length) for length in index.shape)]


def _add_at(x: LazyTensor, places: LazyTensor, values: LazyTensor) -> LazyTensor:
    return x + _sums_at(x, places, values)


def _put_at(x: LazyTensor, places: LazyTensor, values: LazyTensor) -> LazyTensor:
    # Of several writes to one place the last one wins, as in torch on a single thread.
    written = cnp.array(cnp.reshape(x, (-1,)))
    written[places] = values
    return cnp.reshape(written, x.shape)


def _sums_at(x: LazyTensor, places: LazyTensor, values: LazyTensor) -> LazyTensor:
    """Return zeros of x's shape with the values added at the places."""
    values = cnp.reshape(cnp.broadcast_to(values, places.shape), (-1,))
    sums = apply(AdvancedIndexAdjoint((ARRAY,), (x.size,)), values, cnp.reshape(places, (-1,)))
    return cnp.reshape(sums, x.shape)


@register(aten.slice_scatter)
def _slice_scatter(
    call: Call,
    x: LazyTensor,
    source: LazyTensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> object:
    axis = dim % x.ndim
    begin, stop, _ = slice(start, end, step).indices(x.shape[axis])
    if step != 1:
        return NotImplemented
    before, after = (x[(*(slice(None),) * axis, slice(*bounds))] for bounds in ((0, begin), (stop, x.shape[axis])))
    parts = [part for part in (before, cast(source, call.dtype), after) if part.shape[axis]]
    return cnp.concatenate(parts, axis=axis) if len(parts) > 1 else parts[0]


@register(aten.select_scatter)
def _select_scatter(call: Call, x: LazyTensor, source: LazyTensor, dim: int, index: int) -> object:
    axis = dim % x.ndim
    index %= x.shape[axis]
    return _slice_scatter(call, x, cnp.expand_dims(source, axis), axis, index, index + 1)


@register(aten.one_hot)
def _one_hot(call: Call, x: LazyTensor, num_classes: int = -1) -> object:
    if num_classes < 0:
        return NotImplemented
    return cast(cnp.expand_dims(x, -1) == np.arange(num_classes), call.dtype)
