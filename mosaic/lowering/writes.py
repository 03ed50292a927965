"""Writes: by slices and integers a definition of the part that is written, at index arrays a scatter; the base is the old array.

Whether the old array is changed in place or copied is decided later (`mosaic/passes/write_in_place.py`). Writes at places
that masks choose are run by numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from composit.numpy.indexing.advanced_indices import AdvancedEntry, AdvancedIndex
from composit.numpy.views.writes import AddAt, Assign, Chosen, Index
from composit.operation import Operation, TensorType, tensor_type
from mosaic.ir.expressions import Expression, Gather, Load, Uniform, convert, map_views, views
from mosaic.ir.statements import Definition, Statement
from mosaic.ir.views import Shape, View, may_overlap
from mosaic.lowering.indexing import chosen_places
from mosaic.lowering.placing import append_scatter, moved_gather
from mosaic.lowering.registry import Context, NoLowering, Value, lower


@lower.register
def _(operation: AddAt, context: Context) -> Sequence[Value]:
    if len(context.operands) == 2:
        raise NoLowering("an addition to a part of an array has no lowering to C without index arrays")
    if context.types[0].dtype.kind == "b":
        raise NoLowering("adding truth values at indices has no lowering to C")
    return (_scattered(operation, context, "add"),)


@lower.register
def _(operation: Assign, context: Context) -> Sequence[Value]:
    if len(context.operands) > 2:
        return (_scattered(operation, context, "replace"),)
    result = context.result()
    part = part_of(context, result, operation.steps, operation.index)
    if not part.size:
        return (context.operands[0],)
    if part.size == result.size:
        return (_filled(context, result, part),)
    base = dense_base(context)
    value = _value(context, part.shape)
    if isinstance(value, Load) and value.view.buffer is base.buffer:
        old = View(base.buffer, part.offset, part.shape, part.strides)
        if may_overlap(value.view, old, base.shape):
            value = Load(context.copy(value.view, context.memory.temporary(part.shape, value.dtype)))
    expression = convert(value, result.dtype)
    context.statements.append(Definition(part, expression, (context.position,), base=base))
    return (result,)


def _scattered(operation: Assign | AddAt, context: Context, combiner: str) -> Value:
    """Append a write at places that index arrays choose, and return the new array."""
    _check_no_mask(context.operand_types[2:])
    result = context.result()
    places = _places(context, result, operation, 2)
    if not places.seen.size:
        return context.operands[0]
    base = dense_base(context)
    value = convert(_value(context, places.seen.shape), result.dtype)
    # The old array may be changed in place, so that nothing else may still have to be read from it.
    if any(view.buffer is base.buffer for view in views(value)):
        value = Load(context.define(context.memory.temporary(places.seen.shape, result.dtype), value))
    kept_first = map_views(value, lambda view: view.transpose(places.kept_first))
    apart = tuple(apart_from(base, gather, context) for gather in places.gathers)
    append_scatter(
        context,
        places.seen.transpose(places.kept_first),
        tuple(moved_gather(gather, places.kept_first) for gather in apart),
        kept_first,
        places.num_kept,
        combiner,
        base,
    )
    return result


def _check_no_mask(index_types: Sequence[TensorType]) -> None:
    if any(each.dtype.kind == "b" for each in index_types):
        raise NoLowering("places that a mask chooses have no lowering to C")


def apart_from(base: View, gather: Gather, context: Context) -> Gather:
    """Return an index that is no part of the array that the write changes."""
    index = gather.index.view
    if index.buffer is not base.buffer:
        return gather
    return replace(gather, index=Load(context.copy(index, context.memory.temporary(index.shape, index.dtype))))


@dataclass(frozen=True, slots=True)
class _Places:
    """The elements that a write chooses, as a view with gathers, and the axes in the order kept, chosen."""

    seen: View
    gathers: tuple[Gather, ...]
    kept_first: tuple[int, ...]
    num_kept: int


def _places(context: Context, whole: View, operation: Assign | AddAt | Chosen, num_others: int) -> _Places:
    """Return the places of an index with arrays, which are the operands from `num_others` on."""
    part = whole
    for step in operation.steps:
        part = _shown(context, part, step.settled())
    arrays = [context.view(number) for number in range(num_others, len(context.operands))]
    part, entries = _with_whole_axes(part, operation.index)
    place = AdvancedIndex(entries).place
    seen, gathers = chosen_places(context, part, entries, arrays, place)
    num_kept = sum(isinstance(entry, slice) for entry in entries)
    num_chosen = seen.ndim - num_kept
    order = (*range(place), *range(place + num_chosen, seen.ndim), *range(place, place + num_chosen))
    return _Places(seen, gathers, order, num_kept)


def _with_whole_axes(view: View, index: Index) -> tuple[View, tuple[AdvancedEntry, ...]]:
    """Return the view that slices and new axes show, and an index of it with an entry for each axis: arrays, integers, all."""
    num_named = sum(entry is not None and entry is not Ellipsis for entry in index)
    rest = (slice(None),) * (view.ndim - num_named)
    following = index if Ellipsis in index else (*index, Ellipsis)
    entries: list[AdvancedEntry] = []
    for entry in (each for one in following for each in (rest if one is Ellipsis else (one,))):
        axis = len(entries)
        if entry is None:
            view = view.expand_dims((axis,))
        elif isinstance(entry, slice):
            chosen = range(*entry.indices(view.shape[axis]))
            view = view.slice_axis(axis, chosen.start, len(chosen), chosen.step)
        entries.append(_entry(entry, view.shape[axis]))
    return view, tuple(entries)


def _entry(entry: Any, length: int) -> AdvancedEntry:  # Any: as numpy takes it
    if entry is None or isinstance(entry, slice):
        return slice(None)
    return entry if isinstance(entry, str) else int(entry) % length


@lower.register
def _(operation: Chosen, context: Context) -> Sequence[Value]:
    value = context.operands[0]
    if isinstance(value, Uniform):
        return (Uniform(value.literal, context.types[0].shape),)
    whole = _dense(context, value)
    if len(context.operands) == 1:
        return (part_of(context, whole, operation.steps, operation.index),)
    _check_no_mask(context.operand_types[1:])
    places = _places(context, whole, operation, 1)
    return (context.define(context.result(), Load(places.seen, places.gathers)),)


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


def dense_base(context: Context) -> View:
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
