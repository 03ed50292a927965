"""A loop as a group: its body over rows and lanes, with the turns inside, so that each element runs through them alone.

Before:  for i below 3, with s[4] from -0.0 to t[4]:
             t[4] = add(s[4], x[4 by 3 from i])
             y[4 by 3 from i] = t[4]
After:   for one row of 4:
             for i below 3, ...: the same
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from mosaic.ir.affine import Symbol, terms_of
from mosaic.ir.expressions import loads, map_views, views
from mosaic.ir.kinds import Kind, changed, with_views
from mosaic.ir.loops import Loop
from mosaic.ir.statements import Definition, Group, RowStage
from mosaic.ir.views import Shape, View
from mosaic.passes.canonical_axes import merged_extents
from mosaic.passes.uses import are_same_elements

Change = Callable[[View], View]

fewest_lanes = 8
"""A row shorter than this leaves lanes empty; lanes then run along the longest axis."""

fewest_scalar_turns = 32
"""With so many turns, strided elements are fetched one by one anyway, and single rows run faster."""


def can_be_kernel(loop: Loop) -> bool:
    """Whether a loop can run inside a kernel: its body is element by element over one shape, and reads its own elements."""
    loops = list(_loops(loop))
    parts = [part for each in loops for part in each.body if not isinstance(part, Loop)]
    if not all(isinstance(part, Definition) and part.reducer is None and part.base is None for part in parts):
        return False
    symbols = {each.symbol for each in loops}
    if any(symbol not in symbols for each in loops for symbol, _ in terms_of(each.extent)):
        return False  # its extent depends on a loop around the kernel
    return len({view.shape for view in _all_views(loop)}) == 1 and _reads_own_elements(loop)


def loop_group(loop: Loop) -> Group:
    """Return the loop in a group of its own.

    Pre: can_be_kernel(loop)
    """
    parts, seen = list(_definitions(loop)), list(_all_views(loop))
    shape = seen[0].shape
    merged = merged_extents(seen, shape, range(len(shape))) or (1,)
    axes = _lanes_last(merged)

    def change(view: View) -> View:
        shaped = view.reshape(merged)
        assert shaped is not None, "merged axes are dense in every view"
        return shaped.transpose(axes)

    symbols = set(_own_symbols(loop))
    local = frozenset(part.result.buffer for part in parts if not _symbols(part.result) & symbols)
    outside = [change(view) for view in seen if _symbols(view) & symbols]
    changed = _changed(loop, change)
    if loop.num_turns >= fewest_scalar_turns and not any(view.strides[-1] == 1 for view in outside):
        changed = _changed(changed, lambda view: view.expand_dims((view.ndim,)))
    rows = next(_all_views(changed)).shape
    return Group(rows[:-1], rows[-1], (changed,), local)


def _lanes_last(shape: Shape) -> list[int]:
    """Return the axes in an order in which the one that lanes run along comes last."""
    order = list(range(len(shape)))
    if shape[-1] < fewest_lanes:
        longest = max(order, key=lambda axis: shape[axis])
        order.remove(longest)
        order.append(longest)
    return order


def _definitions(loop: Loop) -> Iterator[Definition]:
    for part in loop.body:
        if isinstance(part, Loop):
            yield from _definitions(part)
        else:
            assert isinstance(part, Definition), "a loop in a group is none of a program"
            yield part


def _own_symbols(loop: Loop) -> Iterator[Symbol]:
    yield loop.symbol
    for part in loop.body:
        if isinstance(part, Loop):
            yield from _own_symbols(part)


def _symbols(view: View) -> set[Symbol]:
    return {symbol for symbol, _ in terms_of(view.offset)}


def _all_views(loop: Loop) -> Iterator[View]:
    for one in loop.carried:
        yield from (one.state, one.following, *views(one.start))
    for part in loop.body:
        if isinstance(part, Loop):
            yield from _all_views(part)
        yield from (*part.writes(), *(view for each in part.expressions() for view in views(each)))


def _reads_own_elements(loop: Loop) -> bool:
    """Whether a turn reads its own results and carried values only at its own element."""
    parts = list(_definitions(loop))
    stored = {part.result.buffer: part.result for part in parts}
    for each in _loops(loop):
        stored.update({one.state.buffer: one.state for one in each.carried})
    seen = (load.view for part in parts for load in loads(part.expression))
    return all(are_same_elements(view, stored[view.buffer]) for view in seen if view.buffer in stored)


def _loops(loop: Loop) -> Iterator[Loop]:
    yield loop
    for part in loop.body:
        if isinstance(part, Loop):
            yield from _loops(part)


def _changed(loop: Loop, change: Change) -> Loop:
    body: list[Kind] = []
    for part in loop.body:
        if isinstance(part, Loop):
            body.append(_changed(part, change))
        elif isinstance(part, Definition):
            body.append(RowStage(change(part.result), map_views(part.expression, change), part.origins))
        else:
            body.append(with_views(part, change))
    return replace(loop, body=tuple(body), carried=changed(loop.carried, change))
