"""Running another program so that it cannot outlive the call: own process group, time limit, no terminal input.

Whatever ends the wait (the limit, Ctrl-C, any other exception) kills the whole group, so a compiler driver takes its
children with it. Known weakness: a child that leaves the group by `setsid` is not reached.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


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
    """The finished program, however it exited.

    Raises: OSError: it cannot be started
            subprocess.TimeoutExpired: it ran longer than `timeout_s`; its process group is gone
    """
    with subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=directory,
        env=None if environment is None else dict(environment),
        process_group=0,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            output, _ = process.communicate(timeout=timeout_s)
        finally:
            _end_group(process)
    return Finished(process.returncode, output)


def _end_group(process: "subprocess.Popen[str]") -> None:
    """Kill the group of a process that still runs; does nothing after a normal end."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
