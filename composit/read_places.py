"""The places of a program where Python read numbers: how often a loop reads, its place is one.

`chain_rule` asks of each place whether it could have brought a number into a graph (`composit/nn/read_numbers.py`), and so
does not go through all reads there ever were. May import source.
"""

from __future__ import annotations

from typing import TypeAlias

from composit.source import Source, find_sources

# The instruction that read, and the calls that led there, the innermost first.
Place: TypeAlias = tuple[Source, ...]
NO_PLACE: Place = ()
# By the ids of the sources, of which there is one for each instruction: to hash a code object reads all of its constants. The
# sources are kept beside, so that no id is given to another.
Key: TypeAlias = tuple[int, ...]

_places: dict[Key, Place] = {}
MAX_PLACES = 4096
_NUM_CALLS = 3


def note_place(depth: int) -> Place:
    """Return where Python reads a number, seen from `depth` callers up, and remember the place."""
    place = find_sources(depth + 1, _NUM_CALLS)
    key = tuple(map(id, place))
    known = _places.get(key)
    if known is not None:
        # One object for all reads of a loop.
        return known
    if len(_places) >= MAX_PLACES:
        _places.clear()
    _places[key] = place
    return place


def key_of(place: Place) -> Key:
    """Return what tells places apart."""
    return tuple(map(id, place))
