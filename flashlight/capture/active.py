"""The recorder of the thread that runs, and threads that a traced program starts: they belong to its trace."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flashlight.capture.patches import Patch

if TYPE_CHECKING:
    from flashlight.capture.recorder import Recorder


class _Active(threading.local):
    recorder: Recorder | None = None


active = _Active()


def active_recorder() -> Recorder | None:
    """Return the recorder of this thread, None outside of traces."""
    return active.recorder


@contextmanager
def paused(recorder: Recorder) -> Iterator[None]:
    """Record no operations inside."""
    before, recorder.is_paused = recorder.is_paused, True
    try:
        yield
    finally:
        recorder.is_paused = before


def thread_patches(inside: Callable[[Recorder, Callable[..., Any]], Callable[..., Any]]) -> tuple[Patch, ...]:
    """Return the patches by which threads and tasks of pools that start inside a trace are recorded in it.

    inside: makes of a recorder of this thread and a function the function that runs in another thread, recorded
    """

    def start(original: Callable[..., Any]) -> Callable[..., Any]:
        def start_recorded(thread: threading.Thread) -> None:
            recorder = active.recorder
            if recorder is not None:
                thread.run = inside(recorder, thread.run)  # type: ignore[method-assign]  # of this one thread
            original(thread)

        return start_recorded

    def submit(original: Callable[..., Any]) -> Callable[..., Any]:
        def submit_recorded(pool: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            recorder = active.recorder
            return original(pool, function if recorder is None else inside(recorder, function), *args, **kwargs)

        return submit_recorded

    # Their tasks run in threads that may be older than the trace. The second class is there once its module has been imported.
    pools = sys.modules.get("multiprocessing.pool")
    tasks = ("apply_async", "_map_async", "imap", "imap_unordered")
    return (
        Patch(threading.Thread, "start", start),
        Patch(ThreadPoolExecutor, "submit", submit),
        *(Patch(pools.ThreadPool, name, submit) for name in tasks if pools is not None),
    )
