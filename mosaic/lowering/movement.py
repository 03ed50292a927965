"""Transposing, reshaping, joining: a change of view where strides allow it, else copies into (parts of) a new array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from composit.numpy.manipulation.broadcasting import BroadcastTo
from composit.numpy.manipulation.joining import Concatenate, Split, Stack
from composit.numpy.manipulation.reshaping import ExpandDims, Reshape, Squeeze, Transpose
from composit.numpy.rearranging.padding import Pad
from composit.numpy.views.layout import InOrder
from mosaic.ir.expressions import Uniform, literal
from mosaic.ir.views import View
from mosaic.lowering.registry import Context, NoLowering, Value, lower
from mosaic.lowering.windows import define_border


@lower.register
def _(operation: Transpose, context: Context) -> Sequence[Value]:
    return context.moved(lambda view: view.transpose(operation.axes))


@lower.register
def _(operation: InOrder, context: Context) -> Sequence[Value]:
    # Where elements lie is decided here, later and for other reasons.
    return context.moved(lambda view: view)


@lower.register
def _(operation: BroadcastTo, context: Context) -> Sequence[Value]:
    return context.moved(lambda view: view.broadcast_to(context.types[0].shape))


@lower.register
def _(operation: ExpandDims, context: Context) -> Sequence[Value]:
    return context.moved(lambda view: view.expand_dims(operation.axes))


@lower.register
def _(operation: Squeeze, context: Context) -> Sequence[Value]:
    return context.moved(lambda view: view.drop_axes(operation.axes))


@lower.register
def _(operation: Reshape, context: Context) -> Sequence[Value]:
    return context.moved(lambda view: context.dense_reshape(view, context.types[0].shape))


@lower.register
def _(operation: Concatenate, context: Context) -> Sequence[Value]:
    result, start = context.result(), 0
    for value, value_type in zip(context.operands, context.operand_types, strict=True):
        count = value_type.shape[operation.axis]
        context.copy(value, result.slice_axis(operation.axis, start, count))
        start += count
    return (result,)


@lower.register
def _(operation: Stack, context: Context) -> Sequence[Value]:
    result = context.result()
    for index, value in enumerate(context.operands):
        context.copy(value, result.slice_axis(operation.axis, index, 1).drop_axes((operation.axis,)))
    return (result,)


@lower.register
def _(operation: Split, context: Context) -> Sequence[Value]:
    value = context.operands[0]
    if isinstance(value, Uniform):
        return tuple(replace(value, shape=value_type.shape) for value_type in context.types)
    length = value.shape[operation.axis]
    bounds = (0, *operation.boundaries, length)
    starts = [slice(*pair).indices(length)[0] for pair in pairwise(bounds)]
    return tuple(
        value.slice_axis(operation.axis, start, value_type.shape[operation.axis])
        for start, value_type in zip(starts, context.types, strict=True)
    )


@lower.register
def _(operation: Pad, context: Context) -> Sequence[Value]:
    if operation.mode != "constant":
        raise NoLowering(f"pad with mode {operation.mode!r} has no lowering to C")
    value = context.operands[0]
    result = context.result_in_order_of([value] if isinstance(value, View) else [])
    inside = define_border(context, result, operation.widths, literal(operation.constant, result.dtype))
    context.copy(context.operands[0], inside)
    return (result,)
