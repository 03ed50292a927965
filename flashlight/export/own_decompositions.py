"""Decompositions of operations that depend on how a tensor lies in memory, or that both draw and compute.

Their graphs are for values of torch's own graphs (torch.fx), whose fake tensors know the strides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch._ops import OpOverload

from composit.errors import UnsupportedOperationError
from composit.operation import Array

_aten = torch.ops.aten


def _dropout(x: torch.Tensor, p: float, train: bool | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what native_dropout gives, by a draw that depends on the layout of x alone."""
    if train is False or p in (0, 1) or not x.numel():
        kept = torch.full_like(x, train is False or p != 1, dtype=torch.bool)
        return x * kept, kept
    mask = torch.empty_like(x, dtype=torch.bool).bernoulli_(1 - p)
    return x * mask * (1 / (1 - p)), mask


def _as_strided(
    x: torch.Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> torch.Tensor:
    """Return the elements at these places of the memory of x."""
    places = _places_in(x, size, stride, storage_offset)
    if places.shape == tuple(x.shape) and np.array_equal(places.ravel(), np.arange(x.numel())):
        return x.clone()
    return x.reshape(-1)[torch.from_numpy(places)]


def _as_strided_scatter(
    x: torch.Tensor,
    src: torch.Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    storage_offset: int | None = None,
) -> torch.Tensor:
    """Return x with other elements at these places of its memory."""
    places = torch.from_numpy(_places_in(x, size, stride, storage_offset)).reshape(-1)
    return x.reshape(-1).index_copy(0, places, src.reshape(-1)).reshape(x.shape)


def _places_in(x: torch.Tensor, size: Sequence[int], stride: Sequence[int], offset: int | None) -> Array:
    """Return which elements of x, counted in row-major order, lie at places of its memory."""
    start = int(x.storage_offset())
    own = _memory_places(x.shape, x.stride(), start).ravel()
    wanted = _memory_places(size, stride, start if offset is None else offset)
    order = np.argsort(own, kind="stable")
    found = np.minimum(np.searchsorted(own, wanted, sorter=order), max(own.size - 1, 0))
    places: Array = order[found] if own.size else found
    if wanted.size and not (own.size and np.array_equal(own[places], wanted)):
        raise UnsupportedOperationError(
            f"as_strided: size {tuple(size)} with strides {tuple(stride)} reaches elements outside of a tensor of shape {tuple(x.shape)} "
            f"and strides {x.stride()}; expected a view of its own elements; take the view of the whole tensor"
        )
    return places


def _memory_places(size: Sequence[int], stride: Sequence[int], offset: int) -> Array:
    places: Array = np.full((1,) * len(size), offset, np.int64)
    for axis, (length, step) in enumerate(zip(size, stride, strict=True)):
        shape = [1] * len(size)
        shape[axis] = length
        places = places + (np.arange(length, dtype=np.int64) * step).reshape(shape)
    return places


OWN_DECOMPOSITIONS: Mapping[OpOverload[..., Any], Callable[..., Any]] = {
    _aten.native_dropout.default: _dropout,
    _aten.as_strided.default: _as_strided,
    _aten.as_strided_scatter.default: _as_strided_scatter,
}
