"""Programs in a mount namespace of their own, where file systems are full, read-only or noexec; nothing is left mounted."""

import os
import subprocess
import sys
from functools import cache
from textwrap import dedent

import pytest

from tests.mosaic.runtime.programs import PATIENCE_S, REPOSITORY

_UNSHARE = ("unshare", "--mount", "--propagation", "private", "/bin/sh", "-e", "-c")


@cache
def can_mount() -> bool:
    """Whether this process may mount file systems: root in most machines, nobody in some containers."""
    try:
        command = [*_UNSHARE, "mount -t tmpfs none /mnt"]
        return subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False).returncode == 0
    except FileNotFoundError:
        return False


# The checkout may lie below what is mounted over, and Python with it: it is shown there again, from another place.
_KEEP = 'kept=/mnt\nmount --bind "$0" "$kept"\n'
_SHOW_AGAIN = 'test -e "$0/pyproject.toml" || { mkdir -p "$0" && mount --bind "$kept" "$0"; }\n'

needs_mounts = pytest.mark.skipif(not can_mount(), reason="needs `unshare` and the right to mount")


def run_mounted(mounts: str, script: str, **environment: str) -> list[str]:
    """What a Python script prints and warns of, line by line, after shell commands that mount."""
    command = [*_UNSHARE, f'{_KEEP}{mounts}\n{_SHOW_AGAIN}cd "$0"\nexec "$@"', str(REPOSITORY)]
    command += [sys.executable, "-c", dedent(script)]
    finished = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    return finished.stdout.splitlines()
