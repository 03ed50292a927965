"""Indexing: basic indices are views, integer arrays are loads of an index within the load of an element."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from composit.numpy.indexing.advanced_indices import AdvancedEntry, AdvancedIndex
from composit.numpy.indexing.taking import Take, TakeAlongAxis
from composit.numpy.rearranging.editing import TakeInOrder
from composit.numpy.views.basic_indices import BasicIndex, BasicIndexAdjoint
from mosaic.ir.expressions import Gather, Load, literal
from mosaic.ir.views import View
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
            chosen = range(item.start, item.stop, item.step)
            view, axis = view.slice_axis(axis, item.start, len(chosen), item.step), axis + 1
        else:
            assert isinstance(item, int)
            view = view.slice_axis(axis, item, 1).drop_axes((axis,))
    return view


@lower.register
def _(operation: BasicIndexAdjoint, context: Context) -> Sequence[Value]:
    result = context.result()
    context.define(result, literal(0, result.dtype))
    context.copy(context.operands[0], _indexed(result, operation.index))
    return (result,)


@lower.register
def _(operation: AdvancedIndex, context: Context) -> Sequence[Value]:
    source = context.view(0)
    arrays = [context.view(index) for index in range(1, len(context.operands))]
    seen, gathers = chosen_places(context, source, operation.index, arrays, operation.place)
    return (context.define(context.result(), Load(seen, gathers)),)


def chosen_places(
    context: Context, source: View, entries: Sequence[AdvancedEntry], arrays: Sequence[View], place: int
) -> tuple[View, tuple[Gather, ...]]:
    """Return the view and the gathers that show ``source[entries]``, the axes of the arrays standing from `place` on."""
    chosen = np.broadcast_shapes(*(array.shape for array in arrays))
    kept = [axis for axis, entry in enumerate(entries) if isinstance(entry, slice)]
    lengths = [source.shape[axis] for axis in kept]
    domain = (*lengths[:place], *chosen, *lengths[place:])
    base, gathers, following = source, [], iter(arrays)
    for axis, entry in enumerate(entries):
        if isinstance(entry, slice):
            continue
        start = entry if isinstance(entry, int) else 0
        base = base.slice_axis(axis, start, 1)
        if not isinstance(entry, int):
            index = next(following)
            check_index(index)
            seen = index.broadcast_to(chosen).expand_dims(range(len(chosen), len(chosen) + len(kept) - place))
            gathers.append(
                Gather(Load(seen.broadcast_to(domain)), source.shape[axis], source.strides[axis], context.position)
            )
    dropped = base.drop_axes([axis for axis in range(source.ndim) if axis not in kept])
    moved = dropped.expand_dims(range(place, place + len(chosen))).broadcast_to(domain)
    return moved, tuple(gathers)


@lower.register
def _(operation: Take, context: Context) -> Sequence[Value]:
    source = context.view(0)
    if operation.axis is None:
        source = context.dense_reshape(source, (source.size,))
    return _taken(context, source, operation.axis or 0, operation.mode)


@lower.register
def _(operation: TakeInOrder, context: Context) -> Sequence[Value]:
    # It differs from Take in the layout that numpy gives its result. Layouts of outputs of C are chosen by a later pass.
    return _taken(context, context.view(0), operation.axis, "raise")


def _taken(context: Context, source: View, axis: int, mode: str) -> Sequence[Value]:
    """Return the elements of the source at the positions of operand 1 along an axis."""
    indices = context.view(1)
    check_index(indices)
    # x[before, index, after] over the domain before + index's axes + after
    before, after = source.shape[:axis], source.shape[axis + 1 :]
    domain = (*before, *indices.shape, *after)
    base = source.slice_axis(axis, 0, 1).drop_axes((axis,))
    inserted = base.expand_dims(range(axis, axis + indices.ndim)).broadcast_to(domain)
    index = indices.expand_dims(range(indices.ndim, indices.ndim + len(after))).broadcast_to(domain)
    gather = Gather(Load(index), source.shape[axis], source.strides[axis], context.position, mode)
    return (context.define(context.result(), Load(inserted, (gather,))),)


@lower.register
def _(operation: TakeAlongAxis, context: Context) -> Sequence[Value]:
    source, indices = context.view(0), context.view(1)
    check_index(indices)
    axis = operation.axis
    domain = context.types[0].shape
    base = source.slice_axis(axis, 0, 1).broadcast_to(domain)
    gather = Gather(Load(indices.broadcast_to(domain)), source.shape[axis], source.strides[axis], context.position)
    return (context.define(context.result(), Load(base, (gather,))),)


def check_index(indices: View) -> None:
    """Raise NoLowering unless the view holds integers."""
    if indices.dtype.kind not in "iu":
        raise NoLowering(f"indexing with {indices.dtype} has no lowering to C")
