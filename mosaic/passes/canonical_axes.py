"""Merges the axes of definitions into the fewest, and chooses the axis of the lanes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from mosaic.codegen.reducers import identity_of
from mosaic.ir.affine import Extents, Number, most, moves
from mosaic.ir.expressions import Apply, Load, map_views, views, walk
from mosaic.ir.statements import Definition, Group, RowStage
from mosaic.ir.views import BufferKind, View, numbers_only
from mosaic.lowering.algebra import simplified

fewest_lanes = 8
"""A row shorter than this leaves lanes empty; lanes then run along a longer axis."""

fewest_windows = 16
"""Along fewer windows, or fewer elements of a row, lanes would be empty."""


def canonical(definition: Definition) -> Definition:
    """Return the definition with axes of length 1 dropped and neighbouring axes merged wherever every view allows it.

    Before:  t[2, 3, 4] = exp(x[2, 3, 4])
    After:   t[24] = exp(x[24])

    Axes go in the order of the result's memory: channels that are stored last become the last axis.
    """
    definition = in_memory_order(without_unit_axes(definition))
    seen = list(views(definition.expression))
    num_kept = definition.result.ndim
    kept = merged_extents([definition.result, *seen], definition.domain, range(num_kept))
    reduced = merged_extents(seen, definition.domain, range(num_kept, len(definition.domain)))
    result = definition.reshaped(kept, reduced)
    assert result is not None, "merged axes are dense in every view"
    return without_idle_reducer(result)


def in_memory_order(definition: Definition) -> Definition:
    """Return the definition with its kept axes in the order in which its result has them in memory, the outermost first.

    Before:  t[64, 56 by 1, 64] = exp(x[64, 56 by 1, 64])
    After:   t[56, 64] = exp(x[56, 64])

    Where what it reads lies in another order, few channels, such as the three of an image, would leave most lanes empty: then
    axes stay as they are.
    """
    result, count = definition.result, definition.result.ndim
    long = [axis for axis in range(count) if result.extents[axis] != 1]
    places = iter(sorted(long, key=lambda axis: -abs(result.strides[axis])))
    order = [next(places) if extent != 1 else axis for axis, extent in enumerate(result.extents)]
    if order == list(range(count)):
        return definition
    ordered = definition.transposed(order)
    agree = all(_lies_in_order(view.strides[:count]) for view in views(ordered.expression))
    return ordered if agree or most(result.extents[order[-1]]) >= fewest_lanes else definition


def _lies_in_order(strides: Sequence[int]) -> bool:
    """Whether a view moves along each axis in larger steps than along those that follow it."""
    steps = [abs(stride) for stride in strides if stride]
    return all(one > other for one, other in pairwise(steps))


def without_unit_axes(definition: Definition) -> Definition:
    """Return the definition with axes of length 1 dropped."""
    unit = [axis for axis, extent in enumerate(definition.domain) if extent == 1]
    if unit:
        result = definition.result.drop_axes([axis for axis in unit if axis < definition.result.ndim])
        reduced = tuple(extent for extent in definition.reduced if extent != 1)
        expression = map_views(definition.expression, lambda view: view.drop_axes(unit))
        definition = replace(definition, result=result, reduced=reduced, expression=expression)
    return without_idle_reducer(definition)


def without_idle_reducer(definition: Definition) -> Definition:
    """Return the definition with a reduction over no axis replaced by an expression.

    It is the element itself, but for a sum, which starts at 0.0: the sum of -0.0 alone is 0.0, as in numpy.
    """
    if definition.reducer is None or definition.reduced:
        return definition
    expression, dtype = definition.expression, definition.result.dtype
    if definition.reducer == "add" and dtype.kind == "f":
        expression = simplified(Apply("add", (expression, identity_of("add", dtype)), dtype))
    return replace(definition, expression=expression, reducer=None)


def merged_extents(seen: Sequence[View], domain: Extents, axes: range) -> Extents:
    """Return the extents of the axes after merging each with the one before it where all views are dense there.

    Axes whose extents move with a loop stay by themselves.
    """
    extents: list[Number] = []
    previous = -1
    for axis in axes:
        if domain[axis] == 1:
            continue
        if previous >= 0 and not moves((domain[previous], domain[axis])) and _is_dense(seen, previous, axis, domain):
            extents[-1] = math.prod(numbers_only((extents[-1], domain[axis])))
        else:
            extents.append(domain[axis])
        previous = axis
    return tuple(extents)


def _is_dense(seen: Sequence[View], outer: int, inner: int, domain: Extents) -> bool:
    return all(view.strides[outer] == view.strides[inner] * domain[inner] for view in seen)


def as_group(definition: Definition) -> Group:
    """Return a group of one definition, with lanes along the axis in which most of its views are dense.

    Precondition: none; the definition is made canonical first.
    """
    flat = canonical(definition)
    if not flat.reduced:
        return _element_wise(flat)
    if not flat.result.ndim:
        return _along_row(flat)
    row, kept = len(flat.domain) - 1, flat.result.ndim - 1
    if _slides(flat, kept, row) and most(flat.domain[kept]) >= fewest_windows:
        return _element_wise(flat)
    along_row, along_kept = _dense_views(flat, row), _dense_views(flat, kept)
    if along_row == along_kept:
        is_short = most(flat.domain[row]) < fewest_windows <= most(flat.domain[kept])
        return _element_wise(flat) if is_short else _along_row(flat)
    return _along_row(flat) if along_row > along_kept else _element_wise(flat)


def _slides(definition: Definition, kept: int, row: int) -> bool:
    """Whether a window slides over an array: neighbours along the row are neighbours of the next window too.

    Lanes along the windows then read as densely, and their sums need not be added up in the end.
    """
    return any(view.strides[kept] == view.strides[row] == 1 for view in views(definition.expression))


def _dense_views(definition: Definition, axis: int) -> int:
    """Count the loads that are dense along an axis, minus those with another step.

    Constants do not count: they are stored in the order in which lanes read them.
    """
    found = [part.view for part in walk(definition.expression) if isinstance(part, Load)]
    strides = [view.strides[axis] for view in found if view.buffer.kind is not BufferKind.CONSTANT]
    return sum(stride == 1 for stride in strides) - sum(stride not in (0, 1) for stride in strides)


def _element_wise(definition: Definition) -> Group:
    """Lanes run along the last kept axis; reduced axes are loops inside."""
    ordered = _with_columns_last(definition)
    shape = ordered.result.extents or (1,)
    widened = ordered.reshaped(shape, ordered.reduced)
    assert widened is not None
    reduction = (definition.reducer, definition.reduced)
    stage = RowStage(widened.result, widened.expression, definition.origins, *reduction, base=definition.base)
    return Group(shape[:-1], shape[-1], (stage,))


def _with_columns_last(definition: Definition) -> Definition:
    """Return a copy that exchanges axes with the source's dense axis as the last of its outer ones: a square of both is a tile."""
    expression, last = definition.expression, definition.result.ndim - 1
    if not isinstance(expression, Load) or expression.gathers or definition.reduced:
        return definition
    strides = expression.view.strides
    dense = [axis for axis in range(last) if strides[axis] == 1]
    if not dense or strides[last] in (0, 1):
        return definition
    return definition.transposed([*(axis for axis in range(last) if axis != dense[-1]), dense[-1], last])


def _along_row(definition: Definition) -> Group:
    """Lanes run along the last reduced axis; further reduced axes are loops around."""
    rows, length, serial = definition.result.extents, definition.reduced[-1], definition.reduced[:-1]
    count = len(rows)
    order = (*range(count), len(definition.domain) - 1, *range(count, len(definition.domain) - 1))
    expression = map_views(definition.expression, lambda view: view.transpose(order))
    result = definition.result.expand_dims((count,))
    stage = RowStage(result, expression, definition.origins, definition.reducer, serial, is_along_row=True)
    return Group(rows, length, (stage,))
