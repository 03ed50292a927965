"""numpy's errstate in nodes: the state at the user's line decides what a floating-point error does.

numpy keeps the state as an opaque object in a context variable. A node keeps that object, and evaluation sets it again.
"""

from __future__ import annotations

from contextvars import Context, ContextVar
from typing import Any

import numpy as np
from numpy._core import umath

from composit.hooks import hooks

# numpy's private variable: the public dictionary of the state takes half a microsecond to make.
_state: ContextVar[Any] = umath._extobj_contextvar  # Any: an object that nobody looks into
current_errstate = _state.get
set_errstate = _state.set


# Read in a new context: the program that imports us may have set another state already.
DEFAULT_ERRSTATE = Context().run(_state.get)


def _silent() -> object:
    np.seterr(all="ignore")
    return _state.get()


# The state of programs without an errstate, such as torch's.
SILENT_ERRSTATE = Context().run(_silent)

_AT_CALL = frozenset(("raise", "call", "log", "print"))
_at_call: dict[int, tuple[object, bool]] = {}
MAX_KNOWN_STATES = 256


def acts_at_call(state: object) -> bool:
    """Return whether the present state, `state`, reports errors at the call: by raising, calling, logging or printing."""
    if id(state) in _made:
        return False
    known = _at_call.get(id(state))
    if known is not None:
        return known[1]
    if len(_at_call) >= MAX_KNOWN_STATES:
        _at_call.clear()
    answer = not _AT_CALL.isdisjoint(np.geterr().values())
    # The entry keeps the state alive, so that no other object gets its id.
    _at_call[id(state)] = (state, answer)
    return answer


class _Reporter:
    """The file to which numpy writes in place of warning."""

    __slots__ = ()

    def write(self, said: str) -> None:
        hooks.warn(said.removeprefix("Warning: ").rstrip("\n"))


reporter = _Reporter()

# By the id of a state, the state that writes in place of warning; and the ids of the states made here.
_reporting: dict[int, tuple[object, object]] = {}
_made: set[int] = set()


def reporting(state: object) -> object:
    """Return an errstate that writes to `reporter` where this one would warn."""
    known = _reporting.get(id(state))
    if known is not None:
        return known[1]
    if len(_reporting) >= MAX_KNOWN_STATES:
        _reporting.clear()
        _made.clear()
    made = Context().run(_made_reporting, state)
    # The entries keep both alive, so that no other objects get their ids.
    _reporting[id(state)] = (state, made)
    if made is not state:
        _reporting[id(made)] = (made, made)
        _made.add(id(made))
    return made


def _made_reporting(state: object) -> object:
    set_errstate(state)
    modes: dict[str, Any] = dict(np.geterr())  # Any: words of which numpy's types want to know which
    if "warn" not in modes.values() or np.geterrcall() is not None:
        # The state never warns, or has a reporter of the user's.
        return state
    np.seterrcall(reporter)
    np.seterr(**{name: "log" if mode == "warn" else mode for name, mode in modes.items()})
    return current_errstate()
