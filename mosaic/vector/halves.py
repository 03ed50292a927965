"""Parts of a vector whose wider lanes fit into a register: the whole vector, or its halves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mosaic import c
from mosaic.vector.vector_types import VectorType


@dataclass(frozen=True, slots=True)
class Part:
    """Neighbouring lanes of a vector, from `start` on; `vector` is the type of that many lanes."""

    vector: VectorType
    start: int
    is_whole: bool

    def of(self, x: c.Expression) -> c.Expression:
        """Return the part's lanes of a vector."""
        if self.is_whole:
            return x
        lanes = range(self.start, self.start + self.vector.lanes)
        return c.Call("__builtin_shufflevector", (x, x, *map(c.literal, lanes)))


def halves(vector: VectorType, vector_bytes: int, wide_bytes: int = 8) -> tuple[Part, ...]:
    """Return the vector as its only part if as many lanes of `wide_bytes` fit into a register, else its halves."""
    if vector.lanes * wide_bytes <= vector_bytes:
        return (Part(vector, 0, True),)
    half = VectorType(vector.element, vector.lanes // 2)
    return Part(half, 0, False), Part(half, half.lanes, False)


def joined(vector: VectorType, parts: Sequence[c.Expression]) -> c.Expression:
    """Return a vector of values of its parts."""
    if len(parts) == 1:
        return parts[0]
    return c.Call("__builtin_shufflevector", (*parts, *map(c.literal, range(vector.lanes))))
