"""`RowPositions`: what statements have in common that find positions of elements along an axis, row by row: sorting, selection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mosaic.ir.kinds import Kind
from mosaic.ir.views import View


@dataclass(frozen=True, slots=True, eq=False)
class RowPositions(Kind):
    """``result[rows..., i]`` is the position of an element in ``source[rows...]``."""

    result: View
    source: View

    @property
    def num_turns(self) -> int:
        """The comparisons for each element."""
        return self.source.shape[-1].bit_length()

    def reads(self) -> Iterator[View]:
        """Yield the elements."""
        yield self.source

    def writes(self) -> Iterator[View]:
        """Yield the positions."""
        yield self.result


def in_rows(axis: int, view: View) -> View:
    """Return a view with an axis as the last one.

    A vector becomes a row of its own: a kernel without rows is split into ranges.
    """
    others = [other for other in range(view.ndim) if other != axis]
    return view.transpose((*others, axis)).expand_dims(() if others else (0,))
