"""Adjoints of indexing (np.add.at on zeros): elements added at places that integer arrays choose.

The axes of the indices run in order, because two indices may be equal; all other axes are free.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from composit.numpy.indexing.advanced_indices import AdvancedIndex, AdvancedIndexAdjoint
from composit.numpy.indexing.taking import TakeAdjoint, TakeAlongAxisAdjoint
from mosaic.ir.expressions import Gather, Load, literal, map_views
from mosaic.ir.views import View
from mosaic.lowering.indexing import check_index, chosen_places
from mosaic.lowering.placing import append_scatter, moved_gather
from mosaic.lowering.registry import Context, NoLowering, Value, lower


@lower.register
def _(operation: AdvancedIndexAdjoint, context: Context) -> Sequence[Value]:
    result = _zeros(context)
    arrays = [context.view(position) for position in range(1, len(context.operands))]
    chosen = np.broadcast_shapes(*(array.shape for array in arrays))
    kept = [result.shape[axis] for axis, entry in enumerate(operation.index) if isinstance(entry, slice)]
    target, gathers = chosen_places(context, result, operation.index, arrays, len(kept))
    place = AdvancedIndex(operation.index).place
    value = context.load(0, (*kept[:place], *chosen, *kept[place:]), result.dtype)
    ndim = target.ndim
    order = (*range(place), *range(place + len(chosen), ndim), *range(place, place + len(chosen)))
    append_scatter(context, target, gathers, map_views(value, lambda view: view.transpose(order)), len(kept))
    return (result,)


@lower.register
def _(operation: TakeAdjoint, context: Context) -> Sequence[Value]:
    result, indices = _zeros(context), context.view(1)
    check_index(indices)
    flat = result if operation.axis is not None else context.dense_reshape(result, (result.size,))
    axis = operation.axis or 0
    if flat.shape[axis] == 0:
        return (result,)
    before, after = flat.shape[:axis], flat.shape[axis + 1 :]
    domain = (*before, *after, *indices.shape)
    num_kept, ndim = flat.ndim - 1, len(domain)
    base = flat.slice_axis(axis, 0, 1).drop_axes((axis,)).expand_dims(range(num_kept, ndim)).broadcast_to(domain)
    index = Load(indices.broadcast_to(domain))
    gather = Gather(index, flat.shape[axis], flat.strides[axis], context.position, operation.mode)
    value = context.load(0, (*before, *indices.shape, *after), result.dtype)
    order = (*range(axis), *range(axis + indices.ndim, ndim), *range(axis, axis + indices.ndim))
    append_scatter(context, base, (gather,), map_views(value, lambda view: view.transpose(order)), num_kept)
    return (result,)


@lower.register
def _(operation: TakeAlongAxisAdjoint, context: Context) -> Sequence[Value]:
    result, indices, axis = _zeros(context), context.view(1), operation.axis
    check_index(indices)
    if result.shape[axis] == 0:
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
    append_scatter(context, target.transpose(order), (gather,), value, len(domain) - len(serial))
    return (result,)


def _zeros(context: Context) -> View:
    result = context.result()
    if result.dtype.kind == "b":
        raise NoLowering("adding truth values at indices has no lowering to C")
    return context.define(result, literal(0, result.dtype))
