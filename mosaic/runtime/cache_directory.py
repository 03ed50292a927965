"""The directories of the cache, and checks that loading code from them is safe.

The first is the one that the environment asks for. Code that another user could have written must never be loaded, so
it is refused if others may write to it or may rename what leads to it; this is asked at every use, because `mkdir` does
not correct the mode of a directory that exists, and modes change. A stand-in, a fresh private directory for the life of
the process, takes its place where it is refused, and takes new programs where it is full or read-only. One warning says
why.
"""

import atexit
import contextlib
import errno
import os
import pwd
import re
import shutil
import stat
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from composit.errors import CodeStorageError
from mosaic.runtime.ownership import why_untrusted, why_way_untrusted
from mosaic.runtime.private_directory import is_abandoned, make_private_directory, new_owned_directory

FORMAT: Final = "v1"
"""The directory in a root that everything lies in."""

NO_ROOT: Final = "the user's cache directory"

_STAND_IN_PREFIX: Final = "composit-stand-in-"
# Enough for one large program: the library, its objects, its text.
_PROBE_BYTES: Final = 4 << 20
_PROBE_FILES: Final = 8


@dataclass(frozen=True, slots=True)
class _StandIn:
    """A private directory of the process that made it, marked as in use by an open descriptor."""

    root: Path
    process_id: int
    descriptor: int

    def is_usable(self) -> bool:
        """Whether it is this process's and still there: a fork has its parent's, and tidy systems empty /tmp."""
        try:
            is_safe = why_way_untrusted(self.root) is None
        except OSError:
            return False
        return is_safe and self.process_id == os.getpid()


# The stand-ins of this process by the place they lie in, and what stands in for a root or for another stand-in.
_STAND_INS: Final[dict[Path, _StandIn]] = {}
_REPLACED_BY: Final[dict[str, _StandIn]] = {}


def cache_roots() -> tuple[Path, ...]:
    """The verified directories in which compiled programs are looked for; new ones go to the last.

    Raises: CodeStorageError: neither the configured directory nor a temporary one can be used
    """
    configured = configured_root()
    reason = why_refused(configured)
    usable = configured if reason is None else None
    roots = [usable or stand_in_root(configured or NO_ROOT, str(reason))]
    while (stand_in := _REPLACED_BY.get(str(roots[-1]))) is not None and stand_in.is_usable():
        roots.append(stand_in.root)
    return tuple(roots)


def configured_root() -> Path | None:
    """The directory that the environment asks for, or None if there is no home to put one in."""
    explicit, home = os.environ.get("COMPOSIT_CACHE_DIR", ""), _home()
    if explicit.strip():
        first, _, rest = explicit.partition("/")
        if first == "~" and home is not None:
            return home / rest
        with contextlib.suppress(OSError):  # the current directory was removed
            return Path(explicit).absolute()
        return None
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):
        return Path(base) / "composit"
    return None if home is None else home / ".cache" / "composit"


def _home() -> Path | None:
    home = os.environ.get("HOME", "")
    if not os.path.isabs(home):
        try:
            home = pwd.getpwuid(os.geteuid()).pw_dir
        except KeyError:
            return None
    return Path(home) if os.path.isabs(home) else None


def why_refused(root: Path | None) -> str | None:
    """The reason against keeping programs in a directory, or None; a missing directory is made.

    A directory that takes no files is not refused: what lies in it can be used.
    """
    if root is None:
        return "there is no home directory, and no current one for a relative path"
    try:
        return _why_unsafe(root)
    except OSError as error:
        return str(error)


def _why_unsafe(root: Path) -> str | None:
    missing = []
    existing = root
    while not os.path.lexists(existing):
        missing.append(existing)
        existing = existing.parent
    reason = why_way_untrusted(existing, root)
    if reason is not None:
        return reason
    for directory in reversed(missing):
        make_private_directory(directory)
    status = root.stat()
    if not stat.S_ISDIR(status.st_mode):
        return "it is not a directory"
    # Again for all of it: somebody may have been faster than mkdir.
    reason = why_untrusted(status) or (why_way_untrusted(root) if missing else None)
    return reason or _why_kept_untrusted(root / FORMAT)


def _why_kept_untrusted(directory: Path) -> str | None:
    """What speaks against the directory of our files, if it is there; the root may have been open to others once."""
    _close_to_readers(directory)
    try:
        reason = why_untrusted(directory.lstat())
    except FileNotFoundError:
        return None
    return None if reason is None else f"{directory.name} in it cannot be trusted: {reason}"


def _close_to_readers(directory: Path) -> None:
    """Let nobody else read what we keep. The root stays as it is: it may be a directory that holds other things, too."""
    with contextlib.suppress(OSError):  # not there yet, or read-only
        if directory.stat().st_uid == os.geteuid() and directory.stat().st_mode & 0o077:
            directory.chmod(0o700)


def check_takes_files(directory: Path) -> None:
    """Raise unless the directory has room for a compiled program.

    Raises: OSError: the disk or a quota is exhausted, it is read-only, or it is gone
    """
    with contextlib.ExitStack() as stack:
        probe = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=directory)))
        files = [stack.enter_context((probe / str(number)).open("xb")) for number in range(_PROBE_FILES)]
        try:
            os.posix_fallocate(files[0].fileno(), 0, _PROBE_BYTES)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # not every file system can tell
                raise


def without_name(error: OSError) -> str:
    """What the system says, without the name of a temporary file: equal faults have equal texts, and warn once."""
    return f"[Errno {error.errno}] {error.strerror}"


def shown_path(path: Path) -> str:
    """A path as text that every stream takes: bytes that are no UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def stand_in_root(refused: Path | str, reason: str) -> Path:
    """A private directory instead of one that cannot be used; the same one for the whole process.

    Raises: CodeStorageError: no temporary directory can be used either
    """
    known = _REPLACED_BY.get(str(refused))
    if known is not None and known.is_usable():
        return known.root
    found = _find_stand_in(str(refused), reason)
    _REPLACED_BY[str(refused)] = found
    if known is None and all(str(one.root) != str(refused) for one in _STAND_INS.values()):
        warnings.warn(
            f"cache: {refused} is not used to keep compiled programs: {reason}; it must be a writable directory of "
            f"yours (such as one with mode 0700) that nobody else can rename, so this process uses a temporary one; correct it, or "
            f"set COMPOSIT_CACHE_DIR to another",
            RuntimeWarning,
            stacklevel=2,
        )
    return found.root


def _find_stand_in(refused: str, reason: str) -> _StandIn:
    """A stand-in in the first place for temporary files that is safe and takes files, but for those that were refused."""
    reasons = [f"{refused}: {reason}"]
    for place in _temporary_places():
        known = _STAND_INS.get(place)
        if known is not None and known.is_usable():
            if str(known.root) == refused or str(known.root) in _REPLACED_BY:
                continue
            return known
        try:
            refusal = why_way_untrusted(place)
            if refusal is None:
                _sweep_stand_ins(place)
                _STAND_INS[place] = _stand_in_at(place)
                return _STAND_INS[place]
        except OSError as error:
            refusal = without_name(error)
        reasons.append(f"{place}: {refusal}")
    raise CodeStorageError(
        f"cache: no directory of this machine can be used to keep compiled programs ({'; '.join(reasons)}); expected a "
        f"writable one with {_PROBE_BYTES >> 20} MiB of room that only you can write to; set COMPOSIT_CACHE_DIR or TMPDIR to one"
    )


def _stand_in_at(place: Path) -> _StandIn:
    root, descriptor = new_owned_directory(place, _STAND_IN_PREFIX)
    try:
        check_takes_files(root)
    except OSError:
        os.close(descriptor)
        shutil.rmtree(root, ignore_errors=True)
        raise
    atexit.register(_remove_in_process, root, os.getpid())
    return _StandIn(root, os.getpid(), descriptor)


def _temporary_places() -> Iterator[Path]:
    """Where programs put temporary files, in order of preference."""
    names = [os.environ.get(name, "") for name in ("TMPDIR", "TEMP", "TMP")]
    names += ["/tmp", "/var/tmp", os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm"]
    yield from dict.fromkeys(Path(name) for name in names if os.path.isabs(name))


def _sweep_stand_ins(place: Path) -> None:
    """Remove stand-ins of processes that were killed: what bears such a name and holds nothing but our format."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(place):
            if re.fullmatch(f"{_STAND_IN_PREFIX}[a-z0-9_]{{8}}", entry.name) is None:
                continue
            with contextlib.suppress(OSError):  # another process sweeps too
                directory = Path(entry.path)
                if is_abandoned(directory) and {*os.listdir(directory)} <= {FORMAT}:
                    shutil.rmtree(directory, ignore_errors=True)


def _remove_in_process(root: Path, process_id: int) -> None:
    """Remove the directory at the exit of the process that made it, not at that of a forked child."""
    if os.getpid() == process_id:
        shutil.rmtree(root, ignore_errors=True)
