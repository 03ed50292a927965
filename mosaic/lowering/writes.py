"""Writes by slices and integers: a definition of the part that is written, with the old array as its base.

Whether the old array is changed in place or copied is decided later (`mosaic/passes/write_in_place.py`). Writes at places
that index arrays choose are run by numpy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from composit.numpy.views.writes import Assign, Chosen, Index
from composit.operation import Operation, tensor_type
from mosaic.ir.expressions import Expression, Load, Uniform, convert
from mosaic.ir.statements import Definition, Statement
from mosaic.ir.views import Shape, View, may_overlap
from mosaic.lowering.registry import Context, NoLowering, Value, lower


@lower.register
def _(operation: Assign, context: Context) -> Sequence[Value]:
    if len(context.operands) > 2:
        raise NoLowering("a write at places that index arrays choose has no lowering to C")
    result = context.result()
    part = part_of(context, result, operation.steps, operation.index)
    if not part.size:
        return (context.operands[0],)
    if part.size == result.size:
        return (_filled(context, result, part),)
    base = _dense_base(context)
    value = _value(context, part.shape)
    if isinstance(value, Load) and value.view.buffer is base.buffer:
        old = View(base.buffer, part.offset, part.shape, part.strides)
        if may_overlap(value.view, old, base.shape):
            value = Load(context.copy(value.view, context.memory.temporary(part.shape, value.dtype)))
    expression = convert(value, result.dtype)
    context.statements.append(Definition(part, expression, (context.position,), base=base))
    return (result,)


@lower.register
def _(operation: Chosen, context: Context) -> Sequence[Value]:
    if len(context.operands) > 1:
        raise NoLowering("elements that index arrays choose have no lowering to C here")
    value = context.operands[0]
    if isinstance(value, Uniform):
        return (Uniform(value.literal, context.types[0].shape),)
    whole = _dense(context, value)
    return (part_of(context, whole, operation.steps, operation.index),)


def part_of(context: Context, whole: View, steps: Sequence[Operation], index: Index) -> View:
    """Return the part of a dense array that view operations and then a basic index show.

    Raises: NoLowering: they show no part of the memory of a dense array, or an element more than once
    """
    part = whole
    for step in steps:
        part = _shown(context, part, step.settled())
    part = _indexed(part, index)
    if not _has_distinct_elements(part):
        raise NoLowering("a write through a view that shows elements more than once has no lowering to C")
    return part


def _shown(context: Context, view: View, step: Operation) -> View:
    """Return the result of a view operation as a view, by its own lowering."""
    statements: list[Statement] = []
    before = tensor_type(view.shape, view.dtype)
    inner = Context(context.position, (view,), (before,), step.result_types(before), context.memory, statements)
    (shown,) = lower(step, inner)
    if statements or not isinstance(shown, View):
        raise NoLowering("a write through a view that is no part of a dense array has no lowering to C")
    return shown


def _indexed(view: View, index: Index) -> View:
    """Return the view of a basic index. numpy computes it on an array without memory, since indexing reads no element."""
    itemsize = view.dtype.itemsize
    strides = tuple(stride * itemsize for stride in view.strides)
    array = np.lib.stride_tricks.as_strided(np.empty(1, view.dtype), view.shape, strides)
    # With an Ellipsis, integers for all axes give a rank-0 array that shows the element.
    shown = array[index if Ellipsis in index else (*index, Ellipsis)]
    distance = shown.__array_interface__["data"][0] - array.__array_interface__["data"][0]
    offset = view.offset + distance // itemsize if shown.size else view.offset
    return View(view.buffer, offset, shown.shape, tuple(stride // itemsize for stride in shown.strides))


def _has_distinct_elements(view: View) -> bool:
    """Whether no two indices show the same element; True is certain."""
    reach = 0
    for stride, extent in sorted(
        (abs(stride), extent) for stride, extent in zip(view.strides, view.shape, strict=True)
    ):
        if extent > 1 and stride <= reach:
            return False
        reach += stride * (extent - 1)
    return True


def _filled(context: Context, result: View, part: View) -> View:
    """Define the whole result, through a view of all of it; the old array is not needed."""
    context.define(part, convert(_value(context, part.shape), result.dtype))
    return result


def _dense_base(context: Context) -> View:
    """Return the old array as the whole of a buffer."""
    return _dense(context, context.view(0))


def _dense(context: Context, value: View) -> View:
    if value.covers_buffer:
        return value
    return context.copy(value, context.memory.temporary(value.shape, value.dtype))


def _value(context: Context, shape: Shape) -> Expression:
    """Return the written value as an expression over the part; like numpy, without surplus leading axes of length 1."""
    value, dtype = context.operands[1], context.operand_types[1].dtype
    too_many = max(len(value.shape) - len(shape), 0)
    if isinstance(value, Uniform):
        return convert(value.literal, dtype)
    return Load(value.drop_axes(range(too_many)).broadcast_to(shape))
