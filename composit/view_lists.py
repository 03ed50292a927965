"""The list of a tensor's views, which lose their nodes when the tensor is written to, and the operations from base to view.

Any thread may add to the list. A write in another thread can miss a view that is just being added: whoever adds one checks
afterwards that the tensor still has the node from which the view was made. May import locks.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING

from composit.locks import fork_safe_lock

if TYPE_CHECKING:
    from composit.handle import TensorHandle

_FEW_VIEWS = 16
# With more view operations than this between base and view, neighbours that one operation can replace are joined.
FEW_STEPS = 8
# Held while a list of views is made, emptied or cleaned, and while a view gets or loses its node.
views_lock = fork_safe_lock()


def add_view(root: TensorHandle, view: TensorHandle) -> None:
    """Add a view to the list, from any thread; the caller checks afterwards that no write has missed the view."""
    views = root._views
    if views is None:
        views = _list_of_views(root)
    views.append(weakref.ref(view))
    count = len(views)
    if count >= _FEW_VIEWS and not count & (count - 1):
        # Dead views are dropped at each power of two, which costs a constant per view.
        with views_lock:
            count = len(views)
            views[:count] = [reference for reference in views[:count] if reference() is not None]


def _list_of_views(root: TensorHandle) -> list[weakref.ref[TensorHandle]]:
    with views_lock:
        if root._views is None:
            root._views = []
        return root._views


def present_views(root: TensorHandle) -> list[TensorHandle]:
    """Return the views in a tensor's list that are still alive."""
    return _present(root._views or ())


def _present(references: Iterable[weakref.ref[TensorHandle]]) -> list[TensorHandle]:
    return [view for view in [reference() for reference in references] if view is not None]


def taken_views(root: TensorHandle) -> list[TensorHandle]:
    """Return the views in the list and empty it; views that another thread adds meanwhile stay in it."""
    with views_lock:
        views = root._views or []
        references = views[:]
        del views[: len(references)]
    return _present(references)


def join_last_steps(view: TensorHandle) -> None:
    """Join the last view operations into one where possible, so that `x = x[1:]` in a loop has few steps to its base."""
    *steps, last = view._steps
    via: TensorHandle | None = getattr(view, "_via", None)
    while steps and (joined := steps[-1].then(last)) is not None:
        last = joined
        del steps[-1]
        # The joined operation starts at the view before this one.
        via = None if via is None else via._via
    view._steps = (*steps, last)
    if via is not None:
        view._via = via
