"""Scatters over axes in the order that their kernels want: what adjoints of indexing and writes at index arrays share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mosaic.ir.expressions import Expression, Gather, literal, map_load, map_views
from mosaic.ir.statements import Scatter
from mosaic.ir.views import View
from mosaic.lowering.registry import Context


def moved_gather(gather: Gather, order: Sequence[int]) -> Gather:
    """Return a gather over some axes of its domain, in another order."""
    index = map_load(gather.index, lambda view: _arranged(view, order))
    return Gather(index, gather.extent, gather.stride, gather.origin, gather.mode)


def _arranged(view: View, order: Sequence[int]) -> View:
    """Return a view of some axes, at least one; the others have length 1."""
    return view.transpose(order) if order else view.transpose(()).expand_dims((0,))


@dataclass(frozen=True, slots=True)
class _Order:
    """The order of a scatter's axes: rows, that of the lanes, and those that run in order."""

    rows: tuple[int, ...]
    lanes: tuple[int, ...]
    serial: tuple[int, ...]
    is_in_order: bool

    @property
    def axes(self) -> tuple[int, ...]:
        return (*self.rows, *self.lanes, *self.serial)


def _order_of(target: View, num_kept: int) -> _Order:
    """Return the order: lanes run along the last kept axis if its places are neighbours, else along the last chosen one.

    Elements of a kept axis never meet, so they may be combined at once. Where they are far apart, a row at a time is read and
    written instead, which the cache holds: `x[n, c, places[n, c, i]] += g[n, c, i]` goes through i for one n and c.
    """
    used = [axis for axis, extent in enumerate(target.shape) if extent != 1]
    kept = tuple(axis for axis in used if axis < num_kept)
    chosen = tuple(axis for axis in used if axis >= num_kept)
    if kept and (target.strides[kept[-1]] == 1 or not chosen):
        return _Order(kept[:-1], kept[-1:], chosen, False)
    return _Order(kept, chosen[-1:], chosen[:-1], True)


def append_scatter(
    context: Context,
    target: View,
    gathers: Sequence[Gather],
    value: Expression,
    num_kept: int,
    combiner: str = "add",
    base: View | None = None,
) -> None:
    """Append a scatter over ``kept + chosen`` axes."""
    if target.size:
        context.statements.append(
            _scatter(context, target, gathers, value, combiner, base, _order_of(target, num_kept))
        )


def append_scatter_on_zeros(
    context: Context, result: View, target: View, gathers: Sequence[Gather], value: Expression, num_kept: int
) -> None:
    """Append an addition to zeros over ``kept + chosen`` axes.

    result: the whole array, its kept axes first and in the order of the target's
    """
    order = _order_of(target, num_kept)
    zeroed = _rows_of(result, order.rows) if target.size else None
    if zeroed is None:
        context.define(result, literal(0, result.dtype))
    if target.size:
        scatter = _scatter(context, target, gathers, value, "add", None, order)
        context.statements.append(replace(scatter, zeroed=zeroed))


def _scatter(
    context: Context,
    target: View,
    gathers: Sequence[Gather],
    value: Expression,
    combiner: str,
    base: View | None,
    order: _Order,
) -> Scatter:
    return Scatter(
        _arranged(target, order.axes),
        tuple(moved_gather(gather, order.axes) for gather in gathers),
        map_views(value, lambda view: _arranged(view, order.axes)),
        (context.position,),
        num_rows=len(order.rows),
        is_in_order=order.is_in_order,
        combiner=combiner,
        base=base,
    )


def _rows_of(result: View, rows: Sequence[int]) -> View | None:
    """Return an array as rows of neighbouring elements, or None if the elements of a row lie apart, or all are in one row."""
    inner = [axis for axis in range(result.ndim) if axis not in rows]
    inner.sort(key=lambda axis: -result.strides[axis])
    within = result.transpose((*rows, *inner))
    row = View(result.buffer, 0, within.shape[len(rows) :], within.strides[len(rows) :])
    if not rows or not row.is_contiguous:
        return None
    return View(result.buffer, within.offset, (*within.shape[: len(rows)], row.size), (*within.strides[: len(rows)], 1))
