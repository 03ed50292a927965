"""Reductions: one definition whose reduced axes come last."""

from __future__ import annotations

from collections.abc import Sequence

from composit.numpy.reductions import Reduce
from mosaic.codegen.reducers import identity_of, is_reducer
from mosaic.ir_expressions import convert, map_views
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
