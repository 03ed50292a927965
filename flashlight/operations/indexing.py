"""Indexing by tensors: embeddings, gathers, scatters and torch's advanced indexing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import composit.numpy as cnp
from flashlight.operations.common import Lazy, aten, cast
from flashlight.table import Call, register


@register(aten.embedding)
def _embedding(call: Call, weight: Lazy, indices: Lazy, *how: object, **more: object) -> Lazy:
    return cnp.take(weight, indices, axis=0)


@register(aten.index_select)
def _index_select(call: Call, x: Lazy, dim: int, index: Lazy) -> Lazy:
    return cnp.take(x, cnp.reshape(index, (-1,)), axis=dim) if x.ndim else x


@register(aten.gather)
def _gather(call: Call, x: Lazy, dim: int, index: Lazy, sparse_grad: bool = False) -> Lazy:
    axis = dim % x.ndim
    # Torch lets the index be shorter than x along the other axes.
    cut = tuple(slice(None) if at == axis else slice(0, length) for at, length in enumerate(index.shape))
    within = all(at == axis or x.shape[at] == length for at, length in enumerate(index.shape))
    return cnp.take_along_axis(x if within else x[cut], index, axis=axis)


@register(aten.index.Tensor)
def _index(call: Call, x: Lazy, indices: Sequence[Lazy | None]) -> Lazy:
    if any(index is not None and index.dtype in (np.bool_, np.uint8) for index in indices):
        return NotImplemented
    return x[tuple(slice(None) if index is None else index for index in indices)]


@register(aten.index_put)
def _index_put(call: Call, x: Lazy, indices: Sequence[Lazy | None], values: Lazy, accumulate: bool = False) -> Lazy:
    mask = indices[0] if len(indices) == 1 else None
    if mask is None or mask.dtype != np.bool_ or values.ndim or accumulate:
        return NotImplemented
    # x[mask] = number
    mask = cnp.reshape(mask, mask.shape + (1,) * (x.ndim - mask.ndim))
    return cnp.where(mask, cast(values, call.dtype), x)


@register(aten.slice_scatter)
def _slice_scatter(
    call: Call, x: Lazy, source: Lazy, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Lazy:
    axis = dim % x.ndim
    begin, stop, _ = slice(start, end, step).indices(x.shape[axis])
    if step != 1:
        return NotImplemented
    before, after = (x[(*(slice(None),) * axis, slice(*bounds))] for bounds in ((0, begin), (stop, x.shape[axis])))
    parts = [part for part in (before, cast(source, call.dtype), after) if part.shape[axis]]
    return cnp.concatenate(parts, axis=axis) if len(parts) > 1 else parts[0]


@register(aten.select_scatter)
def _select_scatter(call: Call, x: Lazy, source: Lazy, dim: int, index: int) -> Lazy:
    axis = dim % x.ndim
    index %= x.shape[axis]
    return _slice_scatter(call, x, cnp.expand_dims(source, axis), axis, index, index + 1)


@register(aten.one_hot)
def _one_hot(call: Call, x: Lazy, num_classes: int = -1) -> Lazy:
    if num_classes < 0:
        return NotImplemented
    return cast(cnp.expand_dims(x, -1) == np.arange(num_classes), call.dtype)
