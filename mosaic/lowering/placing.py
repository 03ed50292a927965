"""Scatters over axes in the order that their kernels want: what adjoints of indexing and writes at index arrays share."""

from __future__ import annotations

from collections.abc import Sequence

from mosaic.ir.expressions import Expression, Gather, map_load, map_views
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


def append_scatter(
    context: Context,
    target: View,
    gathers: Sequence[Gather],
    value: Expression,
    num_kept: int,
    combiner: str = "add",
    base: View | None = None,
) -> None:
    """Append a scatter over ``kept + chosen`` axes; lanes run along the last kept axis, or else the last chosen one."""
    if not target.size:
        return
    used = [axis for axis, extent in enumerate(target.shape) if extent != 1]
    kept = [axis for axis in used if axis < num_kept]
    chosen = [axis for axis in used if axis >= num_kept]
    order = [*kept, *chosen] if kept else [*chosen[-1:], *chosen[:-1]]
    context.statements.append(
        Scatter(
            _arranged(target, order),
            tuple(moved_gather(gather, order) for gather in gathers),
            map_views(value, lambda view: _arranged(view, order)),
            (context.position,),
            num_rows=max(len(kept) - 1, 0),
            is_in_order=not kept,
            combiner=combiner,
            base=base,
        )
    )
