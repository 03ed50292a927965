"""`Span`: the nodes that are built while some code runs, as from one trace, and what Python read meanwhile."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from composit.node import next_serial
from composit.operation import Array, TensorType
from composit.source import Source

if TYPE_CHECKING:
    from composit.guards import Guard

NEVER = sys.maxsize  # as `Guard.after`: a read that is mentioned in errors, but steered nothing
_MOST_SEEN = 8  # elements, more than a text shows


@dataclass(slots=True)
class SeenRead:
    """The reads of one kind at one line, as reports show them. It outlives their guards.

    value: what the first read gave, or its first and last elements; after: as `Guard.after`, of the first
    """

    kind: str
    source: Source | None
    type: TensorType
    scope: str
    value: Array
    after: int
    times: int = 1


class Span:
    """The nodes built while some code runs, as from one `trace`: what is read there steers only those."""

    __slots__ = ("_reads", "start", "stop")

    def __init__(self) -> None:
        self.start = next_serial()
        self.stop = NEVER
        # Keyed by the id of the line, which the read keeps alive: hashing a line reads all constants of its function.
        self._reads: dict[tuple[int, str], SeenRead] = {}

    def note(self, guard: Guard) -> None:
        """Note a read that was made here."""
        key = id(guard.source), guard.kind
        known = self._reads.get(key)
        if known is None:
            self._reads[key] = seen_read(guard)
        else:
            known.times += 1

    def withdraw(self, guard: Guard) -> None:
        """Take back a read that was noted here: it has turned out to steer nothing."""
        key = id(guard.source), guard.kind
        known = self._reads.get(key)
        if known is not None and guard.after != NEVER:
            known.times -= 1
            if not known.times:
                del self._reads[key]
        guard.after = NEVER

    def reads(self) -> list[SeenRead]:
        """Return the reads that were made here, in their order."""
        return list(self._reads.values())

    def close(self) -> None:
        """End the span."""
        self.stop = next_serial()


# The span of the code that runs now; None outside of traces, where a read may steer whatever is built later.
current_span: ContextVar[Span | None] = ContextVar("composit_span_of_reads", default=None)


def seen_read(guard: Guard) -> SeenRead:
    """Return what reports tell of a read; it keeps no graph alive."""
    node, index = guard.read.node, guard.read.index
    flat = np.asarray(guard.value).reshape(-1)
    few = flat if flat.size <= _MOST_SEEN else np.concatenate([flat[: _MOST_SEEN // 2], flat[-_MOST_SEEN // 2 :]])
    return SeenRead(guard.kind, guard.source, node.types[index], node.scope, few, guard.after)
