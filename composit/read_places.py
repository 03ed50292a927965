"""The places of a program where Python read numbers: how often a loop reads, its place is one.

`chain_rule` asks of each place whether it could have brought a number into a graph (`composit/nn/read_numbers.py`), and so
does not go through all reads there ever were. May import source.
"""

from __future__ import annotations

from types import CodeType, FrameType
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
_NUM_CALLS = 5


def note_place(frame: FrameType) -> Place:
    """Return where Python reads a number, at a frame or above it, and remember the place."""
    offset = frame.f_lasti
    last = _last_there.get(offset)
    if last is not None:
        # Most reads of a loop come by the same way as the one before: compared with it, which is quicker than to look it up.
        code, way, place = last
        if frame.f_code is code:
            each = frame
            for code, offset in way:
                caller = each.f_back
                if caller is None or caller.f_code is not code or caller.f_lasti != offset:
                    break
                each = caller
            else:
                return place
    return _looked_up(frame)


# By the offset of an instruction: the code it was last seen in, the calls that led there, innermost first, and the place.
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
    if len(place) == _NUM_CALLS and frame.f_code is place[0][0]:
        _last_there[place[0][1]] = (place[0][0], place[1:], place)
    return place


def key_of(place: Place) -> Key:
    """Return what tells places apart."""
    return tuple(map(id, place))
