"""What this installation of mosaic is, as a number: the sum over its own sources.

It is part of the key of a stored program, so that a changed pass or a changed kernel never finds what the old one
made.
"""

from functools import lru_cache
from pathlib import Path
from typing import Final

from mosaic.runtime.cache import content_key

_PACKAGE: Final = Path(__file__).parents[1]
_SUFFIXES: Final = frozenset({".py", ".c", ".h"})


@lru_cache(maxsize=1)
def sources_digest() -> bytes:
    """The digest of every source file of mosaic, names included; the same in every process and place."""
    files = sorted(path for path in _PACKAGE.rglob("*") if path.suffix in _SUFFIXES)
    parts = [part for path in files for part in (path.relative_to(_PACKAGE).as_posix().encode(), path.read_bytes())]
    return content_key(*parts)
