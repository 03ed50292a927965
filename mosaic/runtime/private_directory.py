"""Private temporary directories; those in use are locked, those of killed processes are not.

The owner of a directory keeps a lock on it as long as it lives; the system takes the lock away when the owner dies. It
is a lock on the directory itself, so it works between containers, where numbers of processes mean nothing.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# An owner needs this long at most to lock what it has made.
_YOUNG_S: Final = 60.0
# Not every file system has locks. A directory this old is in use nowhere: no compiler runs longer than its time limit.
_OLD_S: Final = 24 * 3600.0


def make_private_directory(path: Path) -> None:
    """Make a directory that only we may enter, whatever our umask is; nothing happens if it exists.

    Raises: OSError: it cannot be made, or there is something else
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
    else:
        path.chmod(0o700)


def new_owned_directory(parent: Path, prefix: str = "") -> tuple[Path, int]:
    """A fresh private directory, and the descriptor that marks it as in use until it is closed or this process ends.

    Raises: OSError: the parent takes no directory
    """
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        directory.chmod(0o700)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    with contextlib.suppress(OSError):  # without locks only its age tells
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return directory, descriptor


@contextlib.contextmanager
def owned_directory(parent: Path) -> Iterator[Path]:
    """A fresh private directory; whatever is still in it afterwards is removed.

    Raises: OSError: the parent takes no directory
    """
    directory, descriptor = new_owned_directory(parent)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(descriptor)


def is_abandoned(directory: Path) -> bool:
    """Whether a directory of ours has lost its owner.

    Raises: OSError: it is gone, or no directory
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        # A clock that was set back leaves times in the future; they do not stay young for ever.
        age_s = abs(time.time() - status.st_mtime)
        if status.st_uid != os.geteuid() or age_s < _YOUNG_S:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return age_s > _OLD_S
        return True
    finally:
        os.close(descriptor)
