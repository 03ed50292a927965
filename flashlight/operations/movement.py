"""Views, copies, joins and splits: operations that move elements without computing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import torch

import composit.numpy as cnp
from composit import nn
from composit.apply import scalar_tensor
from composit.operation import Array, Shape
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, typed
from flashlight.table import Call, register


@register(
    aten.view.default,
    aten.reshape,
    aten._unsafe_view,
    aten._reshape_alias,
    aten.view_as,
    aten.reshape_as,
    aten.flatten.using_ints,
    aten.unflatten.int,
)
def _reshape(call: Call, x: LazyTensor, *how: object, **more: object) -> LazyTensor:
    return x if x.shape == call.shape else cnp.reshape(x, call.shape)


@register(aten.detach)
def _detach(call: Call, x: LazyTensor) -> LazyTensor:
    return nn.stop_gradient(x) if call.stops_gradient else x


@register(
    aten.alias,
    aten.clone,
    aten.contiguous,
    aten.lift,
    aten.lift_fresh_copy,
    aten.resolve_conj,
    aten.resolve_neg,
    aten.positive,
)
def _same(call: Call, x: LazyTensor, **more: object) -> LazyTensor:
    return x


@register(aten.view.dtype)
def _read_as(call: Call, x: LazyTensor, dtype: torch.dtype) -> LazyTensor:
    # torch reads the last axis, whose elements lie side by side, as numbers of another width.
    row = cnp.reshape(x, (-1,))
    num_bytes = math.prod(call.shape) * dtype.itemsize
    if row.dtype == np.float32 and num_bytes == row.size * torch.bfloat16.itemsize:
        # bfloat16 is in the upper half of float32.
        row = cnp.astype(row.view(np.uint32) >> np.uint32(16), np.uint16)
    if dtype is torch.bfloat16:
        row = (cnp.astype(row.view(np.uint16), np.uint32) << np.uint32(16)).view(np.float32)
    return cnp.reshape(row.view(call.dtype), call.shape)


@register(aten._to_copy, aten.to, aten.type_as, torch.ops.prims.convert_element_type)
def _convert(call: Call, x: LazyTensor | complex, *how: object, **more: object) -> LazyTensor:
    # vmap gives a number of Python's as it is, where torch declares a tensor.
    return scalar_tensor(typed(x, call.dtype)) if isinstance(x, complex | float | int) else cast(x, call.dtype)


@register(aten.resize)
def _resize(call: Call, x: LazyTensor, size: Sequence[int], **how: object) -> LazyTensor:
    # The elements stay where they are in memory, and what is new has no value yet.
    length = math.prod(size)
    flat = cnp.reshape(x, (-1,))[:length]
    return cnp.reshape(cnp.pad(flat, (0, length - flat.shape[0])), tuple(size))


@register(aten.copy)
def _overwrite(call: Call, x: LazyTensor, source: LazyTensor, non_blocking: bool = False) -> LazyTensor:
    return _spread(cast(source, call.dtype), call.shape)


def _spread(x: LazyTensor, shape: Shape) -> LazyTensor:
    return x if x.shape == shape else cnp.broadcast_to(x, shape)


@register(aten.t, aten.numpy_T, aten.mT, aten.adjoint)
def _reverse_axes(call: Call, x: LazyTensor) -> LazyTensor:
    if call.operation in (aten.mT.default, aten.adjoint.default):
        return cnp.swapaxes(x, -1, -2)
    return cnp.transpose(x) if x.ndim > 1 else x


@register(aten.transpose.int, aten.transpose_, aten.swapaxes, aten.swapdims)
def _swap_axes(call: Call, x: LazyTensor, first: int, second: int) -> LazyTensor:
    return cnp.swapaxes(x, first, second) if x.ndim else x


@register(aten.permute)
def _permute(call: Call, x: LazyTensor, dims: Sequence[int]) -> LazyTensor:
    return cnp.transpose(x, tuple(dims))


@register(aten.expand, aten.expand_as)
def _expand(call: Call, x: LazyTensor, how: object, implicit: bool = False) -> LazyTensor:
    return _spread(x, call.shape)


@register(aten.broadcast_tensors)
def _broadcast_together(call: Call, tensors: Sequence[LazyTensor]) -> list[LazyTensor]:
    return [_spread(x, call.shape) for x in tensors]


@register(aten.unsqueeze)
def _unsqueeze(call: Call, x: LazyTensor, dim: int) -> LazyTensor:
    return cnp.expand_dims(x, dim)


@register(aten.squeeze)
def _squeeze(call: Call, x: LazyTensor, dim: object = None) -> object:
    return _reshape(call, x)


@register(aten.select.int)
def _select(call: Call, x: LazyTensor, dim: int, index: int) -> LazyTensor:
    axis = dim % x.ndim
    # The Ellipsis makes the result an array, not one of numpy's scalars.
    part: LazyTensor = x[(*(slice(None),) * axis, int(index), ...)]
    return part


@register(aten.slice.Tensor)
def _slice(
    call: Call, x: LazyTensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> LazyTensor:
    axis = dim % x.ndim
    bounds = slice(start, end, step).indices(x.shape[axis])
    if bounds == (0, x.shape[axis], 1):
        return x
    part: LazyTensor = x[(*(slice(None),) * axis, slice(*bounds))]
    return part


@register(aten.split.Tensor)
def _split(call: Call, x: LazyTensor, size: int, dim: int = 0) -> list[LazyTensor]:
    length = x.shape[dim]
    return _split_into(x, [min(size, length - start) for start in range(0, length, size)] or [length], dim)


@register(aten.chunk)
def _chunk(call: Call, x: LazyTensor, chunks: int, dim: int = 0) -> list[LazyTensor]:
    return _split(call, x, max(-(-x.shape[dim] // chunks), 1), dim)


@register(aten.split_with_sizes, aten.split.sizes)
def _split_with_sizes(call: Call, x: LazyTensor, sizes: Sequence[int], dim: int = 0) -> list[LazyTensor]:
    return _split_into(x, sizes, dim)


def _split_into(x: LazyTensor, lengths: Sequence[int], dim: int) -> list[LazyTensor]:
    if len(lengths) == 1:
        return [x]
    return list(cnp.split(x, list(accumulate(lengths))[:-1], axis=dim))


@register(aten.unbind.int)
def _unbind(call: Call, x: LazyTensor, dim: int = 0) -> list[LazyTensor]:
    axis = dim % x.ndim
    return [x[(*(slice(None),) * axis, index, ...)] for index in range(x.shape[axis])]


@register(aten.cat, aten.concat, aten.concatenate)
def _concatenate(call: Call, tensors: Sequence[LazyTensor], dim: int = 0) -> LazyTensor:
    # torch.cat ignores empty vectors, whatever the rank of the other tensors.
    parts = [cast(x, call.dtype) for x in tensors if x.shape != (0,) or len(call.shape) == 1]
    return cnp.concatenate(parts, axis=dim) if len(parts) > 1 else parts[0]


@register(aten.stack)
def _stack(call: Call, tensors: Sequence[LazyTensor], dim: int = 0) -> LazyTensor:
    return cnp.stack([cast(x, call.dtype) for x in tensors], axis=dim)


@register(aten.repeat)
def _repeat(call: Call, x: LazyTensor, repeats: Sequence[int]) -> LazyTensor:
    # Make each axis (repeats, length), then merge the two: only the last reshape copies.
    lengths = (1,) * (len(repeats) - x.ndim) + x.shape
    spread = tuple(number for pair in zip(repeats, lengths, strict=True) for number in pair)
    single = tuple(number for length in lengths for number in (1, length))
    return cnp.reshape(cnp.broadcast_to(cnp.reshape(x, single), spread), call.shape)


@register(aten.flip)
def _flip(call: Call, x: LazyTensor, dims: Sequence[int]) -> LazyTensor:
    # torch counts the axes of rank 0 as if it had one.
    reversed_axes = {dim % max(x.ndim, 1) for dim in dims}
    part: LazyTensor = x[tuple(slice(None, None, -1 if axis in reversed_axes else 1) for axis in range(x.ndim))]
    return part


@register(aten.roll)
def _roll(call: Call, x: LazyTensor, shifts: Sequence[int], dims: Sequence[int] = ()) -> LazyTensor:
    if not dims:
        return cnp.reshape(_rolled(cnp.reshape(x, (-1,)), shifts[0], 0), x.shape)
    for shift, dim in zip(shifts, dims, strict=True):
        x = _rolled(x, shift, dim % x.ndim)
    return x


def _rolled(x: LazyTensor, shift: int, axis: int) -> LazyTensor:
    length = x.shape[axis]
    cut = (length - shift) % length if length else 0
    if cut == 0:
        return x
    before, after = cnp.split(x, [cut], axis=axis)
    return cnp.concatenate([after, before], axis=axis)


@register(aten.diagonal)
def _diagonal(call: Call, x: LazyTensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> LazyTensor:
    if (dim1 % x.ndim, dim2 % x.ndim) != (x.ndim - 2, x.ndim - 1):
        x = cnp.moveaxis(x, (dim1, dim2), (-2, -1))
    rows, columns = max(-offset, 0), max(offset, 0)
    length = max(min(x.shape[-2] - rows, x.shape[-1] - columns), 0)
    flat = cnp.reshape(x, (*x.shape[:-2], x.shape[-2] * x.shape[-1]))
    first, step = rows * x.shape[-1] + columns, x.shape[-1] + 1
    part: LazyTensor = flat[(..., slice(first, first + length * step, step))] if length else flat[..., :0]
    return part


@register(aten.diag_embed)
def _on_diagonal(call: Call, x: LazyTensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> LazyTensor:
    length = x.shape[-1] + abs(offset)
    rows = np.arange(length) + min(offset, 0)
    # Element (i, i + offset) of the matrices is element i of x, counted from the first row that has one.
    is_there = np.arange(length)[:, None] + offset == np.arange(length)
    places = np.clip(rows, 0, max(x.shape[-1] - 1, 0))
    spread = (
        cnp.expand_dims(cnp.take(x, places, axis=-1), -1)
        if x.shape[-1]
        else cnp.zeros((*x.shape[:-1], length, 1), x.dtype)
    )
    matrices = cnp.where(is_there, spread, typed(0, x.dtype))
    return cnp.moveaxis(matrices, (-2, -1), (dim1, dim2))


@register(aten.diagonal_scatter)
def _diagonal_scatter(
    call: Call, x: LazyTensor, source: LazyTensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> LazyTensor:
    matrices = cnp.moveaxis(x, (dim1, dim2), (-2, -1))
    count = source.shape[-1]
    places = np.arange(count) + max(-offset, 0), np.arange(count) + max(offset, 0)
    written = cnp.array(matrices)
    if count:
        written[(..., *places)] = cast(source, x.dtype)
    return cnp.moveaxis(written, (-2, -1), (dim1, dim2))


@register(aten.unfold)
def _unfold(call: Call, x: LazyTensor, dimension: int, size: int, step: int) -> LazyTensor:
    if not x.ndim:
        return cnp.take(cnp.reshape(x, (1,)), np.arange(size))
    axis = dimension % x.ndim
    starts = np.arange((x.shape[axis] - size) // step + 1) * step
    windows = cnp.take(x, starts[:, None] + np.arange(size), axis=axis)
    return cnp.moveaxis(windows, axis + 1, -1)


def _addresses(strides: Sequence[int], shape: Shape, offset: int) -> Array:
    """Return where the elements of a tensor lie, counted in elements from the start of its memory."""
    places = np.full(shape, offset, np.int64)
    for axis, (length, stride) in enumerate(zip(shape, strides, strict=True)):
        places += (np.arange(length) * stride).reshape((-1,) + (1,) * (len(shape) - axis - 1))
    return places


def _places_among(call: Call, size: Sequence[int], stride: Sequence[int], storage_offset: int | None) -> Array | None:
    """Return which elements of the first argument these strides pick, None if it does not have all of them."""
    tensor = call.arguments[0]
    own = int(tensor.storage_offset())
    have = _addresses(tensor.stride(), tuple(tensor.shape), own).reshape(-1)
    wanted = _addresses(tuple(stride), tuple(size), own if storage_offset is None else storage_offset)
    order = np.argsort(have, kind="stable")
    found = np.clip(np.searchsorted(have, wanted, sorter=order), 0, max(have.size - 1, 0))
    places = order[found] if have.size else found
    return places if np.array_equal(have[places] if have.size else have, wanted) or not wanted.size else None


@register(aten.as_strided_copy)
def _strided_copy(
    call: Call, x: LazyTensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> object:
    places = _places_among(call, size, stride, storage_offset)
    if places is None:
        return NotImplemented
    return cnp.take(cnp.reshape(x, (-1,)), places) if places.size else cnp.zeros(tuple(size), x.dtype)


@register(aten.as_strided_scatter)
def _strided_scatter(
    call: Call,
    x: LazyTensor,
    source: LazyTensor,
    size: Sequence[int],
    stride: Sequence[int],
    storage_offset: int | None = None,
) -> object:
    places = _places_among(call, size, stride, storage_offset)
    if places is None:
        return NotImplemented
    written = cnp.array(cnp.reshape(x, (-1,)))
    if places.size:
        written[places.reshape(-1)] = cnp.reshape(cast(source, x.dtype), (-1,))
    return cnp.reshape(written, x.shape)


# Views and their copies have one meaning: `x.view(...)` and torch.view_copy(x, ...).
_COPIES: dict[Any, Any] = {  # Any: operations of torch
    aten.alias_copy: _same,
    aten.detach_copy: _same,
    aten.view_copy.default: _reshape,
    aten._reshape_copy: _reshape,
    aten.expand_copy: _expand,
    aten.permute_copy: _permute,
    aten.transpose_copy: _swap_axes,
    aten.t_copy: _reverse_axes,
    aten.unsqueeze_copy: _unsqueeze,
    aten.squeeze_copy: _squeeze,
    aten.select_copy: _select,
    aten.slice_copy: _slice,
    aten.split_copy: _split,
    aten.split_with_sizes_copy: _split_with_sizes,
    aten.unbind_copy: _unbind,
    aten.diagonal_copy: _diagonal,
    aten.unfold_copy: _unfold,
    aten.unsafe_split.Tensor: _split,
    aten.unsafe_split_with_sizes: _split_with_sizes,
    aten.unsafe_chunk: _chunk,
}
for _operation, _row in _COPIES.items():
    register(_operation)(_row)
