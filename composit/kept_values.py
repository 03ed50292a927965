"""Values that reads leave with nodes, and how long they stay: as long as somebody may want to go on from them.

May import handle, node, operation.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from composit.node import Node, drop_values, is_awaited, keep_value, live_handles
from composit.operation import Array, Input

# A node of which only one value is meant, as in `composit/program.py`.
Pair = tuple[Node, int]


@dataclass(frozen=True, slots=True)
class KnownValue:
    """A value that was read, with the inputs it depends on.

    is_used: whether another value was computed from it after its last handle had gone
    """

    value: Array
    inputs: frozenset[Input]
    is_used: bool = False


@dataclass(slots=True)
class _Waiting:
    """Values that no handle points to and that nothing was computed from, oldest first.

    In `x = step(x)` the new x may be read long after the old one was, and then goes on from it. Nobody knows whether it
    will, so that only so many bytes are kept.
    """

    entries: deque[tuple[int, weakref.ref[Node]]] = field(default_factory=deque)
    num_bytes: int = 0
    largest: int = 0

    def add(self, node: Node) -> None:
        size = _BYTES_OF_A_NODE + sum(node.types[index].num_bytes for index in node._values)
        self.entries.append((size, weakref.ref(node)))
        self.num_bytes += size
        self.largest = max(self.largest, size)
        while self.num_bytes > _MOST_BYTES + self.largest:
            self._drop_first()

    def _drop_first(self) -> None:
        size, reference = self.entries.popleft()
        self.num_bytes -= size
        node = reference()
        if node is not None and _is_unheld(node):
            drop_values(node)
        if size == self.largest:
            self.largest = max((size for size, _ in self.entries), default=0)


# Besides the largest of them: one array of the program's own size, and what a thousand rounds leave in numbers.
_MOST_BYTES = 1 << 23
_BYTES_OF_A_NODE = 512


class _Kept(threading.local):
    """The nodes that hold values, those last looked at at the end, and how many reads there have been in this thread."""

    def __init__(self) -> None:
        self.count = 0
        self.recent: deque[tuple[int, weakref.ref[Node]]] = deque()
        self.waiting = _Waiting()


_kept = _Kept()
_READS_THAT_OUTLIVE_A_HANDLE = 2


def _is_unheld(node: Node) -> bool:
    return next(live_handles(node), None) is None and not is_awaited(node)


# What refers to a node besides those that read it: the list of nodes, the name in the loop, the argument of getrefcount.
_OWN_REFERENCES = 3


def read_elsewhere(nodes: Sequence[Node]) -> Iterator[Node]:
    """Yield those of the nodes that others will be computed from too, the last ones: as many as may well be kept.

    In `losses.append(loss(x)); x = step(x)` the losses may be read one by one when the loop is over, and each goes on from
    the x of the one before. No handle points to that, but nodes outside the program do.

    nodes: what a program computes, operands first
    """
    reads: Counter[int] = Counter()
    updated: set[int] = set()
    for node in nodes:
        reads.update(map(id, node._flat_operands[::2]))
        if node.operation.updates_operand:
            updated.add(id(node._flat_operands[0]))
    num_bytes = 0
    shown: set[int] = set()
    for node in reversed(nodes):
        is_shown = id(node) in shown
        if not is_shown and sys.getrefcount(node) - reads[id(node)] <= _OWN_REFERENCES:
            continue
        if node.operation.is_view:
            # It is made again at no cost, of what it shows.
            shown.add(id(node._flat_operands[0]))
        elif node._flat_operands and len(node.types) == 1 and id(node) not in updated:
            num_bytes += node.types[0].num_bytes
            if num_bytes > max(_MOST_BYTES, node.types[0].num_bytes):
                return
            yield node


def mark_used(pairs: Iterable[Pair]) -> None:
    """Remember that something was computed from these values: those without a handle are no longer waited for."""
    for node, index in pairs:
        known = node._values.get(index)
        if known is None or known.is_used or node.operation.runs_at_call:
            continue
        if next(live_handles(node), None) is None:
            keep_value(node, index, KnownValue(known.value, known.inputs, True))
            _kept.recent.append((_kept.count, weakref.ref(node)))


def drop_old_values(fresh: Sequence[Node]) -> None:
    """Drop the values of nodes that no handle points to and that have served, two reads after they were last looked at.

    In `while error(x) > tolerance: x = step(x)` the handle of the old x is gone when the new one is first read, and its
    value is what the new one is computed from: so values outlive their handles by a little. A few entries are looked at
    per read, more than are added, so that a loop stays linear and holds a constant number of arrays.
    """
    recent = _kept.recent
    _kept.count += 1
    for _ in range(min(2 * len(fresh) + 2, len(recent))):
        seen, reference = recent[0]
        if seen + _READS_THAT_OUTLIVE_A_HANDLE > _kept.count:
            break
        recent.popleft()
        node = reference()
        if node is None or not node._values:
            continue
        if not _is_unheld(node):
            recent.append((_kept.count, reference))
        elif all(known.is_used for known in node._values.values()):
            drop_values(node)
        else:
            _kept.waiting.add(node)
    recent.extend((_kept.count, weakref.ref(node)) for node in fresh)
