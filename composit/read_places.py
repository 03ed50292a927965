"""The places of a program where Python read numbers: how often a loop reads, its place is one.

`chain_rule` asks which of them could have brought a number into a graph (`composit/nn/read_numbers.py`), without going
through all reads there ever were. May import source.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

from composit.source import Source, find_sources

# The instruction that read, and the calls that led there, the innermost first.
Place: TypeAlias = tuple[Source, ...]
# By the ids of the code objects, whose own hash reads all of their constants; they are kept beside.
Key: TypeAlias = tuple[tuple[int, int], ...]

_places: dict[Key, Place] = {}
MAX_PLACES = 4096
_NUM_CALLS = 5


def note_place(depth: int) -> Place:
    """Return where Python reads a number, seen from `depth` callers up, and remember the place."""
    place = find_sources(depth + 1, _NUM_CALLS)
    key = key_of(place)
    if key not in _places:
        if len(_places) >= MAX_PLACES:
            _places.clear()
        _places[key] = place
    return place


def key_of(place: Place) -> Key:
    """Return what tells places apart."""
    return tuple([(id(code), offset) for code, offset in place])


def places() -> Collection[Place]:
    """Return the places that are remembered: the last ones, and at most MAX_PLACES."""
    return _places.values()
