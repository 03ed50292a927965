"""The directory that compiled programs are kept in, and whether it is safe to load code from it.

Code that another user could have written must never be loaded, so a directory that is not ours, or that others may
write to, is refused with one warning and replaced by a fresh private one for the life of the process. `mkdir` does not
correct the mode of a directory that exists, hence the check at every start.
"""

import atexit
import os
import shutil
import stat
import tempfile
import warnings
from functools import lru_cache
from pathlib import Path


def cache_root() -> Path:
    """The verified directory that this process keeps compiled programs in."""
    return _verified_root(configured_root())


def configured_root() -> Path | None:
    """The directory that the environment asks for, or None if there is no home to put one in."""
    explicit = os.environ.get("COMPOSIT_CACHE_DIR")
    if explicit:
        return Path(explicit).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    if base and os.path.isabs(base):
        return Path(base) / "composit"
    try:
        return Path.home() / ".cache" / "composit"
    except RuntimeError:
        return None


def why_unsafe(directory: Path) -> str | None:
    """What speaks against loading code from an existing directory, or None."""
    status = directory.stat()
    if not stat.S_ISDIR(status.st_mode):
        return "it is not a directory"
    if status.st_uid != os.geteuid():
        return f"it belongs to user {status.st_uid} and this process runs as user {os.geteuid()}"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"its mode {stat.S_IMODE(status.st_mode):04o} lets other users write to it"
    return None


@lru_cache(maxsize=16)
def _verified_root(configured: Path | None) -> Path:
    if configured is None:
        return _private_root("the user cache", "there is no home directory")
    try:
        configured.mkdir(mode=0o700, parents=True, exist_ok=True)
        reason = why_unsafe(configured)
        if reason is None:
            configured.chmod(0o700)
            reason = None if os.access(configured, os.W_OK | os.X_OK) else "it cannot be written to"
    except OSError as error:
        reason = str(error)
    return configured if reason is None else _private_root(str(configured), reason)


def stand_in_root(refused: Path, reason: OSError) -> Path:
    """A private directory instead of one that turned out not to take files; the same one for the whole process."""
    return _private_root(str(refused), str(reason))


@lru_cache(maxsize=16)
def _private_root(refused: str, reason: str) -> Path:
    """A fresh directory that only this process uses, with a warning that says why."""
    root = Path(tempfile.mkdtemp(prefix="composit-"))
    atexit.register(_remove_in_process, root, os.getpid())
    warnings.warn(
        f"cache: {refused} is not used to keep compiled programs: {reason}; it must be a writable directory of yours "
        f"with mode 0700, so this process uses a temporary one; correct it, or set COMPOSIT_CACHE_DIR to another",
        RuntimeWarning,
        stacklevel=2,
    )
    return root


def _remove_in_process(root: Path, process_id: int) -> None:
    """Remove the directory at the exit of the process that made it, not at that of a forked child."""
    if os.getpid() == process_id:
        shutil.rmtree(root, ignore_errors=True)
