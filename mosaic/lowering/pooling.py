"""Sums, maxima and chosen elements of windows, and their adjoints: definitions over views of windows.

Before:  y = window_maximum(x[n, c, h, w])
After:   y[n, c, p, q] = maximum over [kernel] of windows[n, c, p, q, kernel...]

Lanes run along the channels where x is stored with channels last, else along the last spatial axis. The adjoints are a
definition for each remainder of positions by the strides (see `mosaic.lowering.windows`): no element is added to twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from composit.nn.operations.pooling_windows import (
    MaximumPositions,
    PickInWindow,
    SpreadInWindow,
    WindowMaximum,
    WindowSpread,
    WindowSum,
)
from mosaic.ir.expressions import Apply, Expression, Load, literal
from mosaic.ir.views import Shape, View
from mosaic.lowering.registry import Context, NoLowering, Value, lower
from mosaic.lowering.windows import Border, Part, Windows, adjoint_windows, at_tap, define_reduction, with_border

_most_compared = 9
"""Windows of more elements are reduced instead: the expression of the position grows with their square."""

_most_taps = 8
"""Taps of one expression that chooses among them; further taps go on from its result."""


@dataclass(frozen=True, slots=True)
class _Order:
    """The order of axes in which arrays are computed: (..., lengths...), or with `is_last` (n, lengths..., channels)."""

    rank: int
    ndim: int
    is_last: bool

    @property
    def start(self) -> int:
        """The first spatial axis."""
        return 1 if self.is_last else self.ndim - self.rank

    def arranged(self, view: View) -> View:
        """Return an operand in this order."""
        return view.transpose((0, *range(2, view.ndim), 1)) if self.is_last else view

    def restored(self, view: View) -> View:
        """Return a result in the order of its type."""
        return view.transpose((0, view.ndim - 1, *range(1, view.ndim - 1))) if self.is_last else view

    def result(self, context: Context, dtype: np.dtype | None = None) -> View:
        """Return a new array for the result, in this order."""
        shape = context.types[0].shape
        dtype = dtype or context.types[0].dtype
        if self.is_last:
            return context.memory.reordered_temporary((shape[0], *shape[2:], shape[1]), dtype)
        return context.memory.temporary(shape, dtype)


def _order_of(x: View, rank: int) -> _Order:
    is_last = x.ndim == rank + 2 and x.strides[1] == 1 and x.shape[1] > 1
    return _Order(rank, x.ndim, is_last)


def _windows_of(operation: WindowSum | WindowMaximum | MaximumPositions | PickInWindow) -> Windows:
    return Windows(operation.kernel, operation.strides, operation.dilation)


def _reduced(operation: WindowSum | WindowMaximum, context: Context, reducer: str) -> Sequence[Value]:
    x, kernel = context.view(0), operation.kernel
    order = _order_of(x, len(kernel))
    result, seen, windows = order.result(context), order.arranged(x), _windows_of(operation)
    if len(kernel) > 1 and not order.is_last:
        # Lanes run along the last axis, and dense for all other taps: those first, as numpy does.
        windows, last = windows.split()
        rows = windows.over(seen, order.start)
        partly = context.memory.temporary(rows.shape[: seen.ndim], seen.dtype)
        define_reduction(context, partly, reducer, Load(rows), windows.kernel)
        seen, windows = partly, last
    start = seen.ndim - 1 if len(windows.kernel) < len(kernel) else order.start
    define_reduction(context, result, reducer, Load(windows.over(seen, start)), windows.kernel)
    return (order.restored(result),)


@lower.register
def _(operation: WindowSum, context: Context) -> Sequence[Value]:
    return _reduced(operation, context, "add")


@lower.register
def _(operation: WindowMaximum, context: Context) -> Sequence[Value]:
    return _reduced(operation, context, "maximum")


@lower.register
def _(operation: MaximumPositions, context: Context) -> Sequence[Value]:
    """The first position of the largest element; where there are NaNs, the last of these, as torch has it."""
    x = context.view(0)
    order, count = _order_of(x, len(operation.kernel)), math.prod(operation.kernel)
    result = order.result(context)
    if count == 1:
        return (order.restored(context.define(result, literal(0, result.dtype))),)
    windows = _windows_of(operation).over(order.arranged(x), order.start)
    if count <= _most_compared:
        return (order.restored(context.define(result, _first_largest(windows, len(operation.kernel), result.dtype))),)
    if x.dtype.kind != "f":
        return (order.restored(context.define(result, Load(windows), "argmax", operation.kernel)),)
    first, last = order.result(context), order.result(context)
    context.define(first, Load(windows), "argmax", operation.kernel)
    largest = context.define(order.result(context, x.dtype), Load(windows), "maximum", operation.kernel)
    context.define(last, _is_nan(Load(_backwards(windows, len(operation.kernel)))), "first", operation.kernel)
    from_end = Apply("subtract", (literal(count - 1, result.dtype), Load(last)), result.dtype)
    chosen = Apply("where", (_is_nan(Load(largest)), from_end, Load(first)), result.dtype)
    return (order.restored(context.define(result, chosen)),)


def _first_largest(windows: View, rank: int, dtype: np.dtype) -> Expression:
    """Return an expression for the position, by one comparison for each tap: every element is loaded once."""
    largest: Expression | None = None
    position: Expression = literal(0, dtype)
    for number, tap in enumerate(np.ndindex(*windows.shape[windows.ndim - rank :])):
        value = Load(at_tap(windows, tap))
        if largest is None:
            largest = value
            continue
        is_better: Expression = Apply("greater", (value, largest), np.dtype(np.bool))
        if value.dtype.kind == "f":
            is_better = Apply("logical_or", (is_better, _is_nan(value)), np.dtype(np.bool))
        position = Apply("where", (is_better, literal(number, dtype), position), dtype)
        largest = Apply("maximum", (largest, value), value.dtype)
    return position


def _is_nan(expression: Expression) -> Expression:
    return Apply("isnan", (expression,), np.dtype(np.bool))


def _backwards(view: View, count: int) -> View:
    """Return the view with its last axes in reverse."""
    for axis in range(view.ndim - count, view.ndim):
        view = view.slice_axis(axis, view.shape[axis] - 1, view.shape[axis], -1)
    return view


@lower.register
def _(operation: PickInWindow, context: Context) -> Sequence[Value]:
    positions, x = context.view(0), context.view(1)
    order = _order_of(x, len(operation.kernel))
    index = Load(order.arranged(positions))
    windows = _windows_of(operation).over(order.arranged(x), order.start)
    taps = list(enumerate(np.ndindex(*operation.kernel)))
    value: Expression = literal(0, x.dtype)
    for start in range(0, len(taps), _most_taps):
        for number, tap in taps[start : start + _most_taps]:
            value = Apply("where", (_is_number(index, number), Load(at_tap(windows, tap)), value), x.dtype)
        result = context.define(order.result(context), value)
        value = Load(result)
    return (order.restored(result),)


def _is_number(index: Expression, number: int) -> Expression:
    return Apply("equal", (index, literal(number, index.dtype)), np.dtype(np.bool))


@lower.register
def _(operation: WindowSpread, context: Context) -> Sequence[Value]:
    adjoint = _adjoint(operation, context, 0)
    g, result = adjoint.with_border(context, 0, None), adjoint.order.result(context)
    for part in adjoint.parts:
        target = part.of_result(result, adjoint.order.start)
        if part.is_empty:
            context.define(target, literal(0, result.dtype))
        else:
            define_reduction(context, target, "add", Load(part.over(g, adjoint.order.start)), part.kernel)
    return (adjoint.order.restored(result),)


@lower.register
def _(operation: SpreadInWindow, context: Context) -> Sequence[Value]:
    adjoint = _adjoint(operation, context, 0)
    start = adjoint.order.start
    positions, g = adjoint.with_border(context, 0, -1), adjoint.with_border(context, 1, None)
    result = adjoint.order.result(context)
    for part in adjoint.parts:
        target = part.of_result(result, start)
        if part.is_empty:
            context.define(target, literal(0, result.dtype))
        elif target.size:
            _append_chosen(context, target, part, operation.kernel, (part.over(positions, start), part.over(g, start)))
    return (adjoint.order.restored(result),)


@dataclass(frozen=True, slots=True)
class _Adjoint:
    parts: tuple[Part, ...]
    border: Border
    order: _Order

    def with_border(self, context: Context, index: int, value: int | None) -> View:
        """Return an operand with the border that windows need, in the order of the result."""
        view = context.view(index)
        if not any(map(any, self.border)):
            return self.order.arranged(view)
        filling = None if value is None else literal(value, view.dtype)
        return self.order.arranged(with_border(context, view, self.border, filling))


def _adjoint(operation: WindowSpread | SpreadInWindow, context: Context, index: int) -> _Adjoint:
    view, rank = context.view(index), len(operation.kernel)
    windows = Windows(operation.kernel, operation.strides, operation.dilation)
    found = adjoint_windows(windows, operation.lengths, view.shape[view.ndim - rank :])
    needs_border = any(map(any, found.border))
    if needs_border and view.ndim != rank + 2:
        raise NoLowering("windows that overlap have a lowering to C for arrays with a batch and channels only")
    order = _Order(rank, view.ndim, needs_border or _order_of(view, rank).is_last)
    return _Adjoint(found.parts, found.border, order)


def _append_chosen(context: Context, target: View, part: Part, kernel: Shape, windows: tuple[View, View]) -> None:
    """Append target = sum over taps of g's window where its position is the number of the tap."""
    numbers = [np.ravel_multi_index(taps, kernel) for taps in product(*(axis.taps for axis in part.axes))]
    taps = list(zip(numbers, np.ndindex(*part.kernel), strict=True))
    dtype, value = target.dtype, None
    for start in range(0, len(taps), _most_taps):
        for number, tap in taps[start : start + _most_taps]:
            index, g = (Load(at_tap(view, tap)) for view in windows)
            chosen: Expression = Apply("where", (_is_number(index, int(number)), g, literal(0, dtype)), dtype)
            value = chosen if value is None else Apply("add", (value, chosen), dtype)
        assert value is not None, "a part that is not empty has taps"
        is_last = start + _most_taps >= len(taps)
        result = target if is_last else context.memory.temporary(target.shape, dtype)
        value = Load(context.define(result, value))
