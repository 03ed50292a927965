"""Elements combined at places that integer arrays choose: adjoints of indexing (np.add.at on zeros), scattered products and extrema.

The axes of the indices run in order, because two indices may be equal; all other axes are free.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from composit.nn.operations.scattering import ScatterReduce
from composit.numpy.indexing.advanced_indices import AdvancedIndex, AdvancedIndexAdjoint
from composit.numpy.indexing.taking import TakeAdjoint, TakeAlongAxisAdjoint
from mosaic.ir.expressions import Gather, Load, map_views, views
from mosaic.ir.views import View
from mosaic.lowering.indexing import check_index, chosen_places
from mosaic.lowering.placing import append_scatter, append_scatter_on_zeros, moved_gather
from mosaic.lowering.registry import Context, NoLowering, Value, lower
from mosaic.lowering.writes import apart_from, dense_base


@lower.register
def _(operation: AdvancedIndexAdjoint, context: Context) -> Sequence[Value]:
    result = _result(context)
    arrays = [context.view(position) for position in range(1, len(context.operands))]
    chosen = np.broadcast_shapes(*(array.shape for array in arrays))
    kept_axes = [axis for axis, entry in enumerate(operation.index) if isinstance(entry, slice)]
    kept = [result.shape[axis] for axis in kept_axes]
    target, gathers = chosen_places(context, result, operation.index, arrays, len(kept))
    place = AdvancedIndex(operation.index).place
    value = context.load(0, (*kept[:place], *chosen, *kept[place:]), result.dtype)
    ndim = target.ndim
    order = (*range(place), *range(place + len(chosen), ndim), *range(place, place + len(chosen)))
    value = map_views(value, lambda view: view.transpose(order))
    append_scatter_on_zeros(context, _first(result, kept_axes), target, gathers, value, len(kept))
    return (result,)


@lower.register
def _(operation: TakeAdjoint, context: Context) -> Sequence[Value]:
    result, indices = _result(context), context.view(1)
    check_index(indices)
    flat = result if operation.axis is not None else context.dense_reshape(result, (result.size,))
    axis = operation.axis or 0
    if not result.size:
        return (result,)
    before, after = flat.shape[:axis], flat.shape[axis + 1 :]
    domain = (*before, *after, *indices.shape)
    num_kept, ndim = flat.ndim - 1, len(domain)
    base = flat.slice_axis(axis, 0, 1).drop_axes((axis,)).expand_dims(range(num_kept, ndim)).broadcast_to(domain)
    index = Load(indices.broadcast_to(domain))
    gather = Gather(index, flat.shape[axis], flat.strides[axis], context.position, operation.mode)
    value = context.load(0, (*before, *indices.shape, *after), result.dtype)
    order = (*range(axis), *range(axis + indices.ndim, ndim), *range(axis, axis + indices.ndim))
    value = map_views(value, lambda view: view.transpose(order))
    kept = [other for other in range(flat.ndim) if other != axis]
    append_scatter_on_zeros(context, _first(flat, kept), base, (gather,), value, num_kept)
    return (result,)


@lower.register
def _(operation: TakeAlongAxisAdjoint, context: Context) -> Sequence[Value]:
    indices, axis = context.view(1), operation.axis
    check_index(indices)
    result = _result(context, [each for each in context.operands if isinstance(each, View)])
    if not result.size:
        return (result,)
    domain = context.operand_types[0].shape
    target = result.slice_axis(axis, 0, 1).broadcast_to(domain)
    index = Load(indices.broadcast_to(domain))
    gather = Gather(index, result.shape[axis], result.strides[axis], context.position)
    # An axis that was repeated has one place for all its elements.
    serial = [other for other in range(len(domain)) if other == axis or domain[other] != result.shape[other]]
    order = (*(other for other in range(len(domain)) if other not in serial), *serial)
    gather = moved_gather(gather, order)
    value = map_views(context.load(0, domain, result.dtype), lambda view: view.transpose(order))
    num_kept = len(domain) - len(serial)
    whole = _first(result, order[:num_kept])
    append_scatter_on_zeros(context, whole, target.transpose(order), (gather,), value, num_kept)
    return (result,)


_COMBINERS = {"prod": "multiply", "amax": "maximum", "amin": "minimum"}


@lower.register
def _(operation: ScatterReduce, context: Context) -> Sequence[Value]:
    indices, axis = context.view(1), operation.axis
    check_index(indices)
    result = _result(context)
    if not indices.size:
        return (context.operands[0],)
    base, domain = dense_base(context), indices.shape
    target = result
    for other, length in enumerate(domain):
        target = target.slice_axis(other, 0, 1 if other == axis else length)
    order = (*(other for other in range(len(domain)) if other != axis), axis)
    gather = Gather(Load(indices), result.shape[axis], result.strides[axis], context.position)
    gather = moved_gather(apart_from(base, gather, context), order)
    value = context.load(2, domain, result.dtype)
    # The old array may be changed in place, so that nothing else may still have to be read from it.
    if any(view.buffer is base.buffer for view in views(value)):
        value = Load(context.define(context.memory.temporary(domain, result.dtype), value))
    moved = map_views(value, lambda view: view.transpose(order))
    combiner = _COMBINERS[operation.reduction]
    seen = target.broadcast_to(domain).transpose(order)
    append_scatter(context, seen, (gather,), moved, len(domain) - 1, combiner, base)
    return (result,)


def _result(context: Context, seen: Sequence[View] = ()) -> View:
    """Return a new array for the result, in the order of the views if these have channels last."""
    if context.types[0].dtype.kind == "b":
        raise NoLowering("adding truth values at indices has no lowering to C")
    return context.result_in_order_of(seen)


def _first(view: View, axes: Sequence[int]) -> View:
    """Return a view with these axes first, and the others behind them."""
    return view.transpose((*axes, *(axis for axis in range(view.ndim) if axis not in axes)))
