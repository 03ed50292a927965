"""A content-addressed store of compiled programs, shared by all processes of one user.

An entry is a directory of files with a manifest of their sha256 sums. It is written in a private staging directory,
appears by one rename and is verified at every look-up, so a second process, a crash or a flipped bit can only cause a
miss. There are no lock files and no pickles. Two levels use it: `programs` (what a whole graph became) and
`libraries` (what one C text became).

    <root>/v1/libraries/<sha256>/manifest.json library.so source.c
    <root>/v1/staging/<random>/...

Known weakness: least-recent use is the manifest's time, so a file system without times evicts in arbitrary order.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mosaic.runtime.cache_directory import cache_root
from mosaic.runtime.settings import number_from_environment

FORMAT: Final = "v1"
LIBRARY_FILE: Final = "library.so"
SOURCE_FILE: Final = "source.c"
DESCRIPTION_FILE: Final = "program.json"
_MANIFEST_FILE: Final = "manifest.json"
_LIBRARIES: Final = "libraries"
_PROGRAMS: Final = "programs"

DEFAULT_MAX_BYTES: Final = 1 << 30
# Looking at every entry at each publication would cost more than compiling, once there are thousands.
_PUBLICATIONS_PER_EVICTION: Final = 16
# A staging directory this old belongs to a process that was killed: no compiler runs longer than its time limit.
_STALE_STAGING_S: Final = 24 * 3600.0


def content_key(*parts: bytes) -> bytes:
    """The sha256 of the parts, each preceded by its length, so that no two lists of parts collide by joining."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


@dataclass(frozen=True, slots=True)
class StoredProgram:
    """What was kept of a compiled graph: its description (JSON text), its shared library, its C text."""

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

    def lookup_library(self, key: bytes) -> Path | None:
        """The shared library stored under the key, verified, or None."""
        entry = self._lookup(_LIBRARIES, key)
        return None if entry is None else entry / LIBRARY_FILE

    def lookup_program(self, key: bytes) -> StoredProgram | None:
        """The program stored under the key, verified, or None."""
        entry = self._lookup(_PROGRAMS, key)
        if entry is None:
            return None
        try:
            description = (entry / DESCRIPTION_FILE).read_text(encoding="utf-8")
            source = (entry / SOURCE_FILE).read_text(encoding="utf-8")
        except OSError:  # evicted by another process since it was verified
            return None
        return StoredProgram(description, entry / LIBRARY_FILE, source)

    def publish_library(self, key: bytes, staging: Path) -> Path:
        """The library of a staged directory, under its key from now on."""
        return self._publish(_LIBRARIES, key, staging) / LIBRARY_FILE

    def publish_program(self, key: bytes, description: str, library: Path, source: str) -> StoredProgram:
        """The program, stored under its key from now on; if the disk does not take it, as it was given."""
        try:
            with self.staging() as staging:
                (staging / DESCRIPTION_FILE).write_text(description, encoding="utf-8")
                (staging / SOURCE_FILE).write_text(source, encoding="utf-8")
                shutil.copyfile(library, staging / LIBRARY_FILE)
                entry = self._publish(_PROGRAMS, key, staging)
        except OSError:
            return StoredProgram(description, library, source)
        return StoredProgram(description, entry / LIBRARY_FILE, source)

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A private directory on the cache's file system; whatever is still in it afterwards is removed."""
        parent = self.root / FORMAT / "staging"
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(dir=parent))
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def discard(self, library: Path) -> None:
        """Forget the entry that a library belongs to, for instance because it cannot be loaded."""
        self._remove(library.parent)

    def summary(self) -> CacheSummary:
        """How much is stored now."""
        entries = self._entries()
        kinds = [entry.parent.name for entry in entries]
        num_bytes = sum(_num_bytes(entry) for entry in entries)
        return CacheSummary(self.root, kinds.count(_PROGRAMS), kinds.count(_LIBRARIES), num_bytes, self.max_bytes)

    def clear(self) -> None:
        """Remove every entry; programs that are loaded keep working."""
        for entry in self._entries():
            self._remove(entry)
        self._sweep_staging(older_than_s=0.0)

    def evict(self) -> None:
        """Remove the least recently used entries until the bound holds."""
        sizes = {entry: _num_bytes(entry) for entry in self._entries()}
        excess = sum(sizes.values()) - self.max_bytes
        for entry in sorted(sizes, key=_last_use_ns):
            if excess <= 0:
                break
            self._remove(entry)
            excess -= sizes[entry]
        self._sweep_staging(older_than_s=_STALE_STAGING_S)

    def _entry(self, kind: str, key: bytes) -> Path:
        return self.root / FORMAT / kind / key.hex()

    def _entries(self) -> list[Path]:
        kinds = [self.root / FORMAT / kind for kind in (_LIBRARIES, _PROGRAMS)]
        return [entry for kind in kinds for entry in _children(kind)]

    def _lookup(self, kind: str, key: bytes) -> Path | None:
        entry = self._entry(kind, key)
        if not _is_intact(entry, key):
            return None
        with contextlib.suppress(OSError):
            os.utime(entry / _MANIFEST_FILE)
        return entry

    def _publish(self, kind: str, key: bytes, staging: Path) -> Path:
        """Move a staged directory to its place; an intact entry that is there already stays."""
        _write_manifest(staging, key)
        entry = self._entry(kind, key)
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            try:
                staging.rename(entry)
                break
            except OSError:
                if not entry.exists():
                    raise
                if _is_intact(entry, key):  # another process was first
                    return entry
                self._remove(entry)
        if key[0] % _PUBLICATIONS_PER_EVICTION == 0:  # keys are evenly spread
            self.evict()
        return entry

    def _remove(self, entry: Path) -> None:
        """Take an entry out of sight by one rename, then delete it, so that nobody sees half of it."""
        with contextlib.suppress(FileNotFoundError), self.staging() as grave:
            entry.rename(grave / entry.name)

    def _sweep_staging(self, older_than_s: float) -> None:
        limit_ns = time.time_ns() - int(older_than_s * 1e9)
        for directory in _children(self.root / FORMAT / "staging"):
            if _changed_ns(directory) <= limit_ns:
                shutil.rmtree(directory, ignore_errors=True)


def open_cache() -> Cache:
    """The cache of this process: below COMPOSIT_CACHE_DIR, or the user's cache directory if that is safe to use."""
    return Cache(cache_root(), int(number_from_environment("COMPOSIT_CACHE_MAX_BYTES", DEFAULT_MAX_BYTES)))


def _children(directory: Path) -> Sequence[Path]:
    try:
        return sorted(directory.iterdir())
    except FileNotFoundError:
        return ()


def _is_intact(entry: Path, key: bytes) -> bool:
    """Whether the entry is complete and every file is what its manifest says."""
    try:
        manifest = json.loads((entry / _MANIFEST_FILE).read_text(encoding="utf-8"))
        return bool(manifest["key"] == key.hex()) and manifest["sha256"] == _sums(entry)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write_manifest(directory: Path, key: bytes) -> None:
    text = json.dumps({"key": key.hex(), "sha256": _sums(directory)}, indent=1)
    (directory / _MANIFEST_FILE).write_text(text, encoding="utf-8")


def _sums(directory: Path) -> dict[str, str]:
    files = [file for file in _children(directory) if file.name != _MANIFEST_FILE]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _num_bytes(entry: Path) -> int:
    total = 0
    for file in _children(entry):
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_size
    return total


def _last_use_ns(entry: Path) -> int:
    return _changed_ns(entry / _MANIFEST_FILE)


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
