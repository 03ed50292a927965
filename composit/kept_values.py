"""Values that reads leave with nodes, and how long they stay: as long as somebody may want to go on from them.

May import node, origins.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from composit.node import Node, drop_values, is_awaited
from composit.origins import Origin

if TYPE_CHECKING:
    from composit.drafts import Draft


@dataclass(slots=True)
class KnownValue:
    """A value that was read.

    origin:  what can still be replaced of what it depends on; of a draft, what it stands for
    is_used: whether another value was computed from it after its last handle had gone
    """

    value: Any  # Any: an array or a scalar
    origin: Origin | Draft | None
    is_used: bool = False


@dataclass(slots=True)
class _Waiting:
    """Values that no handle points to and that nothing was computed from, oldest first.

    In `x = step(x)` the new x may be read long after the old one was, and then goes on from it. Nobody knows whether it
    will, so that only so many bytes are kept.
    """

    entries: deque[tuple[int, weakref.ref[Node]]] = field(default_factory=deque)
    num_bytes: int = 0
    # Of the sizes those that are larger than all after them: the first is the largest, and is found without looking at all.
    peaks: deque[int] = field(default_factory=deque)

    def add(self, node: Node) -> None:
        size = _BYTES_OF_A_NODE + sum(node.types[index].num_bytes for index in node._values)
        self.entries.append((size, weakref.ref(node)))
        self.num_bytes += size
        while self.peaks and self.peaks[-1] < size:
            self.peaks.pop()
        self.peaks.append(size)
        while self.num_bytes > _MOST_BYTES + self.peaks[0]:
            self._drop_first()

    def _drop_first(self) -> None:
        size, reference = self.entries.popleft()
        self.num_bytes -= size
        node = reference()
        if node is not None and _is_unheld(node):
            drop_values(node)
        if size == self.peaks[0]:
            self.peaks.popleft()


# Besides the largest of them: one array of the program's own size, and what a thousand rounds leave in numbers.
_MOST_BYTES = 1 << 23
_BYTES_OF_A_NODE = 512


class _Kept(threading.local):
    """Nodes without handles that hold values, the last at the end, and how many reads there have been in this thread."""

    def __init__(self) -> None:
        self.count = 0
        self.recent: deque[tuple[int, weakref.ref[Node]]] = deque()
        self.waiting = _Waiting()


_kept = _Kept()
_READS_THAT_OUTLIVE_A_HANDLE = 2
_AWAITED_PER_READ = 8


def _is_unheld(node: Node) -> bool:
    return not node._num_handles and not is_awaited(node)


# What refers to a node besides those that read it: the list of nodes, the name in the loop, the argument of getrefcount.
_OWN_REFERENCES = 3


def read_elsewhere(nodes: Sequence[Node]) -> Iterator[Node]:
    """Yield those of the nodes that others will be computed from too, the last ones: as many as may well be kept.

    In `losses.append(loss(x)); x = step(x)` the losses may be read one by one when the loop is over, and each goes on from
    the x of the one before. No handle points to that, but nodes outside the program do.

    nodes: what a program computes, operands first; those that handles point to are left out
    """
    readers, updated = Counter[int](), set[int]()
    num_bytes = 0
    shown: set[int] = set()
    for node in reversed(nodes):
        # All but the last have a reader in the program: with one reference more than that, nobody else reads the node.
        count = sys.getrefcount(node) - _OWN_REFERENCES
        if count <= 1 and id(node) not in shown:
            continue
        if not readers:
            readers, updated = _readers_of(nodes)
        if id(node) not in shown and count <= readers[id(node)]:
            continue
        # No local name may hold an operand here: it would count as a reference from elsewhere.
        if node._operation.is_view and node._left is not None:
            # It is made again at no cost, of what it shows.
            shown.add(id(node._left))
        elif (node._left is not None or node._all) and len(node._types) == 1 and id(node) not in updated:
            num_bytes += node._types[0].num_bytes
            if num_bytes > max(_MOST_BYTES, node._types[0].num_bytes):
                return
            if not node._num_handles:
                yield node


def _readers_of(nodes: Sequence[Node]) -> tuple[Counter[int], set[int]]:
    """Return how many operands of the nodes each node is, and which of them a write changes."""
    operands: list[int] = []
    updated: set[int] = set()
    for node in nodes:
        if node._left is not None:
            operands.append(id(node._left))
            if node._right is not None:
                operands.append(id(node._right))
        elif node._all is not None:
            operands.extend(map(id, node._all[::2]))
        if node._operation.updates_operand:
            updated.add(id(node.operands[0][0]))
    return Counter(operands), updated


def mark_used(nodes: Iterable[Node]) -> None:
    """Remember that something was computed from these nodes: those without a handle are no longer waited for."""
    for node in nodes:
        if node._num_handles or node._operation.runs_at_call:
            continue
        fresh = [known for known in node._values.values() if not known.is_used]
        for known in fresh:
            known.is_used = True
        if fresh:
            _kept.recent.append((_kept.count, weakref.ref(node)))


def leave_alone(node: Node) -> None:
    """Do what follows when the last tensor that pointed to a node is gone: reads are let go, values before long."""
    if node._origin is not None:
        node._origin = node._origin.ended()
    if node._values and not node._operation.runs_at_call:
        _kept.recent.append((_kept.count, weakref.ref(node)))


def drop_old_values(fresh: Sequence[Node]) -> None:
    """Drop the values of nodes that no handle points to and that have served, two reads after they were last looked at.

    In `while error(x) > tolerance: x = step(x)` the handle of the old x is gone when the new one is first read, and its
    value is what the new one is computed from: so values outlive their handles by a little. What was noted once is looked
    at once, apart from values that are awaited: of these a few are looked at per read, so that a loop stays linear.
    """
    recent = _kept.recent
    _kept.count += 1
    num_awaited = 0
    while recent and num_awaited < _AWAITED_PER_READ:
        seen, reference = recent[0]
        if seen + _READS_THAT_OUTLIVE_A_HANDLE > _kept.count:
            break
        recent.popleft()
        node = reference()
        # One that has a tensor again is noted again when that is gone.
        if node is None or not node._values or node._num_handles:
            continue
        if is_awaited(node):
            recent.append((_kept.count, reference))
            num_awaited += 1
        elif all(known.is_used for known in node._values.values()):
            drop_values(node)
        else:
            _kept.waiting.add(node)
    recent.extend((_kept.count, weakref.ref(node)) for node in fresh if not node._num_handles)
