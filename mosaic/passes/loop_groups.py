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

from composit.errors import InternalError
from mosaic.ir import Definition, Group, Loop, RowStage
from mosaic.ir_affine import Symbol, terms_of
from mosaic.ir_expressions import loads, map_views, views
from mosaic.ir_kinds import changed
from mosaic.ir_views import Shape, View
from mosaic.passes.canonical_axes import merged_extents
from mosaic.passes.uses import are_same_elements

Change = Callable[[View], View]

fewest_lanes = 8
"""A row shorter than this leaves lanes empty; lanes then run along the longest axis."""

fewest_scalar_turns = 32
"""With so many turns, elements that lie apart are fetched one by one anyway, and a row runs faster by itself."""


def loop_group(loop: Loop) -> Group:
    """Return the loop in a group of its own.

    Raises: InternalError: its statements are not element by element over one shape
    """
    parts, seen = list(_definitions(loop)), list(_all_views(loop))
    shapes = {view.shape for view in seen}
    if len(shapes) != 1 or any(part.reducer is not None or part.base is not None for part in parts):
        raise InternalError(f"loop_group: a kernel runs loops element by element over one shape, not\n{loop}")
    _check_own_elements(loop, parts)
    (shape,) = shapes
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
        else:
            yield from (part.result, *views(part.expression))


def _check_own_elements(loop: Loop, parts: list[Definition]) -> None:
    """Raise unless what a turn reads of its own results and of carried values is its own element."""
    stored = {part.result.buffer: part.result for part in parts}
    for each in _loops(loop):
        stored.update({one.state.buffer: one.state for one in each.carried})
    for part in parts:
        for load in loads(part.expression):
            own = stored.get(load.view.buffer)
            if own is not None and not are_same_elements(load.view, own):
                raise InternalError(f"loop_group: {load.view} is computed by another element's turn in\n{loop}")


def _loops(loop: Loop) -> Iterator[Loop]:
    yield loop
    for part in loop.body:
        if isinstance(part, Loop):
            yield from _loops(part)


def _changed(loop: Loop, change: Change) -> Loop:
    body: list[RowStage | Definition | Loop] = []
    for part in loop.body:
        if isinstance(part, Loop):
            body.append(_changed(part, change))
        else:
            body.append(RowStage(change(part.result), map_views(part.expression, change), part.origins))
    return replace(loop, body=tuple(body), carried=changed(loop.carried, change))
