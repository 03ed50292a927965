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
from functools import reduce, singledispatch

from mosaic.ir.affine import Symbol, moves, terms_of
from mosaic.ir.expressions import loads, map_views, views
from mosaic.ir.kinds import Kind, changed, of_kind
from mosaic.ir.loops import Loop, loops_of, without_loops
from mosaic.ir.statements import Definition, Group, RowStage
from mosaic.ir.views import Shape, View, numbers_only
from mosaic.passes.canonical_axes import fewest_lanes, merged_extents
from mosaic.passes.uses import are_same_elements

Change = Callable[[View], View]

fewest_scalar_turns = 32
"""With so many turns, strided elements are fetched one by one anyway, and single rows run faster."""


def can_be_kernel(loop: Loop) -> bool:
    """Whether a loop can run inside a kernel: its body is element by element over one shape, and reads its own elements."""
    loops, parts = list(loops_of(loop)), list(without_loops(loop))
    if len(_definitions(loop)) != len(parts):
        return False
    symbols = {each.symbol for each in loops}
    if any(symbol not in symbols for each in loops for symbol, _ in terms_of(each.extent)):
        return False  # its extent depends on a loop around the kernel
    extents = {view.extents for view in _all_views(loop)}
    return len(extents) == 1 and not moves(next(iter(extents))) and _reads_own_elements(loop)


def loop_group(loop: Loop) -> Group:
    """Return the loop in a group of its own.

    Pre: can_be_kernel(loop)
    """
    seen = list(_all_views(loop))
    shape = seen[0].shape
    merged = merged_extents(seen, shape, range(len(shape))) or (1,)
    axes = _lanes_last(numbers_only(merged))

    def change(view: View) -> View:
        shaped = view.reshape(merged)
        assert shaped is not None, "merged axes are dense in every view"
        return shaped.transpose(axes)

    symbols = {each.symbol for each in loops_of(loop)}
    local = frozenset(part.result.buffer for part in _definitions(loop) if not _symbols(part.result) & symbols)
    outside = [change(view) for view in seen if _symbols(view) & symbols]
    changes = [change]
    if loop.num_turns >= fewest_scalar_turns and not any(view.strides[-1] == 1 for view in outside):
        changes.append(lambda view: view.expand_dims((view.ndim,)))
    staged = _staged(loop, lambda view: reduce(lambda seen, each: each(seen), changes, view))
    rows = next(staged.writes()).shape
    return Group(rows[:-1], rows[-1], (staged,), local)


def _lanes_last(shape: Shape) -> list[int]:
    """Return the axes in an order in which the one that lanes run along comes last."""
    order = list(range(len(shape)))
    if shape[-1] < fewest_lanes:
        longest = max(order, key=lambda axis: shape[axis])
        order.remove(longest)
        order.append(longest)
    return order


def _definitions(loop: Loop) -> list[Definition]:
    """Return the definitions in its bodies that compute element by element."""
    found = of_kind(Definition, without_loops(loop))
    return [each for each in found if each.reducer is None and each.base is None]


def _symbols(view: View) -> set[Symbol]:
    return {symbol for symbol, _ in terms_of(view.offset)}


def _all_views(loop: Loop) -> Iterator[View]:
    for each in loops_of(loop):
        for one in each.carried:
            yield from (one.state, one.following, *views(one.start))
    for part in without_loops(loop):
        yield from (*part.writes(), *(view for each in part.expressions() for view in views(each)))


def _reads_own_elements(loop: Loop) -> bool:
    """Whether a turn reads its own results and carried values only at its own element."""
    parts = _definitions(loop)
    stored = {part.result.buffer: part.result for part in parts}
    for each in loops_of(loop):
        stored.update({one.state.buffer: one.state for one in each.carried})
    seen = (load.view for part in parts for load in loads(part.expression))
    return all(are_same_elements(view, stored[view.buffer]) for view in seen if view.buffer in stored)


@singledispatch
def _staged(part: Kind, change: Change) -> Kind:
    """Return a part of a loop as a stage of a group, with its views changed."""
    raise TypeError(f"_staged: {type(part).__name__} computes nothing element by element")


@_staged.register
def _(part: Definition, change: Change) -> Kind:
    return RowStage(change(part.result), map_views(part.expression, change), part.origins)


@_staged.register
def _(part: Loop, change: Change) -> Kind:
    body = tuple(_staged(each, change) for each in part.body)
    return replace(part, body=body, carried=changed(part.carried, change))
