"""numpy's errstate as nodes carry it: what a floating-point error should do is decided where the user wrote the operation.

numpy keeps the state in a context variable, whose value is an opaque object. A node remembers that object, and evaluation
puts it back. May import hooks.
"""

from __future__ import annotations

from contextvars import Context, ContextVar
from typing import Any

import numpy as np
from numpy._core import umath

from composit.hooks import hooks

# Private, since numpy offers the state only as a dictionary that takes half a microsecond to make.
_state: ContextVar[Any] = umath._extobj_contextvar  # Any: an object that nobody looks into
current_errstate = _state.get
set_errstate = _state.set


# In a context of its own: the program that imports us may have set another state already.
DEFAULT_ERRSTATE = Context().run(_state.get)


def _silent() -> object:
    np.seterr(all="ignore")
    return _state.get()


# That of programs which know no errstate, such as torch's.
SILENT_ERRSTATE = Context().run(_silent)

_AT_CALL = frozenset(("raise", "call", "log", "print"))
_at_call: dict[int, tuple[object, bool]] = {}
MAX_KNOWN_STATES = 256


def acts_at_call(state: object) -> bool:
    """Return whether the present state, `state`, wants to be told of an error where the operation is written."""
    if id(state) in _made:
        return False
    known = _at_call.get(id(state))
    if known is not None:
        return known[1]
    if len(_at_call) >= MAX_KNOWN_STATES:
        _at_call.clear()
    answer = not _AT_CALL.isdisjoint(np.geterr().values())
    # The state is kept beside its answer, so that its id is not given to another.
    _at_call[id(state)] = (state, answer)
    return answer


class _Reporter:
    """The file to which numpy writes in place of warning."""

    __slots__ = ()

    def write(self, said: str) -> None:
        hooks.warn(said.removeprefix("Warning: ").rstrip("\n"))


reporter = _Reporter()

# A state with the one that writes in place of warning, by identity; and those that were made so.
_reporting: dict[int, tuple[object, object]] = {}
_made: set[int] = set()


def reporting(state: object) -> object:
    """Return the errstate in which `reporter` is told of what this one would warn of."""
    known = _reporting.get(id(state))
    if known is not None:
        return known[1]
    if len(_reporting) >= MAX_KNOWN_STATES:
        _reporting.clear()
        _made.clear()
    made = Context().run(_made_reporting, state)
    # Both are kept, so that their ids are not given to others.
    _reporting[id(state)] = (state, made)
    if made is not state:
        _reporting[id(made)] = (made, made)
        _made.add(id(made))
    return made


def _made_reporting(state: object) -> object:
    set_errstate(state)
    modes: dict[str, Any] = dict(np.geterr())  # Any: words of which numpy's types want to know which
    if "warn" not in modes.values() or np.geterrcall() is not None:
        # Nothing to be told of, or somebody else is told already.
        return state
    np.seterrcall(reporter)
    np.seterr(**{name: "log" if mode == "warn" else mode for name, mode in modes.items()})
    return current_errstate()
