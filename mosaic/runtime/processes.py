"""Running another program so that neither it nor its children outlive us, however we end.

A watcher, `/bin/sh` that reads a pipe, leads a process group of its own, and the program joins that group. When the
pipe closes, the watcher kills the group. We close it when the call ends (the program's end, the time limit, Ctrl-C, any
exception); the kernel closes it when we are killed, by SIGTERM and SIGKILL too. No code of ours runs between fork and
exec, where another thread's lock could be held for ever.

The time limit is also a limit of the processor time (RLIMIT_CPU), which holds even where nobody is left to look.

Known weaknesses: a child that leaves the group by `setsid` is not reached. A process that was forked from us during the
call, without exec, holds the pipe open, so only the limit of processor time ends the program if we are killed then. The
same holds on a machine without /bin/sh.
"""

import contextlib
import math
import os
import resource
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# `kill 0` reaches every process of the group, the watcher included.
_WATCHER: Final = ("/bin/sh", "-c", "read nothing; kill -KILL 0")


@dataclass(frozen=True, slots=True)
class Finished:
    """What a program left: its exit status and its output, standard error included."""

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
    try:
        watcher = subprocess.Popen(
            _WATCHER,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            process_group=0,
        )
    except FileNotFoundError:
        yield 0  # the program then leads a group of its own
        return
    with watcher:  # closes the pipe and waits
        try:
            yield watcher.pid
        finally:
            # Also when Popen was interrupted after it had forked. The watcher has not been waited for, so the number
            # of the group still belongs to it.
            _kill_group(watcher.pid)


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
