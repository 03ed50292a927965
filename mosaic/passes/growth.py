"""Checks the arrays that loops grow: a turn reads what earlier turns have filled, never what is filled later.

Example, the proof for a triangular solve, which fills x[i] and reads x[:i] in turn i: along the first axis what is filled is
always behind what is read (i > i - 1), and it moves away from it with i.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch

from composit.errors import InternalError
from mosaic.ir.affine import Affine, Number, Symbol, extremes, terms_of
from mosaic.ir.expressions import views
from mosaic.ir.kinds import Kind
from mosaic.ir.loops import Loop
from mosaic.ir.views import View, index_bounds

Around = tuple[tuple[Symbol, Number], ...]
"""The loops around a statement: their symbols and extents, the outermost first."""

Indices = tuple[Number, Number]
"""The least and the greatest index along an axis."""


def check_growth(whole: View, loop: Loop, around: Around) -> None:
    """Raise unless, along some axis, no turn fills what it or an earlier turn reads: parts are filled in order, either way.

    Where an inner loop grows the array too, what its turns read of each other is its own affair: of those parts, only what
    later turns of the outer loop fill must be apart.
    """
    inside = (*around, (loop.symbol, loop.extent))
    parts = [part for each in loop.body for part in _parts(each, whole, _Place()) if part.view.buffer is whole.buffer]
    filled = [(part, _indices(part, whole, inside)) for part in parts if part.is_written]
    seen = [(part, _indices(part, whole, inside)) for part in parts if not part.is_written]
    for write, written in filled:
        for read, shown in seen:
            is_inner = not set(write.place.growing).isdisjoint(read.place.growing)
            pairs = zip(written, shown, strict=False)
            if not any(_are_apart(*pair, loop.symbol, inside, is_inner) for pair in pairs):
                raise InternalError(
                    f"validate: {read.view} may show what no earlier turn has filled, since {write.view} is filled, in\n{loop}"
                )


def _are_apart(filled: Indices, seen: Indices, symbol: Symbol, inside: Around, is_inner: bool) -> bool:
    """Whether what a turn fills lies behind what it sees and moves away from it, forwards or backwards.

    is_inner: what the same turn fills need not lie behind, what the next one fills must
    """

    def is_behind(near: Number, far: Number) -> bool:
        step = dict(terms_of(near)).get(symbol, 0)
        least = extremes(near - far, inside)[0]
        return not isinstance(least, Affine) and step >= 0 and least + step * is_inner > 0

    return is_behind(filled[0], seen[1]) or is_behind(-filled[1], -seen[0])


@dataclass(frozen=True, slots=True)
class _Place:
    """The loops inside of a turn around a statement, and the symbols of those that grow the array."""

    around: Around = ()
    growing: tuple[Symbol, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    """A view that a statement of a turn reads or fills."""

    view: View
    is_written: bool
    place: _Place


@singledispatch
def _parts(statement: Kind, whole: View, place: _Place) -> Iterator[_Part]:
    """Yield the views that a statement reads and fills."""
    yield from (_Part(view, False, place) for view in statement.reads())
    yield from (_Part(view, True, place) for view in statement.writes())


@_parts.register
def _(loop: Loop, whole: View, place: _Place) -> Iterator[_Part]:
    for one in loop.carried:
        yield from (_Part(view, False, place) for view in views(one.start))
    growing = (loop.symbol,) if any(view.buffer is whole.buffer for view in loop.grown) else ()
    inner = _Place((*place.around, (loop.symbol, loop.extent)), (*place.growing, *growing))
    for statement in loop.body:
        yield from _parts(statement, whole, inner)


def _indices(part: _Part, whole: View, inside: Around) -> tuple[Indices, ...]:
    """Return the least and greatest index that a part has in a turn along each axis; none if they are not known."""
    found = index_bounds(part.view, whole)
    everywhere = (*inside, *part.place.around)
    if found is None or not all(
        least_and_most(low, everywhere, part.view)[0] >= 0 and least_and_most(high, everywhere, part.view)[1] < extent
        for (low, high), extent in zip(found, whole.shape, strict=True)
    ):
        return ()
    return tuple((extremes(low, part.place.around)[0], extremes(high, part.place.around)[1]) for low, high in found)


def least_and_most(number: Number, around: Around, part: View | Kind) -> tuple[int, int]:
    """Return the least and the greatest value of a number in loops; raise if a loop that it moves with is not around."""
    if isinstance(number, int):
        return number, number
    low, high = extremes(number, around)
    if isinstance(low, Affine) or isinstance(high, Affine):
        raise InternalError(f"validate: {number} moves with a loop that is not around it, in\n{part}")
    return low, high
