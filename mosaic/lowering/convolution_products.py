"""Convolutions by other products than one over a view of windows: over stored columns, tap by tap, over a table of rows.

Before:  y[n, p, o] = sum over c, k of x[n, p + k, c] * w[o, c, k]
Columns: t[n, p, k, c] = x[n, p + k, c]; y[n * p, o] = t[n * p, k * c] @ w[k * c, o]
Taps:    t = x[n, p, c] @ w[0, c, o]; t = t + x[n, p + 1, c] @ w[1, c, o]; y = t + x[n, p + 2, c] @ w[2, c, o]
Table:   y[n * p, o] = x at rows[n * p] + taps[k] @ w[k * c, o], see `mosaic.ir.indirect`

All read arrays with channels last, and take strides, dilation and groups as they come.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from composit.nn.operations.convolution import Convolution
from mosaic.ir.expressions import Accumulated, Apply, Expression, Load, literal
from mosaic.ir.indirect import IndirectProduct
from mosaic.ir.statements import Matmul
from mosaic.ir.views import View
from mosaic.lowering.convolution import as_channels_first, by_group, channels_by_group, merged_axes
from mosaic.lowering.registry import Context, Value
from mosaic.lowering.windows import Windows, at_tap, channels_last


def by_columns(operation: Convolution, context: Context) -> Sequence[Value]:
    """Append a copy of all windows, and one product for each group."""
    result, windows, filters = _operands(operation, context)
    if not result.size or not windows.size:
        context.define(result, literal(0, result.dtype))
    else:
        columns = context.copy(windows, context.memory.temporary(windows.shape, windows.dtype))
        _append(context, result, columns, filters)
    return (as_channels_first(result),)


def by_taps(operation: Convolution, context: Context) -> Sequence[Value]:
    """Append one product for each tap, which adds to the sums of those before it."""
    result, windows, filters = _operands(operation, context)
    if not result.size or not windows.size:
        context.define(result, literal(0, result.dtype))
        return (as_channels_first(result),)
    kernel, first = filters.shape[1:-2], result.ndim - 1
    taps = range(first, first + len(kernel))
    order = (*range(first), windows.ndim - 1, *taps)
    before: View | None = None
    for number, tap in enumerate(np.ndindex(*kernel), start=1):
        target = result if number == math.prod(kernel) else _new_result(context, operation.groups)
        seen = at_tap(windows.transpose(order), tap)
        taken = at_tap(filters.transpose((0, -2 % filters.ndim, filters.ndim - 1, *range(1, 1 + len(kernel)))), tap)
        _append(context, target, seen, taken, before)
        before = target
    return (as_channels_first(result),)


def by_table(operation: Convolution, context: Context) -> Sequence[Value]:
    """Append one product of all positions for each group, whose rows are found by a table."""
    result, windows, filters = _operands(operation, context)
    if not result.size or not windows.size:
        context.define(result, literal(0, result.dtype))
    else:
        epilogue, origins = Accumulated(result.dtype), (context.position,)
        context.statements.append(IndirectProduct(result, windows, filters, epilogue, origins))
    return (as_channels_first(result),)


def _operands(operation: Convolution, context: Context) -> tuple[View, View, View]:
    """Return result[n, p..., group, o], windows[n, p..., group, k..., c] and filters[group, k..., c, o]."""
    filters = by_group(context.view(1), 0, operation.groups)
    x = channels_by_group(channels_last(context, context.view(0)), operation.groups)
    windows = Windows(filters.shape[3:], operation.strides, operation.dilation).over(x)
    order = (0, *range(3, filters.ndim), 2, 1)
    return _new_result(context, operation.groups), windows, filters.transpose(order)


def _new_result(context: Context, groups: int) -> View:
    """Return a new array [n, p..., group, o], stored with channels last."""
    num_batch, num_channels, *positions = context.types[0].shape
    shape = (num_batch, *positions, groups, num_channels // groups)
    return context.memory.reordered_temporary(shape, context.types[0].dtype)


def _append(context: Context, result: View, left: View, right: View, before: View | None = None) -> None:
    """Append result[n, p..., group, o] = before + left[n, p..., group, depth...] @ right[group, depth..., o].

    before: another array of the result's shape and strides
    """
    last, count = result.ndim - 3, result.ndim - 2
    order = (*range(last), count, last, count + 1)
    shown = right.expand_dims(range(last)).broadcast_to((*result.shape[:last], *right.shape))
    matrices = merged_axes(
        result.transpose(order), left.transpose((*order[:-1], *range(count + 1, left.ndim))), shown
    )  # fmt: skip
    epilogue: Expression = Accumulated(result.dtype)
    if before is not None:
        assert before.strides == result.strides, "partial sums lie as the result does"
        earlier = replace(matrices[0], buffer=before.buffer)
        epilogue = Apply("add", (epilogue, Load(earlier)), result.dtype)
    context.statements.append(Matmul(*matrices, epilogue, (context.position,)))
