"""Locks that work after a fork: one kind for a few steps of a module, one for writes to memory.

The thread that holds a lock may take it again, since the garbage collector can run a user's finalizer, which uses tensors, at
any step.
"""

from __future__ import annotations

import os
import threading
from _thread import RLock
from typing import ClassVar


def fork_safe_lock() -> RLock:
    """Return a lock for a few steps that take no other lock; a fork waits until the lock is free.

    Otherwise a child could find it held by a thread that exists in the parent only.
    """
    lock = threading.RLock()
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


class WriteLock(RLock):  # type: ignore[misc]  # the stubs call it final, which it is not
    """The lock of one piece of memory. It may be held for long, so forks do not wait for it: a child makes a new one.

    forks: the number of forks that led to this process
    born:  that number when the lock was made; if it is smaller than `forks`, a thread of the parent may hold the lock
    """

    __slots__ = ("born",)
    forks: ClassVar[int] = 0

    def __init__(self) -> None:
        self.born = WriteLock.forks


def _count_fork() -> None:
    WriteLock.forks += 1


os.register_at_fork(after_in_child=_count_fork)
