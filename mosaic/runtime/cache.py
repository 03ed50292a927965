"""A content-addressed store of compiled programs, shared by all processes of one user.

An entry is a directory of files with a manifest of their sha256 sums. It is written in a private staging directory,
appears by one rename and is verified at every look-up, so a second process, a crash or a flipped bit can only cause a
miss. There are no lock files and no pickles. Two levels use it: `programs` (what a whole graph became) and
`libraries` (what one C text became).

    <root>/v1/libraries/<content>-<maker>/manifest.json library.so source.c
    <root>/v1/staging/<random>/...

`content` and `maker` are sums over what was compiled and over how: compiler, version, arguments. A process that has no
compiler takes an entry of any maker.

Known weakness: least-recent use is the manifest's time, so a file system without times evicts in arbitrary order.
"""

import contextlib
import errno
import fnmatch
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mosaic.runtime.cache_directory import FORMAT, cache_roots
from mosaic.runtime.ownership import why_untrusted
from mosaic.runtime.private_directory import is_abandoned, make_private_directory, owned_directory
from mosaic.runtime.settings import number_from_environment

LIBRARY_FILE: Final = "library.so"
SOURCE_FILE: Final = "source.c"
DESCRIPTION_FILE: Final = "program.json"
_MANIFEST_FILE: Final = "manifest.json"
_LIBRARIES: Final = "libraries"
_PROGRAMS: Final = "programs"
_NOTES: Final = "notes"
_STAGING: Final = "staging"

DEFAULT_MAX_BYTES: Final = 1 << 30
# Looking at every entry at each publication would cost more than compiling, once there are thousands.
_PUBLICATIONS_PER_EVICTION: Final = 16
_LARGEST_MAX_BYTES: Final = float(1 << 60)


def content_key(*parts: bytes) -> bytes:
    """The sha256 of the parts, each preceded by its length, so that no two lists of parts collide by joining."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


@dataclass(frozen=True, slots=True)
class Key:
    """The name of an entry: the sum over what was compiled, and over how; without a maker, any will do."""

    content: bytes
    maker: bytes | None = None

    @property
    def name(self) -> str:
        """The name of the entry's directory; without a maker, a pattern for all that fit."""
        return f"{self.content.hex()}-{'*' if self.maker is None else self.maker.hex()}"


@dataclass(frozen=True, slots=True)
class StoredProgram:
    """A stored program: its description (JSON text), its shared library, its C text."""

    description: str
    library: Path
    source: str


@dataclass(frozen=True, slots=True)
class CacheSummary:
    """How much a cache holds."""

    location: Path
    num_programs: int
    num_libraries: int
    num_bytes: int
    max_bytes: int

    @property
    def num_entries(self) -> int:
        """Programs and libraries together."""
        return self.num_programs + self.num_libraries


@dataclass(frozen=True, slots=True)
class Cache:
    """The store below one verified directory; all its methods may be called by many processes at once."""

    root: Path
    max_bytes: int = DEFAULT_MAX_BYTES

    def libraries(self, key: Key) -> Iterator[Path]:
        """The shared libraries stored under the key, verified, the latest used first."""
        for entry in self._intact_entries(_LIBRARIES, key):
            yield entry / LIBRARY_FILE

    def programs(self, key: Key) -> Iterator[StoredProgram]:
        """The programs stored under the key, verified, the latest used first."""
        for entry in self._intact_entries(_PROGRAMS, key):
            with contextlib.suppress(OSError):  # evicted by another process since it was verified
                description = _content(entry / DESCRIPTION_FILE).decode()
                source = _content(entry / SOURCE_FILE).decode()
                yield StoredProgram(description, entry / LIBRARY_FILE, source)

    def publish_library(self, key: Key, staging: Path) -> Path:
        """The library of a staged directory, under its key from now on.

        Raises: OSError: the disk does not take it
        """
        return self._publish(_LIBRARIES, key, staging) / LIBRARY_FILE

    def publish_program(self, key: Key, description: str, library: Path, source: str) -> None:
        """Store a program under its key.

        Raises: OSError: the library is gone, or the disk does not take it
        """
        with self.staging() as staging:
            (staging / DESCRIPTION_FILE).write_text(description, encoding="utf-8")
            (staging / SOURCE_FILE).write_text(source, encoding="utf-8")
            shutil.copyfile(library, staging / LIBRARY_FILE)
            self._publish(_PROGRAMS, key, staging)

    def notes(self, key: Key) -> Iterator[str]:
        """The texts stored under the key, verified, the latest used first."""
        for entry in self._intact_entries(_NOTES, key):
            with contextlib.suppress(OSError):  # evicted by another process since it was verified
                yield _content(entry / DESCRIPTION_FILE).decode()

    def publish_note(self, key: Key, text: str) -> None:
        """Store a text under its key.

        Raises: OSError: the disk does not take it
        """
        with self.staging() as staging:
            (staging / DESCRIPTION_FILE).write_text(text, encoding="utf-8")
            self._publish(_NOTES, key, staging)

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A private directory on the cache's file system; whatever is still in it afterwards is removed.

        Raises: OSError: the disk does not take it
        """
        with owned_directory(self._directory(_STAGING)) as directory:
            yield directory

    def discard(self, library: Path) -> None:
        """Forget the entry that a library belongs to, for instance because it cannot be loaded."""
        with contextlib.suppress(OSError):  # read-only: it is found again, and refused again
            self._remove(library.parent)

    def summary(self) -> CacheSummary:
        """How much is stored now."""
        entries = self._entries()
        kinds = [entry.parent.name for entry in entries]
        num_bytes = sum(_num_bytes(entry) for entry in entries)
        return CacheSummary(self.root, kinds.count(_PROGRAMS), kinds.count(_LIBRARIES), num_bytes, self.max_bytes)

    def clear(self) -> None:
        """Remove every entry, and what killed processes left; programs that are loaded or compiled now are not disturbed.

        Raises: OSError: the disk refuses
        """
        for entry in self._entries():
            self._remove(entry)
        self._sweep_staging()

    def evict(self) -> None:
        """Remove the least recently used entries until the bound holds."""
        sizes = {entry: _num_bytes(entry) for entry in self._entries()}
        excess = sum(sizes.values()) - self.max_bytes
        for entry in sorted(sizes, key=_last_use_ns):
            if excess <= 0:
                break
            self._remove(entry)
            excess -= sizes[entry]
        self._sweep_staging()

    def _directory(self, kind: str) -> Path:
        """The directory of one kind of things, made if it is missing; the root must be there."""
        for directory in (self.root / FORMAT, self.root / FORMAT / kind):
            make_private_directory(directory)
        return self.root / FORMAT / kind

    def _entries(self) -> list[Path]:
        kinds = [self.root / FORMAT / kind for kind in (_LIBRARIES, _PROGRAMS, _NOTES)]
        return [entry for kind in kinds for entry in _children(kind)]

    def _intact_entries(self, kind: str, key: Key) -> Iterator[Path]:
        directory = self.root / FORMAT / kind
        found = [directory / key.name] if key.maker is not None else _matching(directory, key.name)
        for entry in sorted(found, key=_last_use_ns, reverse=True):
            if _is_intact(entry):
                with contextlib.suppress(OSError):
                    os.utime(entry / _MANIFEST_FILE)
                yield entry

    def _publish(self, kind: str, key: Key, staging: Path) -> Path:
        """Move a staged directory to its place; an intact entry that is there already stays."""
        entry = self._directory(kind) / key.name
        _write_manifest(staging, entry.name)
        while True:
            try:
                staging.rename(entry)
                break
            except OSError:
                if not os.path.lexists(entry):
                    raise
                if _is_intact(entry):  # another process was first
                    return entry
                self._remove(entry)
        if key.content[0] % _PUBLICATIONS_PER_EVICTION == 0:  # keys are evenly spread
            with contextlib.suppress(OSError):  # the new entry is published in any case
                self.evict()
        return entry

    def _remove(self, entry: Path) -> None:
        """Delete an entry, its manifest first, so that nobody takes half of it for whole; a full disk allows it too."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            (entry / _MANIFEST_FILE).unlink()
        try:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        except FileNotFoundError:  # another process removes it, too
            pass
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:  # another process has published in its place
                raise

    def _sweep_staging(self) -> None:
        for directory in _children(self.root / FORMAT / _STAGING):
            with contextlib.suppress(OSError):  # another process sweeps too
                if is_abandoned(directory):
                    shutil.rmtree(directory, ignore_errors=True)


def open_caches() -> tuple[Cache, ...]:
    """The caches that this process looks into, in order; the last is the one that it writes to.

    Raises: CodeStorageError: no directory of this machine can be used; ParameterError: a setting is no number
    """
    bound = number_from_environment("COMPOSIT_CACHE_MAX_BYTES", DEFAULT_MAX_BYTES, _LARGEST_MAX_BYTES)
    return tuple(Cache(root, int(bound)) for root in cache_roots())


def _children(directory: Path) -> Sequence[Path]:
    try:
        return sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return ()


def _matching(directory: Path, pattern: str) -> Sequence[Path]:
    return [entry for entry in _children(directory) if fnmatch.fnmatchcase(entry.name, pattern)]


def _is_intact(entry: Path) -> bool:
    """Whether the entry is a directory of ours that is complete, and every file is ours and what its manifest says."""
    try:
        status = entry.lstat()
        if not stat.S_ISDIR(status.st_mode) or why_untrusted(status) is not None:
            return False
        manifest = json.loads(_content(entry / _MANIFEST_FILE))
        return bool(manifest["key"] == entry.name) and manifest["sha256"] == _sums(entry)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _write_manifest(directory: Path, name: str) -> None:
    for file in _children(directory):
        file.chmod(0o600)  # whatever our umask is: files that others may write are not read
    manifest = directory / _MANIFEST_FILE
    manifest.write_text(json.dumps({"key": name, "sha256": _sums(directory)}, indent=1), encoding="utf-8")
    manifest.chmod(0o600)


def _sums(directory: Path) -> dict[str, str]:
    files = [file for file in _children(directory) if file.name != _MANIFEST_FILE]
    return {file.name: hashlib.sha256(_content(file)).hexdigest() for file in files}


def _content(file: Path) -> bytes:
    """The bytes of a regular file of ours, and of nothing else: a link leads elsewhere, a pipe blocks, others may lie.

    Raises: OSError: there is none
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        return opened.read() if stat.S_ISREG(status.st_mode) and why_untrusted(status) is None else b""


def _num_bytes(entry: Path) -> int:
    total = 0
    for file in (entry, *_children(entry)):
        with contextlib.suppress(FileNotFoundError):
            total += file.lstat().st_size if not file.is_dir() else 0
    return total


def _last_use_ns(entry: Path) -> int:
    try:
        return (entry / _MANIFEST_FILE).lstat().st_mtime_ns
    except OSError:
        return 0
