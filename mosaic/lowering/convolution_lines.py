"""Convolutions of images whose channels come first, with lanes along lines: nothing is converted on the way in or out.

Before:  y[n, o, p, q] = sum over c, k, l of x[n, c, s * p + d * k, q + l] * w[o, c, k, l]
After:   y[n, p, o, q] = w[o, (c, k, l)] @ x[n, p, (c, k, l), q]          the right operand is a view of windows

The filters are the left operand, so that each line of the result is a product of its own, whose columns are the positions along it.
Where filters have one tap, as in a 1x1 convolution, all lines of an image are one. Only where windows lie some elements apart along
a line are they copied, tap by tap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from composit.nn.operations.convolution import Convolution
from mosaic.ir.expressions import Accumulated, literal
from mosaic.ir.statements import Matmul
from mosaic.ir.views import View
from mosaic.lowering.convolution import by_group, channels_by_group, merged_axes
from mosaic.lowering.registry import Context, Value
from mosaic.lowering.windows import Windows


def along_lines(operation: Convolution, context: Context) -> Sequence[Value]:
    """Append a product for each line, or for each image."""
    num_batch, num_channels, *positions = context.types[0].shape
    dtype, groups = context.types[0].dtype, operation.groups
    result = context.memory.temporary((num_batch, num_channels, *positions), dtype)
    x, filters = context.view(0), by_group(context.dense(1), 0, groups)
    if not result.size or not x.size or not filters.size:
        context.define(result, literal(0, dtype))
        return (result,)
    windows = Windows(filters.shape[3:], operation.strides, operation.dilation)
    right = _windows_along_lines(context, *_without_idle_steps(x, windows, positions), groups)
    by_groups = by_group(result, 1, groups)
    rank, last = len(positions), by_groups.ndim - 1
    lines = by_groups.transpose((0, 1, *range(3, last), 2, last))
    left = filters.expand_dims((0, *range(2, rank + 1))).broadcast_to((*lines.shape[:-1], *filters.shape[2:]))
    matrices = merged_axes(*_with_long_lines(lines, left, right))
    context.statements.append(Matmul(*matrices, Accumulated(dtype), (context.position,), is_in_place=True))
    return (result,)


def _without_idle_steps(x: View, windows: Windows, positions: Sequence[int]) -> tuple[View, Windows]:
    """Return x without the elements between windows of one element, which are one step apart then."""
    strides = list(windows.strides)
    for axis, (count, taps) in enumerate(zip(positions, windows.kernel, strict=True)):
        if taps == 1:
            x, strides[axis] = x.slice_axis(axis + 2, 0, count, strides[axis]), 1
    return x, replace(windows, strides=tuple(strides))


def _windows_along_lines(context: Context, x: View, windows: Windows, groups: int) -> View:
    """Return windows [n, group, p..., c, k..., q] whose positions along a line, q, lie side by side."""
    rank = len(windows.kernel)
    seen = windows.over(channels_by_group(x, groups))  # [n, p..., q, group, k..., c]
    order = (0, rank + 1, *range(1, rank), seen.ndim - 1, *range(rank + 2, seen.ndim - 1), rank)
    if seen.strides[rank] == 1:
        return seen.transpose(order)
    outer, inner = windows.split()
    taps = inner.along(x, x.ndim - 1)  # [n, channels, lengths..., q, l]
    moved = taps.transpose((0, 1, taps.ndim - 1, *range(2, taps.ndim - 1)))
    stored = context.copy(moved, context.memory.temporary(moved.shape, moved.dtype))
    # [n, channels, l, lengths..., q] -> [n, lengths..., channels, l, q] -> [n, p..., group, k..., c, l, q]
    last = stored.ndim - 1
    along = outer.over(by_group(stored.transpose((0, *range(3, last), 1, 2, last)), rank, groups))
    count = along.ndim
    return along.transpose((0, rank, *range(1, rank), count - 3, *range(rank + 1, count - 3), count - 2, count - 1))


def _with_long_lines(result: View, left: View, right: View) -> tuple[View, View, View]:
    """Return the views with all lines as one, as far as they lie evenly apart in both images.

    Before:  y[1, 1, 56, 64, 56], with the axes n, group, p, o, q
    After:   y[1, 1, 64, 3136]
    """
    for axis in reversed(range(2, result.ndim - 2)):
        end, depth = right.ndim - 1, range(axis + 1, right.ndim - 1)
        joined = (
            result.transpose((*range(axis), axis + 1, axis, axis + 2)).joined(axis + 1),
            right.transpose((*range(axis), *depth, axis, end)).joined(end - 1),
        )
        if joined[0] is None or joined[1] is None:
            break
        result, left, right = joined[0], left.drop_axes((axis,)), joined[1]
    return result, left, right
