"""Reductions: one definition whose reduced axes come last."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from composit.numpy.reductions.reduce import ArgReduce, Reduce
from mosaic.codegen.reducers import identity_of, is_reducer
from mosaic.ir.expressions import Apply, convert, literal, map_views
from mosaic.lowering.registry import Context, NoLowering, Value, lower


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
