"""Elements chosen by tensors: `embedding`, `gather`, `take`, `x[indices]` (aten.index). Writes are in scattering.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit import nn
from composit.nn.arguments import counted_from_start
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast
from flashlight.table import Call, register


@register(aten.embedding)
def _embedding(
    call: Call, weight: LazyTensor, indices: LazyTensor, padding_idx: int = -1, *how: bool, **more: bool
) -> LazyTensor:
    places = counted_from_start(indices, weight.shape[0])
    if weight.dtype.kind != "f":
        return cnp.take(weight, places, axis=0)
    return nn.embedding(places, weight, padding_index=padding_idx if padding_idx >= 0 else None)


@register(aten.embedding_dense_backward)
def _embedding_backward(
    call: Call, g: LazyTensor, indices: LazyTensor, num_weights: int, padding_idx: int, scale_grad_by_freq: bool
) -> object:
    if scale_grad_by_freq:
        return NotImplemented
    flat = cnp.reshape(indices, (-1, 1))
    rows = cnp.where(flat == padding_idx, 0, cnp.reshape(g, (flat.shape[0], g.shape[-1])))
    flat = counted_from_start(flat, num_weights)
    zeros = cnp.zeros((num_weights, g.shape[-1]), g.dtype)
    return nn.scatter_add(zeros, cnp.broadcast_to(flat, rows.shape), rows, 0)


_BAG_MODES = ("sum", "mean", "max")


@register(aten._embedding_bag, aten._embedding_bag_forward_only)
def _embedding_bag(
    call: Call,
    weight: LazyTensor,
    indices: LazyTensor,
    offsets: LazyTensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: LazyTensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int = -1,
) -> list[LazyTensor]:
    bags = nn.embedding_bag(
        counted_from_start(indices, weight.shape[0]),
        weight,
        offsets,
        mode=_BAG_MODES[mode],
        weights_of_indices=per_sample_weights,
        padding_index=padding_idx if padding_idx >= 0 else None,
        includes_last_offset=include_last_offset,
    )
    # The other results are for torch's backward pass.
    return [bags, *(cnp.zeros(shape, dtype) for dtype, shape in call.result_types[1:])]


@register(aten.index_select)
def _index_select(call: Call, x: LazyTensor, dim: int, index: LazyTensor) -> LazyTensor:
    if not x.ndim:
        return x
    return cnp.take(x, counted_from_start(cnp.reshape(index, (-1,)), x.shape[dim]), axis=dim)


@register(aten.gather)
def _gather(call: Call, x: LazyTensor, dim: int, index: LazyTensor, *, sparse_grad: bool = False) -> LazyTensor:
    if not index.size:
        return cnp.zeros(index.shape, x.dtype)
    if not x.ndim:
        return cnp.broadcast_to(x, index.shape)
    if not index.ndim:
        return cnp.reshape(nn.gather(x, counted_from_start(cnp.reshape(index, (1,)), x.shape[dim]), dim), ())
    return nn.gather(x, counted_from_start(index, x.shape[dim]), dim)


@register(aten.take)
def _take(call: Call, x: LazyTensor, index: LazyTensor) -> LazyTensor:
    return cnp.take(cnp.reshape(x, (-1,)), index)


@register(aten.index.Tensor, aten._unsafe_index)
def _index(call: Call, x: LazyTensor, indices: Sequence[LazyTensor | None]) -> LazyTensor:
    chosen: LazyTensor = x[numpy_index(indices)]
    return chosen


def numpy_index(indices: Sequence[LazyTensor | None]) -> tuple[Any, ...]:  # Any: slices and tensors
    """Return torch's list of indices as numpy's index."""
    # uint8 masks are torch's old boolean masks. A mask decides the result's shape, so composit reads it: a guard.
    truth = np.dtype(np.bool_)
    return tuple(
        slice(None) if index is None else cast(index, truth) if index.dtype == np.uint8 else index for index in indices
    )


@register(aten.masked_select)
def _masked_select(call: Call, x: LazyTensor, mask: LazyTensor) -> LazyTensor:
    both = cnp.broadcast_arrays(x, mask)
    chosen: LazyTensor = both[0][both[1]]
    return chosen
