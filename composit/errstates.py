"""numpy's errstate as nodes carry it: what a floating-point error should do is decided where the user wrote the operation.

numpy keeps the state in a context variable, whose value is an opaque object. A node remembers that object, and evaluation
puts it back. May import nothing of ours.
"""

from __future__ import annotations

from contextvars import Context, ContextVar
from typing import Any

import numpy as np
from numpy._core import umath

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
    known = _at_call.get(id(state))
    if known is not None:
        return known[1]
    if len(_at_call) >= MAX_KNOWN_STATES:
        _at_call.clear()
    answer = not _AT_CALL.isdisjoint(np.geterr().values())
    # The state is kept beside its answer, so that its id is not given to another.
    _at_call[id(state)] = (state, answer)
    return answer
