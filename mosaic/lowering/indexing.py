"""Indexing: basic indices are views, integer arrays are loads of an index within the load of an element."""

from __future__ import annotations

from collections.abc import Sequence

from composit.numpy.indexing import BasicIndex, Take, TakeAlongAxis
from mosaic.ir_expressions import Gather, Load
from mosaic.ir_views import View
from mosaic.lowering.registry import Context, NoLowering, Value, lower


@lower.register
def _(operation: BasicIndex, context: Context) -> Sequence[Value]:
    return context.moved(lambda view: _indexed(view, operation.index))


def _indexed(view: View, index: tuple[object, ...]) -> View:
    """Return the view of ``view[index]``; integers drop their axis, None adds one."""
    axis = 0
    for item in index:
        if item is None:
            view, axis = view.expand_dims((axis,)), axis + 1
        elif isinstance(item, slice):
            start, stop, step = item.indices(view.shape[axis])
            view, axis = view.slice_axis(axis, start, len(range(start, stop, step)), step), axis + 1
        else:
            assert isinstance(item, int)
            position = item + view.shape[axis] if item < 0 else item
            view = view.slice_axis(axis, position, 1).drop_axes((axis,))
    return view


@lower.register
def _(operation: Take, context: Context) -> Sequence[Value]:
    source, indices = context.view(0), context.view(1)
    if operation.axis is None:
        flat = source.reshape((source.size,))
        source = context.copy(source, context.memory.temporary(source.shape, source.dtype)) if flat is None else source
        source = source.reshape((source.size,)) or source
    axis = (operation.axis or 0) % source.ndim
    _check_index(indices)
    # x[before, index, after] over the domain before + index's axes + after
    before, after = source.shape[:axis], source.shape[axis + 1 :]
    domain = (*before, *indices.shape, *after)
    base = source.slice_axis(axis, 0, 1).drop_axes((axis,))
    inserted = base.expand_dims(range(axis, axis + indices.ndim)).broadcast_to(domain)
    index = indices.expand_dims(range(indices.ndim, indices.ndim + len(after))).broadcast_to(domain)
    gather = Gather(Load(index), source.shape[axis], source.strides[axis], context.position, operation.mode)
    return (context.define(context.result(), Load(inserted, (gather,))),)


@lower.register
def _(operation: TakeAlongAxis, context: Context) -> Sequence[Value]:
    source, indices = context.view(0), context.view(1)
    if operation.axis is None or source.ndim != indices.ndim:
        raise NoLowering("take_along_axis over a flattened array has no lowering to C")
    _check_index(indices)
    axis = operation.axis % source.ndim
    domain = context.types[0].shape
    base = source.slice_axis(axis, 0, 1).broadcast_to(domain)
    gather = Gather(Load(indices.broadcast_to(domain)), source.shape[axis], source.strides[axis], context.position)
    return (context.define(context.result(), Load(base, (gather,))),)


def _check_index(indices: View) -> None:
    if indices.dtype.kind not in "iu":
        raise NoLowering(f"indexing with {indices.dtype} has no lowering to C")
