"""Elements chosen by tensors: `gather`, `take`, `x[indices]` (aten.index). Writes are in scattering.py, embeddings in embeddings.py."""

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
