"""Runs another program such that neither it nor its children outlive this process.

A watcher, `/bin/sh` that reads a pipe, leads a process group of its own, and the program joins that group. When the
pipe closes, the watcher kills the group. We close it when the call ends (the program's end, the time limit, Ctrl-C, any
exception); the kernel closes it when we are killed, by SIGTERM and SIGKILL too. No code of ours runs between fork and
exec, where another thread's lock could be held for ever.

The time limit is also a limit of the processor time (RLIMIT_CPU), which holds even where nobody is left to look.

Known weaknesses: a child that leaves the group by `setsid` is not reached. On a machine without /bin/sh only the limit of
processor time ends the program if we are killed. A process that C code forks from us during the call, without exec, holds
the pipe open; one that Python forks closes it.
"""

import contextlib
import math
import os
import resource
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

# `kill 0` reaches every process of the group, the watcher included.
_WATCHER: Final = ("/bin/sh", "-c", "read nothing; kill -KILL 0")

# Our ends of the pipes that watchers read now. The child of a fork must not keep them open.
_PIPES: Final[set[int]] = set()


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished program: its exit status and its output, standard error included."""

    exit_status: int
    output: str


def run_program(
    argv: Sequence[str],
    *,
    timeout_s: float,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """The finished program, however it exited; its files are private to the user, whatever our umask is.

    Raises: OSError: it cannot be started
            subprocess.TimeoutExpired: it ran longer than `timeout_s`; its process group is gone
    """
    with _watched_group() as group:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=None if environment is None else dict(environment),
            process_group=group,
            umask=0o077,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        with process:
            try:
                _limit_processor_time(process.pid, timeout_s)
                output, _ = process.communicate(timeout=timeout_s)
            finally:
                if group or process.poll() is None:  # else the number may be another group's by now
                    _kill_group(group or process.pid)
    return Finished(process.returncode, output)


@contextlib.contextmanager
def _watched_group() -> Iterator[int]:
    """The number of a process group that is killed when the context or this process ends; 0 without a shell."""
    with _pipe_of_ours() as read_end:
        try:
            watcher = subprocess.Popen(
                _WATCHER,
                stdin=read_end,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                process_group=0,
            )
        except FileNotFoundError:
            yield 0  # the program then leads a group of its own
            return
        with watcher:
            try:
                yield watcher.pid
            finally:
                # Also when Popen was interrupted after it had forked. The watcher has not been waited for, so the
                # number of the group still belongs to it.
                _kill_group(watcher.pid)


@contextlib.contextmanager
def _pipe_of_ours() -> Iterator[int]:
    """The end of a pipe whose other end only this process has, until it ends or the context does."""
    _close_pipes_in_forks()
    read_end, write_end = os.pipe()
    _PIPES.add(write_end)
    try:
        yield read_end
    finally:
        os.close(read_end)
        if write_end in _PIPES:  # else this is the child of a fork
            _PIPES.remove(write_end)
            os.close(write_end)


@lru_cache(maxsize=1)
def _close_pipes_in_forks() -> None:
    os.register_at_fork(after_in_child=_close_pipes)


def _close_pipes() -> None:
    while _PIPES:
        os.close(_PIPES.pop())


def _limit_processor_time(process_id: int, timeout_s: float) -> None:
    """End the process, and each child that it starts from now on, after so many seconds of every processor's time."""
    limit_s = (math.ceil(timeout_s) + 1) * (os.cpu_count() or 1)
    # The system refuses where real and effective user differ, and where the program has ended already. Sandboxes
    # refuse too.
    with contextlib.suppress(OSError):
        soft, hard = (_smaller(limit_s, each) for each in resource.prlimit(process_id, resource.RLIMIT_CPU))
        resource.prlimit(process_id, resource.RLIMIT_CPU, (soft, hard))


def _smaller(limit: int, other: int) -> int:
    return limit if other == resource.RLIM_INFINITY else min(limit, other)


def _kill_group(group: int) -> None:
    """Kill what is left of a process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
