"""The list of the views of a tensor that a write must take the nodes from, and the operations between a view and its base.

Any thread may add to the list. May import locks.

A view that a thread adds while another one writes may be passed by: who adds looks afterwards whether the tensor still has
the node that the view was made of.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING

from composit.locks import fork_safe_lock

if TYPE_CHECKING:
    from composit.handle import TensorHandle

_FEW_VIEWS = 16
# How many view operations may lie between a view and its base before those that one operation does for are joined.
FEW_STEPS = 8
# Held for a few steps: while a list of views is made, emptied or cleared up, and while a view gets or loses its node.
views_lock = fork_safe_lock()


def add_view(root: TensorHandle, view: TensorHandle) -> None:
    """Add to the list of views, from any thread. Who adds looks afterwards whether a write has passed the list by."""
    views = root._views
    if views is None:
        views = _list_of_views(root)
    views.append(weakref.ref(view))
    count = len(views)
    if count >= _FEW_VIEWS and not count & (count - 1):
        # At each power of two: the views that are gone are dropped at constant cost per view.
        with views_lock:
            count = len(views)
            views[:count] = [reference for reference in views[:count] if reference() is not None]


def _list_of_views(root: TensorHandle) -> list[weakref.ref[TensorHandle]]:
    with views_lock:
        if root._views is None:
            root._views = []
        return root._views


def present_views(root: TensorHandle) -> list[TensorHandle]:
    """Return the views in the list of a tensor that somebody holds."""
    return _present(root._views or ())


def _present(references: Iterable[weakref.ref[TensorHandle]]) -> list[TensorHandle]:
    return [view for view in [reference() for reference in references] if view is not None]


def taken_views(root: TensorHandle) -> list[TensorHandle]:
    """Return the views in the list and empty it; what another thread adds meanwhile stays."""
    with views_lock:
        views = root._views or []
        references = views[:]
        del views[: len(references)]
    return _present(references)


def join_last_steps(view: TensorHandle) -> None:
    """Join the last view operations into one where one does for them, so that `x = x[1:]` in a loop stays near its base."""
    *steps, last = view._steps
    via: TensorHandle | None = getattr(view, "_via", None)
    while steps and (joined := steps[-1].then(last)) is not None:
        last = joined
        del steps[-1]
        # The last operation leads on from what this one was taken of.
        via = None if via is None else via._via
    view._steps = (*steps, last)
    if via is not None:
        view._via = via
