"""Counts of elements by bins in one and several dimensions, reductions of segments, and what else counts along an axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit import nn
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, pulled_back, typed
from flashlight.table import Call, register


@register(aten.histogram.bin_ct)
def _histogram(
    call: Call,
    x: LazyTensor,
    bins: int = 100,
    *,
    range: Sequence[float] | None = None,
    weight: LazyTensor | None = None,
    density: bool = False,
) -> list[LazyTensor]:
    points = cnp.reshape(x, (-1, 1))
    edges = _edges_of(points, [bins], range)
    return [_counted(call, points, edges, weight, density), edges[0]]


@register(aten.histogram.bins_tensor)
def _histogram_between(
    call: Call, x: LazyTensor, bins: LazyTensor, *, weight: LazyTensor | None = None, density: bool = False
) -> list[LazyTensor]:
    return [_counted(call, cnp.reshape(x, (-1, 1)), [bins], weight, density), bins]


@register(aten._histogramdd_bin_edges)
def _edges(
    call: Call, x: LazyTensor, bins: Sequence[int], *, range: Sequence[float] | None = None, **how: object
) -> list[LazyTensor]:
    return _edges_of(cnp.reshape(x, (-1, x.shape[-1])), bins, range)


@register(aten._histogramdd_from_bin_cts)
def _histogram_in_cells(
    call: Call,
    x: LazyTensor,
    bins: Sequence[int],
    *,
    range: Sequence[float] | None = None,
    weight: LazyTensor | None = None,
    density: bool = False,
) -> LazyTensor:
    points = cnp.reshape(x, (-1, x.shape[-1]))
    return _counted(call, points, _edges_of(points, bins, range), weight, density)


@register(aten._histogramdd_from_bin_tensors)
def _histogram_in_given_cells(
    call: Call,
    x: LazyTensor,
    bins: Sequence[LazyTensor],
    *,
    weight: LazyTensor | None = None,
    density: bool = False,
) -> LazyTensor:
    return _counted(call, cnp.reshape(x, (-1, x.shape[-1])), bins, weight, density)


def _edges_of(points: LazyTensor, bins: Sequence[int], ranges: Sequence[float] | None) -> list[LazyTensor]:
    """Return the edges of equal bins for each column, over its range; of a single value half a unit to each side."""
    edges = []
    for column, count in enumerate(bins):
        low: Any = 0.0  # Any: a number or a tensor, here and below
        high: Any = 1.0
        if ranges is not None:
            low, high = ranges[2 * column : 2 * column + 2]
        elif points.shape[0]:
            low, high = cnp.min(points[:, column]), cnp.max(points[:, column])
        half = cnp.where(cnp.equal(low, high), 0.5, 0.0)
        low, high = low - half, high + half
        numbers = np.arange(count + 1)
        step = (high - low) / count
        # From the nearer end, as torch.linspace.
        edge = cnp.where(numbers < (count + 1) // 2, low + step * numbers, high - step * numbers[::-1])
        edges.append(cast(edge, points.dtype))
    return edges


def _counted(
    call: Call, points: LazyTensor, edges: Sequence[LazyTensor], weight: LazyTensor | None, density: bool
) -> LazyTensor:
    """Return the sum of the weights in each cell. The last bin of a column holds its upper edge too."""
    shape = tuple(edge.shape[0] - 1 for edge in edges)
    place, is_inside = cnp.zeros(points.shape[0], np.int64), cnp.ones(points.shape[0], np.bool_)
    for column, edge in enumerate(edges):
        x = points[:, column]
        is_inside = is_inside & (x >= edge[0]) & (x <= edge[-1])
        number = cnp.clip(cnp.searchsorted(edge, x, side="right") - 1, 0, shape[column] - 1)
        place = place * shape[column] + number
    given = cnp.ones(points.shape[0], call.dtype) if weight is None else cast(cnp.reshape(weight, (-1,)), call.dtype)
    weights = cnp.where(is_inside, given, typed(0, call.dtype))
    sums = nn.scatter_add(cnp.zeros(math.prod(shape), call.dtype), cnp.where(is_inside, place, 0), weights, 0)
    hist = cnp.reshape(sums, shape)
    if density:
        hist = hist / cnp.sum(hist)
        for axis, edge in enumerate(edges):
            hist = hist / cnp.reshape(edge[1:] - edge[:-1], (-1,) + (1,) * (len(shape) - 1 - axis))
    return cast(hist, call.dtype)


# How the elements of a segment are joined, and what an empty one gives.
_SEGMENTS: dict[str, tuple[Callable[..., LazyTensor], float]] = {
    "sum": (cnp.sum, 0.0),
    "mean": (cnp.sum, 0.0),
    "prod": (cnp.prod, 1.0),
    "max": (cnp.max, -math.inf),
    "min": (cnp.min, math.inf),
}
_JOINS: dict[str, Callable[..., LazyTensor]] = {
    "prod": cnp.multiply,
    # An element that is equal to the initial number has the gradient, which cnp.maximum would share.
    "max": lambda result, initial: cnp.where(result < initial, initial, result),
    "min": lambda result, initial: cnp.where(result > initial, initial, result),
}


@register(aten.segment_reduce)
def _segment_reduce(
    call: Call,
    data: LazyTensor,
    reduce: str,
    *,
    lengths: LazyTensor | None = None,
    indices: LazyTensor | None = None,
    offsets: LazyTensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> object:
    if lengths is not None:
        ends = cnp.cumsum(lengths, axis=-1)
        starts = ends - lengths
    elif offsets is not None:
        starts, ends = offsets[..., :-1], offsets[..., 1:]
    else:
        return NotImplemented
    axis %= data.ndim
    places = np.arange(data.shape[axis])
    is_there = (places >= starts[..., None]) & (places < ends[..., None])
    mask = cnp.reshape(is_there, is_there.shape + (1,) * (data.ndim - axis - 1))
    join, nothing = _SEGMENTS[reduce]
    neutral = typed(nothing, data.dtype)
    elements = cnp.where(mask, cnp.expand_dims(data, axis), neutral)
    # One element more, so that there are extrema of no elements.
    filled = cnp.concatenate(
        [elements, cnp.full_like(elements, neutral, shape=_one(elements.shape, axis + 1))], axis + 1
    )
    result = join(filled, axis=axis + 1)
    if initial is not None:
        result = _JOINS.get(reduce, cnp.add)(result, typed(initial, data.dtype))
    if reduce == "mean":
        count = cnp.reshape(ends - starts, (*starts.shape, *(1,) * (data.ndim - axis - 1)))
        empty = math.nan if initial is None else initial
        result = cnp.where(count == 0, typed(empty, data.dtype), result / cnp.where(count == 0, 1, count))
    return cast(result, call.dtype)


@register(aten._segment_reduce_backward)
def _segment_reduce_backward(
    call: Call, g: LazyTensor, output: LazyTensor, data: LazyTensor, reduce: str, **how: Any
) -> LazyTensor:
    return pulled_back(lambda operand: _segment_reduce(call, operand, reduce, **how), (data,), g)[0]


def _one(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], 1, *shape[axis + 1 :])


@register(aten.nonzero_static)
def _first_places(call: Call, x: LazyTensor, *, size: int, fill_value: int = -1) -> LazyTensor:
    """Return where the first `size` elements are that are not zero."""
    if not x.size or not size:
        return cnp.full(call.shape, fill_value, dtype=call.dtype)
    is_there = cnp.reshape(x != 0, (-1,))
    order = cnp.argsort(~is_there, kind="stable")[:size]
    rows = cnp.stack(cnp.unravel_index(order, x.shape), axis=-1) if x.ndim else cnp.zeros((order.shape[0], 0), np.int64)
    rows = cnp.pad(rows, ((0, size - rows.shape[0]), (0, 0)))
    is_kept = np.arange(size)[:, None] < cnp.sum(is_there)
    return cast(cnp.where(is_kept, rows, fill_value), call.dtype)


@register(aten.hash_tensor)
def _hash(call: Call, x: LazyTensor, dim: Sequence[int] = (), *, keepdim: bool = False, mode: int = 0) -> LazyTensor:
    """Return the exclusive or of the bits of the elements, as 64 bits each."""
    is_number = x.dtype.kind == "f"
    bits = cast(x, np.dtype(np.float64)).view(np.uint64) if is_number else cast(cast(x, np.dtype(np.int64)), call.dtype)
    axes = tuple(axis % x.ndim for axis in dim) if dim and x.ndim else tuple(range(x.ndim))
    for axis in sorted(axes, reverse=True):
        bits = cnp.bitwise_xor.reduce(bits, axis=axis, keepdims=keepdim)
    return cast(bits, call.dtype)
