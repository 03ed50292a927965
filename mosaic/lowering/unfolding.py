"""Windows as columns are a view; their sum at their positions is a definition for each remainder by the strides."""

from __future__ import annotations

from collections.abc import Sequence

from composit.nn.operations.unfolding import FoldedWindows, UnfoldedWindows
from mosaic.ir.expressions import Load, literal
from mosaic.ir.views import View
from mosaic.lowering.registry import Context, Value, lower
from mosaic.lowering.windows import Border, Part, Windows, adjoint_windows, define_reduction


@lower.register
def _(operation: UnfoldedWindows, context: Context) -> Sequence[Value]:
    x, rank = context.view(0), len(operation.kernel)
    start = x.ndim - rank
    windows = Windows(operation.kernel, operation.strides, operation.dilation).over(x, start)
    order = (*range(start), *range(start + rank, start + 2 * rank), *range(start, start + rank))
    return (windows.transpose(order),)


@lower.register
def _(operation: FoldedWindows, context: Context) -> Sequence[Value]:
    columns, result, rank = context.view(0), context.result(), len(operation.kernel)
    windows = Windows(operation.kernel, operation.strides, operation.dilation)
    adjoint = adjoint_windows(windows, operation.lengths, columns.shape[columns.ndim - rank :])
    bordered = _with_border(context, columns, adjoint.border)
    for part in adjoint.parts:
        target = part.of_result(result, result.ndim - rank)
        if part.is_empty:
            context.define(target, literal(0, result.dtype))
        else:
            define_reduction(context, target, "add", Load(_chosen(bordered, part)), part.kernel)
    return (result,)


def _with_border(context: Context, columns: View, border: Border) -> View:
    """Return columns[..., kernel..., positions...] with zeros around the positions."""
    if not any(map(any, border)) or not columns.size:
        return columns
    start = columns.ndim - len(border)
    lengths = [length + sum(sides) for length, sides in zip(columns.shape[start:], border, strict=True)]
    stored = context.memory.temporary((*columns.shape[:start], *lengths), columns.dtype)
    context.define(stored, literal(0, columns.dtype))
    inside = stored
    for axis, sides in enumerate(border, start=start):
        inside = inside.slice_axis(axis, sides[0], columns.shape[axis])
    context.copy(columns, inside)
    return stored


def _chosen(columns: View, part: Part) -> View:
    """Return the elements of columns[..., kernel..., positions...] that belong to a part: [..., elements..., taps...].

    With each further tap of a part the position moves by its step, so one stride leads along both.
    """
    rank = len(part.axes)
    start = columns.ndim - 2 * rank
    offset, counts, between, within = columns.offset, [], [], []
    for place, axis in enumerate(part.axes, start=start):
        tap_stride, position_stride = columns.strides[place], columns.strides[place + rank]
        offset = offset + axis.taps.start * tap_stride + axis.start * position_stride
        counts.append(axis.count)
        between.append(position_stride)
        within.append(axis.taps.step * tap_stride + axis.step * position_stride)
    shape = (*columns.shape[:start], *counts, *part.kernel)
    return View(columns.buffer, offset, shape, (*columns.strides[:start], *between, *within))
