"""Reductions: one definition whose reduced axes come last."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from composit.numpy.reductions import ArgReduce, Reduce
from mosaic.codegen.reducers import identity_of, is_reducer
from mosaic.ir_expressions import Apply, Load, Position, convert, literal, map_views
from mosaic.ir_views import Buffer, BufferKind, View, row_major_strides
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


_positions = Buffer(BufferKind.LOCAL, 0, 0, np.dtype(np.int64))


@lower.register
def _(operation: ArgReduce, context: Context) -> Sequence[Value]:
    """The first position where x is the extremum, or NaN: least i where x[i] == m or x[i] != x[i], m = max of x."""
    shape, dtype = context.operand_types[0].shape, context.operand_types[0].dtype
    axes = tuple(range(len(shape))) if operation.axis is None else (operation.axis,)
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    domain, reduced = tuple(shape[axis] for axis in (*kept, *axes)), tuple(shape[axis] for axis in axes)
    source = map_views(context.load(0, shape, dtype), lambda view: view.transpose((*kept, *axes)))
    extremum = context.memory.temporary(domain[: len(kept)], dtype)
    result = context.memory.temporary(extremum.shape, context.types[0].dtype)
    context.define(extremum, source, "maximum" if operation.function == "argmax" else "minimum", reduced)
    own = Load(extremum.expand_dims(range(len(kept), len(domain))).broadcast_to(domain))
    truth = np.dtype(bool)
    is_found = Apply("equal", (source, own), truth)
    if dtype.kind == "f":
        is_found = Apply("logical_or", (is_found, Apply("isnan", (source,), truth)), truth)
    strides = (*(0 for _ in kept), *row_major_strides(reduced))
    position = Position(View(_positions, 0, domain, strides))
    chosen = Apply("where", (is_found, position, literal(np.iinfo(np.int64).max, position.dtype)), position.dtype)
    context.define(result, chosen, "minimum", reduced)
    return (result.expand_dims(axes) if operation.keepdims else result,)
