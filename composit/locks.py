"""Locks that forked processes can still take: for a few steps of a module, and for writes to memory.

Both kinds may be taken again by the thread that holds them: the garbage collector can run a finalizer of a user's, which
uses tensors, at any step. May import nothing of composit.
"""

from __future__ import annotations

import os
import threading
from _thread import RLock
from typing import ClassVar


def fork_safe_lock() -> RLock:
    """Return a lock for a few steps that take no other lock; a fork waits until it is free.

    Else a child could find it taken by a thread that the child does not have.
    """
    lock = threading.RLock()
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


class WriteLock(RLock):  # type: ignore[misc]  # the stubs call it final, which it is not
    """The lock of one piece of memory. It may be held for long, so that no fork waits for it: a child makes a new one.

    forks: how many forks led to this process
    born:  how many had when the lock was made; fewer means that a thread which the child does not have may hold it
    """

    __slots__ = ("born",)
    forks: ClassVar[int] = 0

    def __init__(self) -> None:
        self.born = WriteLock.forks


def _count_fork() -> None:
    WriteLock.forks += 1


os.register_at_fork(after_in_child=_count_fork)
