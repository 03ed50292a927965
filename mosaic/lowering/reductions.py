"""Reductions: one definition whose reduced axes come last."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from composit.numpy.reductions import Accumulate, ArgReduce, Reduce
from mosaic.codegen.reducers import SUM_OF_SOME, identity_of, is_reducer
from mosaic.ir_expressions import Apply, Position, convert, literal, map_views
from mosaic.ir_views import Buffer, BufferKind, View
from mosaic.lowering.registry import Context, NoLowering, Value, lower

most_scan_steps = 1 << 22
"""Above this, the square of a scan's length costs more than a call of numpy."""


@lower.register
def _(operation: Reduce, context: Context) -> Sequence[Value]:
    name = operation.function.name
    if not is_reducer(name):
        raise NoLowering(f"reduction by {name} has no lowering to C")
    shape, dtype = context.operand_types[0].shape, context.types[0].dtype
    kept = [axis for axis in range(len(shape)) if axis not in operation.axes]
    order = (*kept, *operation.axes)
    reduced = tuple(shape[axis] for axis in operation.axes)
    result = context.memory.temporary(tuple(shape[axis] for axis in kept), dtype)
    if 0 in reduced:
        context.define(result, identity_of(name, dtype))
    else:
        expression = context.load(0, shape, context.operand_types[0].dtype)
        moved = map_views(expression, lambda view: view.transpose(order))
        context.define(result, convert(moved, dtype), name, reduced)
    return (result.expand_dims(operation.axes) if operation.keepdims else result,)


_positions = Buffer(BufferKind.LOCAL, 0, 0, np.dtype(np.int64))


@lower.register
def _(operation: ArgReduce, context: Context) -> Sequence[Value]:
    """The first position of the extremum; of truth values, that of the first true or false one."""
    shape, dtype = context.operand_types[0].shape, context.operand_types[0].dtype
    axes = tuple(range(len(shape))) if operation.axis is None else (operation.axis,)
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    reduced = tuple(shape[axis] for axis in axes)
    result = context.memory.temporary(tuple(shape[axis] for axis in kept), context.types[0].dtype)
    if all(extent == 1 for extent in reduced):
        context.define(result, literal(0, result.dtype))
    else:
        source = map_views(context.load(0, shape, dtype), lambda view: view.transpose((*kept, *axes)))
        if dtype != np.bool_:
            context.define(result, source, operation.function, reduced)
        elif operation.function == "argmax":
            context.define(result, source, "first", reduced)
        else:
            context.define(result, Apply("logical_not", (source,), dtype), "first", reduced)
    return (result.expand_dims(axes) if operation.keepdims else result,)


@lower.register
def _(operation: Accumulate, context: Context) -> Sequence[Value]:
    """Short scans as sums over what came before: y[i] = sum over j of (x[j] where j <= i, else nothing)."""
    name, (shape, dtype) = operation.function.name, (context.types[0].shape, context.types[0].dtype)
    axis, source_type = operation.axis, context.operand_types[0]
    if not is_reducer(name) or context.types[0].size * shape[axis] > most_scan_steps or source_type.shape != shape:
        raise NoLowering(f"{operation.name} of {source_type} has no lowering to C")
    length, count = shape[axis], len(shape)
    domain = (*shape, length)
    # The operand walks along the reduced axis, behind all others, where the result has its own.
    order = (*(other for other in range(count) if other != axis), axis)
    moved = map_views(context.load(0, shape, source_type.dtype), lambda view: view.transpose(order))
    source = map_views(moved, lambda view: view.expand_dims((axis,)).broadcast_to(domain))
    own = Position(View(_positions, 0, domain, tuple(int(other == axis) for other in range(count + 1))))
    before = Position(View(_positions, 0, domain, tuple(int(other == count) for other in range(count + 1))))
    is_before = Apply("less_equal", (before, own), np.dtype(bool))
    reducer = SUM_OF_SOME if name == "add" else name
    value = Apply("where", (is_before, convert(source, dtype), identity_of(reducer, dtype)), dtype)
    return (context.define(context.result(), value, reducer, (length,)),)
