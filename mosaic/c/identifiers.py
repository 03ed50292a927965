"""Checks names of C variables, functions and types. Imports nothing of mosaic."""

from __future__ import annotations

import re

_keywords = frozenset(
    re.findall(
        r"\w+",
        "auto break case char const continue default do double else enum extern float for goto if inline int long "
        "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while "
        "asm",
    )
)
_identifier = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)


def check_identifier(name: str) -> None:
    """Raise ValueError unless `name` may name a C variable, function or type."""
    if not _identifier.match(name) or name in _keywords:
        raise ValueError(
            f"name: {name!r} is not a C identifier; expected letters, digits and underscores that are no keyword; "
            "build expressions from records instead of text"
        )
