"""Fences: values that are read under other names, and only when everything at the fence has been computed.

Before the fence and behind it equal expressions differ, so that they are not merged, and what reads behind it stays behind
it. The pass `remove_fences` puts the old names back, when nothing changes places any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mosaic.ir.kinds import Kind
from mosaic.ir.views import View


@dataclass(frozen=True, slots=True, eq=False)
class Fence(Kind):
    """``results[i]`` is another name for the whole buffer ``sources[i]``."""

    results: tuple[View, ...]
    sources: tuple[View, ...]
    origins: tuple[int, ...]

    def reads(self) -> Iterator[View]:
        """Yield the old names."""
        yield from self.sources

    def writes(self) -> Iterator[View]:
        """Yield the new names."""
        yield from self.results

    def __str__(self) -> str:
        return f"{', '.join(map(str, self.results))} = fence({', '.join(map(str, self.sources))})"
