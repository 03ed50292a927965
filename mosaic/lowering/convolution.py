"""Convolution and its two adjoints: products whose left operand is a view of windows, which copies nothing.

Before:  y[n, o, p] = sum over c, k of x[n, c, s * p + d * k] * w[o, c, k]
After:   y[n, p, o] = windows[n, p, k, c] @ w[k, c, o]         depth: k, c; columns: o

Arrays are stored with channels last, which is the order of a temporary's axes: a window's channels lie side by side, and
rows of results are dense. The adjoint in x is one such product for each remainder of positions by the strides, of g with a
border of zeros; the adjoint in the filters has the positions as its depth. Where groups leave few columns, channels take
the lanes of a definition instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from composit.nn.operations.convolution import Convolution, FilterGradient, TransposedConvolution
from mosaic.ir import statements as ir
from mosaic.ir.expressions import Accumulated, Apply, Load, convert, literal
from mosaic.ir.views import View
from mosaic.lowering.convolution_planes import append_planes, has_short_lines
from mosaic.lowering.registry import Context, Value, lower
from mosaic.lowering.windows import Windows, adjoint_windows, channels_last, define_reduction, with_border

fewest_columns = 4
"""A tile computes at least a vector of columns; with fewer, lanes along groups or channels do more."""


@lower.register
def _(operation: Convolution, context: Context) -> Sequence[Value]:
    filters = by_group(context.view(1), 0, operation.groups)
    groups, num_each, _, *kernel = filters.shape
    is_narrow = not _is_wide(groups, num_each)
    x = context.view(0) if is_narrow else channels_last(context, context.view(0))
    if is_narrow and has_short_lines(operation, x, context.types[0].shape[-1]) and filters.size:
        return (append_planes(context, operation, x, filters, _append),)
    windows = Windows(tuple(kernel), operation.strides, operation.dilation).over(channels_by_group(x, groups))
    result = _result(context, groups, is_first=is_narrow and x.strides[1] != 1)
    _append(context, result, windows, filters)
    return (as_channels_first(result),)


@lower.register
def _(operation: TransposedConvolution, context: Context) -> Sequence[Value]:
    dtype, rank = context.types[0].dtype, len(operation.lengths)
    filters = by_group(context.view(1), 0, operation.groups)
    groups, _, num_each, *kernel = filters.shape
    is_first = not _is_wide(groups, num_each) and context.view(0).strides[1] != 1
    result = _result(context, groups, is_first)
    parts = adjoint_windows(Windows(tuple(kernel), operation.strides, operation.dilation), operation.lengths,
                            context.operand_types[0].shape[2:])  # fmt: skip
    g = channels_by_group(with_border(context, context.view(0), parts.border, is_first), operation.groups)
    for part in parts.parts:
        target = part.of_result(result, 1)
        if part.is_empty:
            context.define(target, literal(0, dtype))
            continue
        # The filters of the adjoint go backwards, and from outputs to channels.
        taken = part.of_filters(filters, 3)
        order = (0, 2, 1, *range(3, 3 + rank))
        _append(context, target, part.over(g), taken.transpose(order))
    return (as_channels_first(result),)


@lower.register
def _(operation: FilterGradient, context: Context) -> Sequence[Value]:
    (num_outputs, num_channels, *kernel), dtype = context.types[0].shape, context.types[0].dtype
    groups, rank = operation.groups, len(kernel)
    x = channels_by_group(channels_last(context, context.view(0)), groups)
    windows = Windows(tuple(kernel), operation.strides, operation.dilation).over(x)
    g = channels_by_group(channels_last(context, context.view(1)), groups)
    result = context.memory.reordered_temporary((*kernel, num_channels, groups, num_outputs // groups), dtype)
    # windows[n, p..., group, k..., c] -> left[group, k..., c, n, p...]; g[n, p..., group, o] -> right[group, k..., n, p..., o]
    first = 1 + rank
    left = windows.transpose((first, *range(first + 1, windows.ndim), *range(first)))
    right = g.transpose((first, *range(first), first + 1)).expand_dims(range(1, 1 + rank))
    right = right.broadcast_to((groups, *kernel, *right.shape[1 + rank :]))
    if _is_product(result, left, right) and right.size:
        _append_product(context, result.transpose((rank + 1, *range(rank + 1), rank + 2)), left, right)
    else:
        # In the order of the result, so that lanes run along its last axes: (k..., c, group, o, n, p...).
        left = left.transpose((*range(1, rank + 2), 0, *range(rank + 2, left.ndim))).expand_dims((rank + 2,))
        right = right.transpose((*range(1, rank + 1), 0, right.ndim - 1, *range(rank + 1, right.ndim - 1)))
        _append_sum(context, result, left, right.expand_dims((rank,)), rank + 3)
    order = (rank + 1, rank + 2, rank, *range(rank))
    merged = result.transpose(order).reshape((num_outputs, num_channels, *kernel))
    assert merged is not None, "groups of outputs lie side by side"
    return (merged,)


def _append(context: Context, result: View, windows: View, filters: View) -> None:
    """Append result[n, p..., group, o] = sum over k, c of windows[n, p..., group, k..., c] * filters[group, o, c, k...]."""
    num_kept = result.ndim - 2
    positions = result.shape[:num_kept]
    right = filters.transpose((0, *range(3, filters.ndim), 2, 1))
    if not result.size or not windows.size:
        context.define(result, literal(0, result.dtype))
    elif _is_product(result, windows, filters):
        # The last axis of positions is the rows, all others are a batch.
        order = (*range(num_kept - 1), num_kept, num_kept - 1, *range(num_kept + 1, windows.ndim))
        left = windows.transpose(order)
        shown = right.expand_dims(range(num_kept - 1))
        shown = shown.broadcast_to((*positions[:-1], *right.shape))
        _append_product(
            context, result.transpose((*range(num_kept - 1), num_kept, num_kept - 1, num_kept + 1)), left, shown
        )
    else:
        shown = right.transpose((0, right.ndim - 1, *range(1, right.ndim - 1)))
        seen, count = windows.expand_dims((num_kept + 1,)), result.ndim
        if result.strides[num_kept - 1] == 1:
            # Arrays lie with channels first: lanes run along the last axis of positions.
            order = (0, num_kept, num_kept + 1, *range(1, num_kept))
            seen = seen.transpose((*order, *range(count, seen.ndim)))
            shown = shown.expand_dims(range(2, 1 + num_kept))
            result = result.transpose(order)
        _append_sum(context, result, seen, shown, count)


def _result(context: Context, groups: int, is_first: bool) -> View:
    """Return a new array [n, p..., group, o], stored with channels last or first."""
    num_batch, num_channels, *positions = context.types[0].shape
    each = (groups, num_channels // groups)
    if not is_first:
        return context.memory.reordered_temporary((num_batch, *positions, *each), context.types[0].dtype)
    stored = context.memory.temporary((num_batch, *each, *positions), context.types[0].dtype)
    return stored.transpose((0, *range(3, stored.ndim), 1, 2))


def _is_wide(groups: int, num_columns: int) -> bool:
    """Whether the outputs of a group fill a good part of a vector."""
    return num_columns > 1 and (num_columns >= fewest_columns or groups == 1)


def _is_product(result: View, first: View, second: View) -> bool:
    """Whether a result[..., group, columns] is computed by tiles."""
    *_, groups, num_columns = result.shape
    is_tiled = result.dtype in (np.float32, np.float64) and first.dtype == second.dtype == result.dtype
    return is_tiled and _is_wide(groups, num_columns)


def _append_product(context: Context, result: View, left: View, right: View) -> None:
    """Append result[batch..., m, n] = left[batch..., m, k...] @ right[batch..., k..., n], with as few axes as there can be."""
    result, left, right = merged_axes(result, left, right)
    origins = (context.position,)
    context.statements.append(ir.Matmul(result, left, right, Accumulated(result.dtype), origins))


def merged_axes(result: View, left: View, right: View) -> tuple[View, View, View]:
    """Return the views with axes of length 1 dropped, rows merged with the batch, and axes of the depth with each other."""
    count = result.ndim - 2
    num_depth = left.ndim - count - 1
    idle = [axis for axis in range(count) if result.shape[axis] == 1]
    result, left, right = (view.drop_axes(idle) for view in (result, left, right))
    count -= len(idle)
    idle = [axis for axis in range(num_depth) if left.shape[count + 1 + axis] == 1][: num_depth - 1]
    left = left.drop_axes([count + 1 + axis for axis in idle])
    right = right.drop_axes([count + axis for axis in idle])
    num_depth -= len(idle)
    for axis in reversed(range(num_depth - 1)):
        joined = left.joined(count + 1 + axis), right.joined(count + axis)
        if joined[0] is not None and joined[1] is not None:
            left, right = joined[0], joined[1]
    # One filter for all rows: those of several positions are rows of one product where they lie evenly apart.
    while count and not right.strides[count - 1]:
        rows = result.joined(count - 1), left.joined(count - 1)
        if rows[0] is None or rows[1] is None:
            break
        result, left, right = rows[0], rows[1], right.drop_axes((count - 1,))
        count -= 1
    return result, left, right


def _append_sum(context: Context, result: View, first: View, second: View, num_kept: int) -> None:
    """Append a sum of products over the axes after the kept ones."""
    reduced = np.broadcast_shapes(first.shape[num_kept:], second.shape[num_kept:])
    if not math.prod(reduced):
        context.define(result, literal(0, result.dtype))
        return
    domain = (*result.shape, *reduced)
    factors = tuple(convert(Load(view.broadcast_to(domain)), result.dtype) for view in (first, second))
    define_reduction(context, result, "add", Apply("multiply", factors, result.dtype), reduced)


def by_group(view: View, axis: int, groups: int) -> View:
    """Return the view with one axis as two: group, and number within the group."""
    count, stride = view.shape[axis] // groups, view.strides[axis]
    shape = (*view.shape[:axis], groups, count, *view.shape[axis + 1 :])
    return View(
        view.buffer, view.offset, shape, (*view.strides[:axis], count * stride, stride, *view.strides[axis + 1 :])
    )


def channels_by_group(x: View, groups: int) -> View:
    """Return x[n, channels, lengths...] as [n, lengths..., group, c]."""
    return by_group(x.transpose((0, *range(2, x.ndim), 1)), x.ndim - 1, groups)


def as_channels_first(result: View) -> View:
    """Return result[n, p..., group, o] as [n, channels, p...]."""
    *outer, _, _ = result.shape
    merged = result.joined(len(outer))
    assert merged is not None, "channels of one group follow those of the one before"
    return merged.transpose((0, merged.ndim - 1, *range(1, merged.ndim - 1)))
