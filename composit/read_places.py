"""The places in a user's program where Python reads numbers; all reads of a loop have one place.

`chain_rule` asks of each place whether its number could have come back into a graph (`composit/nn/read_numbers.py`), and so does
not go through all reads.
"""

from __future__ import annotations

from types import CodeType, FrameType
from typing import TypeAlias

from composit.source import Source, find_sources

# The instruction that read, and the calls that led to it, innermost first.
Place: TypeAlias = tuple[Source, ...]
NO_PLACE: Place = ()
# The ids of the sources, one per instruction: hashing a code object reads all of its constants. The table keeps the
# sources alive, so that no other object gets such an id.
Key: TypeAlias = tuple[int, ...]

_places: dict[Key, Place] = {}
MAX_PLACES = 4096
_NUM_CALLS = 5


def note_place(frame: FrameType) -> Place:
    """Return where Python reads a number, at a frame or above it, and remember the place."""
    offset = frame.f_lasti
    last = _last_there.get(offset)
    if last is not None:
        # Most reads of a loop have the same callers as the read before; comparing is quicker than looking the place up.
        code, way, place = last
        if frame.f_code is code:
            each = frame
            for code, offset in way:
                caller = each.f_back
                if caller is None or caller.f_code is not code or caller.f_lasti != offset:
                    break
                each = caller
            else:
                if len(place) == _NUM_CALLS or each.f_back is None:
                    return place
    return _looked_up(frame)


# By the offset of an instruction: its code when last seen, the calls that led to it, innermost first, and its place.
_last_there: dict[int, tuple[CodeType, tuple[Source, ...], Place]] = {}


def _looked_up(frame: FrameType) -> Place:
    found = find_sources(frame, _NUM_CALLS)
    key = tuple(map(id, found))
    place = _places.get(key)
    if place is None:
        if len(_places) >= MAX_PLACES:
            _places.clear()
            _last_there.clear()
        place = _places[key] = found
    # One object for all reads of a loop.
    if place and frame.f_code is place[0][0]:
        _last_there[place[0][1]] = (place[0][0], place[1:], place)
    return place


def key_of(place: Place) -> Key:
    """Return the key of a place: different for different places."""
    return tuple(map(id, place))
