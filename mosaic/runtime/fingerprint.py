"""The digest of this installation: a checksum over the sources of mosaic and composit.

It is part of the key of a stored program, so that changed sources never find programs of the old ones.
"""

import sys
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

import composit
from mosaic.runtime.cache import content_key

_PACKAGE: Final = Path(__file__).parents[1]
_SUFFIXES: Final = frozenset({".py", ".c", ".h"})


@lru_cache(maxsize=1)
def sources_digest() -> bytes:
    """The digest of every source file of mosaic, names included; the same in every process and place."""
    return _digest_of(_PACKAGE)


@lru_cache(maxsize=1)
def installation_digest() -> bytes:
    """The digest of mosaic, composit with its type rules, numpy and Python: all that decides the C of a graph."""
    versions = (np.__version__.encode(), sys.version.encode())
    return content_key(sources_digest(), _digest_of(Path(composit.__file__).parent), *versions)


def _digest_of(package: Path) -> bytes:
    files = sorted(path for path in package.rglob("*") if path.suffix in _SUFFIXES)
    parts = [part for path in files for part in (path.relative_to(package).as_posix().encode(), path.read_bytes())]
    return content_key(*parts)
