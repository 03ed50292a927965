"""Views, copies, joins and splits: operations that move elements without computing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import composit.numpy as cnp
from composit.operation import Shape
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast
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


@register(
    aten.detach,
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
def _read_as(call: Call, x: LazyTensor, dtype: object) -> LazyTensor:
    # torch reads the last axis, whose elements lie side by side, as numbers of another width.
    return cnp.reshape(cnp.reshape(x, (-1,)).view(call.dtype), call.shape)


@register(aten._to_copy, aten.to, aten.type_as)
def _convert(call: Call, x: LazyTensor, *how: object, **more: object) -> LazyTensor:
    return cast(x, call.dtype)


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
    reversed_axes = {dim % x.ndim for dim in dims}
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
    flat = cnp.reshape(x, (*x.shape[:-2], -1))
    first, step = rows * x.shape[-1] + columns, x.shape[-1] + 1
    part: LazyTensor = flat[(..., slice(first, first + length * step, step))] if length else flat[..., :0]
    return part
