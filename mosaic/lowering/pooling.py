"""Sums of windows, their adjoint, maxima, and the indices of these: definitions over views of windows.

Before:  y = window_maximum(x[n, c, h, w])
After:   y[n, c, p, q] = maximum over [kernel] of windows[n, c, p, q, kernel...]

Lanes run along the channels where x is stored with channels last, else along the last spatial axis. The adjoint of sums goes axis
by axis, with a definition for each remainder of positions by the strides (see `mosaic.lowering.windows`): no element is added to
twice. That of maxima is a scatter at their indices (`mosaic.lowering.scatters`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from composit.nn.operations.pooling_windows import (
    ChosenMaximum,
    MaximumIndices,
    WindowMaximum,
    WindowSpread,
    WindowSum,
)
from mosaic.ir.expressions import Apply, Expression, Load, convert, literal
from mosaic.ir.views import View
from mosaic.lowering.registry import Context, Value, lower
from mosaic.lowering.windows import Windows, adjoint_windows, along_axis, at_tap, define_reduction

_most_compared = 9
"""The most elements that one expression compares: it grows with their square."""

_most_taps = 8
"""The most elements along an axis that one expression compares; further ones go on from its result."""

_most_in_turn = 32
"""Along longer axes the position is reduced: the C would have an expression for every eight elements."""


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


def _reduced(
    operation: WindowSum | WindowMaximum | ChosenMaximum, context: Context, reducer: str, number: int = 0
) -> Sequence[Value]:
    """Return the reductions of all windows of an operand."""
    x, kernel = context.view(number), operation.kernel
    order = _order_of(x, len(kernel))
    result, seen = order.result(context), order.arranged(x)
    windows = Windows(kernel, operation.strides, operation.dilation)
    if len(kernel) > 1 and not order.is_last and context.types[0].shape[-1] > 1:
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
    # Of x and x with a border, the elements are those of the last.
    return _reduced(operation, context, "maximum", len(context.operands) - 1)


@lower.register
def _(operation: ChosenMaximum, context: Context) -> Sequence[Value]:
    return _reduced(operation, context, "maximum", 1)


@lower.register
def _(operation: MaximumIndices, context: Context) -> Sequence[Value]:
    """The index of the first of the largest elements; where there are NaNs, of the last of these, as torch has it."""
    seen, rank = context.view(0), len(operation.kernel)
    order = _order_of(seen, rank)
    result = order.result(context)
    if not result.size:
        return (order.restored(result),)
    starts = [_of_each_window(context, number, order) for number in range(1, len(context.operands))]
    offset = _offset_of_largest(operation, context, order, order.arranged(seen))
    index: Expression = Apply("add", (offset, starts[0]), result.dtype)
    if len(starts) > 1:
        # The first tap, in a border, is the largest only if no element is larger than the border.
        index = Apply("where", (_is_number(offset, 0), starts[1], index), result.dtype)
    return (order.restored(context.define(result, index)),)


def _of_each_window(context: Context, number: int, order: _Order) -> Expression:
    """Return an operand that has one element for each position of the windows, for all that these share their places with."""
    view = context.view(number)
    spread = view.broadcast_to(context.types[0].shape)
    return Load(order.arranged(spread))


@dataclass(frozen=True, slots=True)
class _Largest:
    """The largest of some elements, and how far it is behind the first."""

    value: Expression
    offset: Expression


def _offset_of_largest(operation: MaximumIndices, context: Context, order: _Order, seen: View) -> Expression:
    """Return how far the largest element of each window is behind its first, in flattened axes.

    Few elements are compared one after the other. Else the largest along the last axis are found first, and those of them along
    the axis before: of 5 x 5 elements by 10 comparisons. Along long axes the number of the tap is a reduction.
    """
    windows, dtype = Windows(operation.kernel, operation.strides, operation.dilation), context.types[0].dtype
    if max(operation.kernel) > _most_in_turn:
        return _offset_by_reduction(operation, context, order, windows.over(seen, order.start))
    if math.prod(operation.kernel) <= _most_compared:
        taps = windows.over(seen, order.start)
        offsets = zip(np.ndindex(*operation.kernel), operation.tap_offsets, strict=True)
        return _compared([(Load(at_tap(taps, tap)), literal(offset, dtype)) for tap, offset in offsets], dtype).offset
    steps = [math.prod(operation.lengths[axis + 1 :]) for axis in range(len(operation.kernel))]
    largest, offset = seen, None
    for axis in reversed(range(len(steps))):
        found = _largest_along(
            context, windows.of_axis(axis), order.start + axis, steps[axis], (largest, offset), dtype
        )
        largest, offset = found
    assert offset is not None, "a kernel has an axis"
    return Load(offset)


def _largest_along(
    context: Context, windows: Windows, axis: int, step: int, found: tuple[View, View | None], dtype: np.dtype
) -> tuple[View, View]:
    """Append the largest elements of windows along one axis, and how far they are behind the first, as two new arrays.

    found: the elements, and how far each is behind the first of its window along the later axes
    """
    values, offsets = found
    seen = windows.along(values, axis)
    (count,), (apart,) = windows.kernel, windows.dilation
    within = None if offsets is None else windows.along(offsets, axis)
    best: _Largest | None = None
    for start in range(0, count, _most_taps):
        terms = [(best.value, best.offset)] if best is not None else []
        for tap in range(start, min(start + _most_taps, count)):
            offset: Expression = literal(tap * apart * step, dtype)
            if within is not None:
                offset = Apply("add", (Load(at_tap(within, (tap,))), offset), dtype)
            terms.append((Load(at_tap(seen, (tap,))), offset))
        compared = _compared(terms, dtype)
        shape = seen.shape[:-1]
        stored = [context.memory.temporary(shape, each) for each in (values.dtype, dtype)]
        for view, expression in zip(stored, (compared.value, compared.offset), strict=True):
            context.define(view, expression)
        best = _Largest(*map(Load, stored))
    return stored[0], stored[1]


def _compared(terms: Sequence[tuple[Expression, Expression]], dtype: np.dtype) -> _Largest:
    """Return the largest of values, and its offset, by one comparison for each: every element is loaded once."""
    largest, chosen = terms[0]
    for value, offset in terms[1:]:
        is_better: Expression = Apply("greater", (value, largest), np.dtype(np.bool))
        if value.dtype.kind == "f":
            is_better = Apply("logical_or", (is_better, _is_nan(value)), np.dtype(np.bool))
        chosen = Apply("where", (is_better, offset, chosen), dtype)
        largest = Apply("maximum", (largest, value), value.dtype)
    return _Largest(largest, chosen)


def _offset_by_reduction(operation: MaximumIndices, context: Context, order: _Order, windows: View) -> Expression:
    """Return how far the largest is behind the first, from the number of its tap, which is a reduction."""
    kernel, dtype, number_dtype = operation.kernel, context.types[0].dtype, np.dtype(np.int64)
    first = context.define(order.result(context, number_dtype), Load(windows), "argmax", kernel)
    number: Expression = Load(first)
    if windows.dtype.kind == "f":
        last = order.result(context, number_dtype)
        largest = context.define(order.result(context, windows.dtype), Load(windows), "maximum", kernel)
        context.define(last, _is_nan(Load(_backwards(windows, len(kernel)))), "first", kernel)
        from_end = Apply("subtract", (literal(math.prod(kernel) - 1, number_dtype), Load(last)), number_dtype)
        number = Apply("where", (_is_nan(Load(largest)), from_end, number), number_dtype)
    return convert(_offset_of(number, operation), dtype)


def _offset_of(number: Expression, operation: MaximumIndices) -> Expression:
    """Return how far the tap of a number is behind the first one: its place along each axis times the step there."""
    total: Expression | None = None
    for axis, count in enumerate(operation.kernel):
        inner = math.prod(operation.kernel[axis + 1 :])
        place = number
        for function, divisor in (("floor_divide", inner), ("remainder", count if axis else 1)):
            if divisor > 1:
                place = Apply(function, (place, literal(divisor, number.dtype)), number.dtype)
        step = math.prod(operation.lengths[axis + 1 :]) * operation.dilation[axis]
        moved = Apply("multiply", (place, literal(step, number.dtype)), number.dtype)
        total = moved if total is None else Apply("add", (total, moved), number.dtype)
    assert total is not None, "a kernel has an axis"
    return total


def _is_nan(expression: Expression) -> Expression:
    return Apply("isnan", (expression,), np.dtype(np.bool))


def _backwards(view: View, count: int) -> View:
    """Return the view with its last axes in reverse."""
    for axis in range(view.ndim - count, view.ndim):
        view = view.slice_axis(axis, view.shape[axis] - 1, view.shape[axis], -1)
    return view


def _is_number(index: Expression, number: int) -> Expression:
    return Apply("equal", (index, literal(number, index.dtype)), np.dtype(np.bool))


@lower.register
def _(operation: WindowSpread, context: Context) -> Sequence[Value]:
    """The last axis first: it is the one with steps between elements, and the array is still small."""
    view, rank = context.view(0), len(operation.kernel)
    order = _order_of(view, rank)
    windows = Windows(operation.kernel, operation.strides, operation.dilation)
    spread = order.arranged(view)
    for axis in reversed(range(rank)):
        length = operation.lengths[axis]
        shape = (*spread.shape[: order.start + axis], length, *spread.shape[order.start + axis + 1 :])
        result = order.result(context) if axis == 0 else context.memory.temporary(shape, view.dtype)
        spread = _spread_along(context, spread, result, order.start + axis, windows.of_axis(axis))
    return (order.restored(spread),)


def _spread_along(context: Context, g: View, result: View, axis: int, windows: Windows) -> View:
    """Append the adjoint of sums of windows along one axis."""
    adjoint = adjoint_windows(windows, (result.shape[axis],), (g.shape[axis],))
    bordered = _with_border_along(context, g, axis, adjoint.border[0])
    for part in adjoint.parts:
        target = part.of_result(result, axis)
        if part.is_empty:
            context.define(target, literal(0, result.dtype))
        else:
            seen = along_axis(part.over, bordered, axis)
            define_reduction(context, target, "add", Load(seen), part.kernel)
    return result


def _with_border_along(context: Context, x: View, axis: int, sides: tuple[int, int]) -> View:
    """Return x with zeros before and after it along one axis."""
    if not any(sides) or not x.size:
        return x
    length = x.shape[axis]
    stored = context.memory.temporary((*x.shape[:axis], length + sum(sides), *x.shape[axis + 1 :]), x.dtype)
    context.define(stored, literal(0, x.dtype))
    context.copy(x, stored.slice_axis(axis, sides[0], length))
    return stored
