"""Cached values of nodes that Python has read, and when the cache drops them."""

from __future__ import annotations

import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.node import Node, drop_values, is_awaited, kept_values
from composit.origins import Origin

if TYPE_CHECKING:
    from composit.drafts import Draft


@dataclass(slots=True)
class KnownValue:
    """The cached value of one result of a node.

    origin:  the replaceable tensors that it depends on; a draft stands for its own origin
    is_used: whether another value was computed from it after its last handle was gone
    """

    value: Any  # Any: an array or a scalar
    origin: Origin | Draft | None
    is_used: bool = False


def freeze(value: Any) -> Any:  # Any: arrays become read-only, scalars are already
    """Return the value as a read-only array that shares memory with nothing writable."""
    if not isinstance(value, np.ndarray):
        return value
    is_own = value.base is None and value.flags.owndata and value.flags.writeable
    # numpy's copy of texts without width has width 1. They have no bytes that somebody could write to.
    array = value if is_own else value.copy(order="K") if value.itemsize else value.view()
    array.flags.writeable = False
    return array


@dataclass(slots=True)
class _Waiting:
    """Nodes with cached values, without a handle, from which nothing was computed yet; oldest first.

    In `x = step(x)` the new x may be read long after the old one, and is then computed from the old value. Nobody knows
    whether that read will come, so the bytes kept are bounded.
    """

    entries: deque[tuple[int, weakref.ref[Node]]] = field(default_factory=deque)
    num_bytes: int = 0
    # The sizes that are larger than all later ones, so the first is the maximum, found without a search.
    peaks: deque[int] = field(default_factory=deque)

    def add(self, node: Node) -> None:
        size = _BYTES_OF_A_NODE + sum(each.num_bytes for each in node.types)
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


# On top of the largest value: room for one array of the program's own size, or for the numbers of a thousand rounds.
_MOST_BYTES = 1 << 23
_BYTES_OF_A_NODE = 512


class _Kept(threading.local):
    """Of one thread: the number of reads so far, and the nodes with values but without handles, newest last."""

    def __init__(self) -> None:
        self.count = 0
        self.recent: deque[tuple[int, weakref.ref[Node]]] = deque()
        self.waiting = _Waiting()


_kept = _Kept()
_READS_THAT_OUTLIVE_A_HANDLE = 2
_AWAITED_PER_READ = 8


def _is_unheld(node: Node) -> bool:
    return not node._num_handles and not is_awaited(node)


# References to a node that are not its readers: the list of nodes, the loop variable, the argument of getrefcount.
_OWN_REFERENCES = 3


def read_elsewhere(nodes: Sequence[Node], read_again: Sequence[int]) -> Iterator[Node]:
    """Yield the last nodes that nodes outside the program read too, up to a number of bytes: their values are worth keeping.

    In `losses.append(loss(x)); x = step(x)` the losses may be read one by one after the loop, each computed from the x of
    the round before. No handle points to that x, but nodes outside the program read it.

    nodes:      the nodes of a program, operands first; nodes with handles are not yielded
    read_again: the id of a node, once for each of its readers in the program after the first
    """
    num_again: dict[int, int] | None = None
    updated: set[int] | None = None
    num_bytes = 0
    shown: set[int] = set()
    for node in reversed(nodes):
        # Every node but the last has a reader in the program. With no further reference nobody else reads it.
        count = sys.getrefcount(node) - _OWN_REFERENCES
        if count <= 1 and id(node) not in shown:
            continue
        if num_again is None:
            num_again = {}
            # Counter does the same in five times the time, for the few entries that there mostly are.
            for key in read_again:
                num_again[key] = num_again.get(key, 0) + 1
        if id(node) not in shown and count <= 1 + num_again.get(id(node), 0):
            continue
        if updated is None:
            updated = {id(writer.operands[0][0]) for writer in nodes if writer._operation.updates_operand}
        # No local name may hold an operand here: it would count as a reference from elsewhere.
        if node._operation.is_view and node._left is not None:
            # A view is made again from its operand at no cost.
            shown.add(id(node._left))
        elif (node._left is not None or node._all) and len(node._types) == 1 and id(node) not in updated:
            num_bytes += node._types[0].num_bytes
            if num_bytes > max(_MOST_BYTES, node._types[0].num_bytes):
                return
            if not node._num_handles:
                yield node


def _is_let_go(node: Node) -> bool:
    """Return whether the value is dropped before the node: numbers stay, since they are smaller than their nodes."""
    return bool(node._types[0].shape) and not node._operation.runs_at_call


def mark_used(nodes: Iterable[Node]) -> None:
    """Mark the values of these nodes as used, since another value was computed from them; without handles they can be dropped."""
    for node in nodes:
        if node._num_handles or not _is_let_go(node):
            continue
        fresh = [known for known in kept_values(node) if not known.is_used]
        for known in fresh:
            known.is_used = True
        if fresh:
            _kept.recent.append((_kept.count, weakref.ref(node)))


def leave_alone(node: Node) -> None:
    """Drop the reads of a node whose last tensor is gone, and queue its values to be dropped."""
    if node._origin is not None:
        node._origin = node._origin.ended()
    if node._values and _is_let_go(node):
        _kept.recent.append((_kept.count, weakref.ref(node)))


def drop_old_values(fresh: Sequence[Node]) -> None:
    """Drop used values of nodes without handles, two reads after the nodes were queued.

    In `while error(x) > tolerance: x = step(x)` the handle of the old x is gone when the new x is first read, and the new
    value is computed from the old one: so values outlive their handles by two reads. Each entry of the queue is looked at
    once. Awaited nodes are queued again, a few per read, so that a loop stays linear.
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
        # A node that has a tensor again is queued again when that tensor is gone.
        if node is None or not node._values or node._num_handles:
            continue
        if is_awaited(node):
            recent.append((_kept.count, reference))
            num_awaited += 1
        elif all(known.is_used for known in kept_values(node)):
            drop_values(node)
        else:
            _kept.waiting.add(node)
    recent.extend((_kept.count, weakref.ref(node)) for node in fresh if not node._num_handles and _is_let_go(node))
