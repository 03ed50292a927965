"""Order: sort, topk, kthvalue, median, mode; places in sorted sequences; counts."""

from __future__ import annotations

import numpy as np

import composit.numpy as cnp
from composit import nn
from composit.apply import apply
from composit.handle import TensorHandle
from composit.nn.gradient_flow import straight_through
from composit.nn.operations.introselect import INSERTION_LENGTH
from composit.nn.operations.selection import RankedPosition, SelectedPositions, SortedPositions
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, promote
from flashlight.operations.reductions import at_position
from flashlight.table import Call, register


@register(aten.sort)
def _sort(
    call: Call, x: LazyTensor, dim: int = -1, descending: bool = False, *, stable: bool | None = None
) -> list[LazyTensor]:
    if not x.ndim:
        return [x, cnp.asarray(np.int64(0))]
    places = (_order if stable else _sorted_positions)(x, dim % x.ndim, descending)
    return [cnp.take_along_axis(x, places, axis=dim), places]


def _order(x: LazyTensor, axis: int, descending: bool) -> LazyTensor:
    """Return the positions of the elements in order, of equal ones the first first. NaN counts as the largest."""
    if not descending:
        return cnp.argsort(x, axis=axis, stable=True)
    # In reversed order the last of equal elements comes first; reversing the sorted positions undoes it.
    backwards = cnp.argsort(cnp.flip(x, axis), axis=axis, stable=True)
    return x.shape[axis] - 1 - cnp.flip(backwards, axis)


def _sorted_positions(x: LazyTensor, axis: int, descending: bool, orders_nan: bool = True) -> LazyTensor:
    """Return the positions as std::sort leaves them. Short rows it sorts by insertion, where equal elements keep their order."""
    if orders_nan and x.shape[axis] <= INSERTION_LENGTH:
        return _order(x, axis, descending)
    return apply(SortedPositions(axis, descending, orders_nan), x)


@register(aten.argsort)
def _argsort(
    call: Call, x: LazyTensor, dim: int = -1, descending: bool = False, *, stable: bool | None = None
) -> LazyTensor:
    return _sort(call, x, dim, descending, stable=stable)[1]


@register(aten.topk)
def _top_k(
    call: Call, x: LazyTensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[LazyTensor, LazyTensor]:
    rows = x if x.ndim else cnp.reshape(x, (1,))
    axis = dim % rows.ndim
    places = apply(SelectedPositions(axis, k, largest, sorted), rows)
    shape = () if not x.ndim and k == 1 else places.shape
    return cnp.reshape(cnp.take_along_axis(rows, places, axis), shape), cnp.reshape(places, shape)


@register(aten.kthvalue)
def _kth_value(call: Call, x: LazyTensor, k: int, dim: int = -1, keepdim: bool = False) -> list[LazyTensor]:
    if not x.ndim:
        return at_position(x, None, dim, keepdim)
    return at_position(x, apply(RankedPosition(dim % x.ndim, k), x), dim, keepdim)


@register(aten.median.dim)
def _median_along(call: Call, x: LazyTensor, dim: int, keepdim: bool = False) -> list[LazyTensor]:
    if not x.ndim:
        return at_position(x, None, dim, keepdim)
    return at_position(x, _median_position(x, dim), dim, keepdim)


def _median_position(x: LazyTensor, dim: int) -> LazyTensor:
    """Return where the lower median is; where the first NaN is, if there is one."""
    order = cnp.argsort(x, axis=dim, stable=True)
    middle = cnp.take(order, np.array([(x.shape[dim] - 1) // 2]), axis=dim)
    if x.dtype.kind != "f":
        return middle
    is_nan = cnp.isnan(x)
    first = cnp.argmax(is_nan, axis=dim, keepdims=True)
    return cnp.where(cnp.any(is_nan, axis=dim, keepdims=True), first, middle)


@register(aten.median.default)
def _median(call: Call, x: LazyTensor) -> LazyTensor:
    if not x.size:
        return cnp.full((), np.nan, dtype=call.dtype)
    return _shared_by_ties(_median_along(call, cnp.reshape(x, (-1,)), 0)[0], x)


def _shared_by_ties(value: LazyTensor, x: LazyTensor) -> LazyTensor:
    """Return one element's value, whose gradient all elements that are equal to it share, as torch's of a whole tensor."""
    if x.dtype.kind != "f":
        return value
    is_one = (x == value) | (cnp.isnan(x) & cnp.isnan(value))
    mean = cnp.sum(cnp.where(is_one, x, 0)) / cnp.sum(is_one)
    return straight_through(value, cnp.astype(mean, value.dtype))


@register(aten.nanmedian.dim)
def _median_of_numbers_along(call: Call, x: LazyTensor, dim: int, keepdim: bool = False) -> list[LazyTensor]:
    if not x.ndim or x.dtype.kind != "f":
        return _median_along(call, x, dim, keepdim)
    # NaN is sorted to the end, so that the middle of the numbers is known from their count.
    count = cnp.sum(~cnp.isnan(x), axis=dim, keepdims=True)
    order = cnp.argsort(x, axis=dim, stable=True)
    return at_position(x, cnp.take_along_axis(order, cnp.maximum(count - 1, 0) // 2, axis=dim), dim, keepdim)


@register(aten.nanmedian.default)
def _median_of_numbers(call: Call, x: LazyTensor) -> LazyTensor:
    if not x.size:
        return cnp.full((), np.nan, dtype=call.dtype)
    return _shared_by_ties(_median_of_numbers_along(call, cnp.reshape(x, (-1,)), 0)[0], x)


@register(aten.mode)
def _mode(call: Call, x: LazyTensor, dim: int = -1, keepdim: bool = False) -> list[LazyTensor]:
    if not x.ndim:
        return at_position(x, None, dim, keepdim)
    axis = dim % x.ndim
    order = _sorted_positions(x, axis, False, orders_nan=x.dtype.kind != "f")
    ordered = cnp.moveaxis(cnp.take_along_axis(x, order, axis=axis), axis, -1)
    # torch compares neighbours: a NaN stands for itself, and for the end of equal elements.
    is_next = cnp.astype(ordered[..., 1:] != ordered[..., :-1], np.int64)
    run = cnp.cumsum(cnp.concatenate([cnp.zeros((*ordered.shape[:-1], 1), np.int64), is_next], -1), axis=-1)
    counts = cnp.sum(cnp.expand_dims(run, -1) == cnp.expand_dims(run, -2), axis=-1)
    first = cnp.argmax(counts, axis=-1, keepdims=True)
    # torch returns the last of the equal elements.
    last = first + cnp.take_along_axis(counts, first, axis=-1) - 1
    return at_position(x, cnp.take_along_axis(order, cnp.moveaxis(last, -1, axis), axis=axis), dim, keepdim)


@register(aten.searchsorted)
def _search(
    call: Call,
    sequence: LazyTensor,
    values: LazyTensor | float,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: LazyTensor | None = None,
) -> LazyTensor:
    if sorter is not None:
        sequence = cnp.take_along_axis(sequence, sorter, axis=-1)
    sequence, values = promote(call, sequence, values)
    return _binary_search(call, sequence, values, is_right=right or side == "right")


def _binary_search(call: Call, sequence: LazyTensor, values: LazyTensor | float, *, is_right: bool) -> LazyTensor:
    """Return torch's positions of values, in all rows or each in its own row.

    The steps are torch's, so that a sequence which is not sorted gives torch's positions too, and NaN is larger than all numbers.
    """
    size = sequence.shape[-1]
    low = cnp.zeros(call.shape, np.int64)
    high = cnp.full(call.shape, size, np.int64)
    for _ in range(size.bit_length()):
        middle = (low + high) // 2
        # Where the search has ended at the end of the sequence, there is no element; the position stays.
        element = _elements_at(sequence, cnp.minimum(middle, size - 1))
        is_behind = ~(element > values if is_right else element >= values) & (low < high)
        # The half that a search keeps; where low == high, middle is both.
        low, high = cnp.where(is_behind, middle + 1, low), cnp.where(is_behind, high, middle)
    return cast(low, call.dtype)


def _elements_at(sequence: LazyTensor, places: LazyTensor) -> LazyTensor:
    if sequence.ndim == 1:
        return cnp.take(sequence, places)
    return cnp.take_along_axis(sequence, places, axis=-1)


@register(aten.bucketize)
def _bucketize(
    call: Call, values: LazyTensor | float, boundaries: LazyTensor, *, out_int32: bool = False, right: bool = False
) -> LazyTensor:
    values, boundaries = promote(call, values, boundaries)
    return _binary_search(call, boundaries, values, is_right=right)


@register(aten.histc)
def _histogram(call: Call, x: LazyTensor, bins: int = 100, min: float = 0, max: float = 0) -> LazyTensor:
    flat = cast(cnp.reshape(x, (-1,)), np.dtype(np.float64))
    if not x.size:
        return cnp.zeros((bins,), call.dtype)
    low, high = (cnp.min(flat), cnp.max(flat)) if min == max else (min, max)
    if isinstance(low, TensorHandle):
        # Where all elements are equal, torch widens the range by 1 on both sides.
        is_one = low == high
        low, high = cnp.where(is_one, low - 1, low), cnp.where(is_one, high + 1, high)
    is_counted = (flat >= low) & (flat <= high)
    numbers = cnp.where(is_counted, (flat - low) * bins / (high - low), 0)
    places = cnp.clip(cast(cnp.floor(numbers), np.dtype(np.int64)), 0, bins - 1)
    return nn.scatter_add(cnp.zeros((bins,), call.dtype), places, cast(is_counted, call.dtype), 0)


@register(aten.isin.Tensor_Tensor)
def _is_in(
    call: Call, x: LazyTensor, tests: LazyTensor, *, assume_unique: bool = False, invert: bool = False
) -> LazyTensor:
    found = cnp.any(cnp.expand_dims(x, -1) == cnp.reshape(tests, (-1,)), axis=-1)
    return ~found if invert else found
