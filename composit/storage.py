"""Memory that tensors share: a `Storage` is the memory of a tensor that is no view, a `View` the way to a view of it.

In `b = a[1:]`, b shows the memory of a, as in numpy. Nodes never change, so a write points a to a new node and takes
away b's node; b makes a new one, from a's, when it is next read. A handle keeps its `Storage` or `View` in `_shared`,
which is None until somebody takes a view of the tensor or writes to it. Whether numpy would share memory depends on
the layout too, which `composit/numpy/views/` knows.

Threads: a write holds the storage's lock; reads take none. `_node` and `_early` of a handle change together under
`views_lock`, else a read in another thread could keep the elements of the old node.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from composit.drafts import Elements
from composit.kept_values import leave_alone
from composit.locks import WriteLock, fork_safe_lock
from composit.node import Node, new_node, remember_awaiting
from composit.operation import Array, Operation
from composit.source import Source

if TYPE_CHECKING:
    from composit.handle import TensorHandle

# Dead views are removed from a list when its length reaches this number, and each time it has doubled after that.
_FEW_VIEWS = 32
# With more view operations than this between base and view, neighbours that one operation can replace are joined.
FEW_STEPS = 8
# Held for a few steps: while a storage is made, a list of views is emptied or cleaned, or a handle's node changes.
views_lock = fork_safe_lock()
# Returns whether numpy would share memory between a view and its base; detaches a view that would not.
IsConnected: TypeAlias = "Callable[[TensorHandle], bool]"


class Storage:
    """The memory of a tensor that is no view, called the base. `reinterpret` hands it to a new base.

    views:     the views that have a node of the present value; any thread may add to the list without a lock
    lock:      held by the thread that writes to the memory; made by the first write
    layout:    an array with the memory layout of the tensor's value, without the values; made when first asked for
    owner:     of a base that no user holds: the tensor that shows all of it
    before:    the last node with a cached value, if writes have moved the tensor on since
    has_moved: whether a write has moved the tensor on to another node
    """

    __slots__ = ("before", "has_moved", "layout", "lock", "owner", "views")
    base: ClassVar[None] = None
    # Whether others write to the memory itself, so that each read of the tensor needs a new node.
    is_live: ClassVar[bool] = False

    def __init__(self, lock: WriteLock | None = None, owner: weakref.ref[TensorHandle] | None = None) -> None:
        self.views: list[weakref.ref[TensorHandle]] = []
        self.lock = lock
        self.owner = owner
        self.layout: Array | None = None
        self.before: weakref.ref[Node] | None = None
        self.has_moved = False

    def read(self, tensor: TensorHandle, source: Source | None) -> Node | None:
        """Return the node of the present value, which the tensor keeps itself; None while another thread sets it."""
        return tensor._node

    def write(self, tensor: TensorHandle, node: Node, output_index: int, is_connected: IsConnected) -> None:
        """Point the tensor at the node of its next value. The caller holds the lock.

        The views lose their nodes and make new ones when read, so a write costs nothing for views that nobody reads.
        """
        if self.views:
            # Asked of all views before anything changes: the answer may be computed, and may detach other views.
            for view in self.present_views():
                if is_view_of(view, tensor):
                    is_connected(view)
        before = tensor._node or tensor.node
        if before._values:
            self.before = weakref.ref(before)
            remember_awaiting(before, tensor)
        self.has_moved = True
        # The node first: a view that another thread adds from now on is of the new node, or notices that it is not.
        # As `give_node`, without its tests: a write is measured.
        count = before._num_handles = before._num_handles - 1
        if not count and (before._origin is not None or before._values):
            leave_alone(before)
        node._num_handles += 1
        with views_lock:
            tensor._node = node
            tensor._output_index = output_index
            tensor._early = None
        if self.views:
            self.take_nodes_of_views(tensor, is_connected)

    def add(self, view: TensorHandle) -> None:
        """Add a view to the list, from any thread; the caller checks afterwards that no write has missed the view."""
        views = self.views
        views.append(weakref.ref(view))
        count = len(views)
        if count >= _FEW_VIEWS and not count & (count - 1):
            # Only when the length has doubled, which costs a constant per view.
            with views_lock:
                count = len(views)
                views[:count] = [reference for reference in views[:count] if reference() is not None]

    def present_views(self) -> list[TensorHandle]:
        """Return the live views in the list."""
        return [view for view in [reference() for reference in self.views] if view is not None]

    def remove_views(self) -> list[TensorHandle]:
        """Empty the list and return the live views that were in it; a view added meanwhile by another thread stays."""
        with views_lock:
            references = self.views[:]
            del self.views[: len(references)]
        return [view for view in [reference() for reference in references] if view is not None]

    def take_nodes_of_views(self, tensor: TensorHandle, is_connected: IsConnected) -> None:
        """Take the nodes of a written tensor's views; they make new ones when next read."""
        for view in self.remove_views():
            if is_view_of(view, tensor) and is_connected(view):
                take_node(view)

    def owner_now(self) -> TensorHandle | None:
        """Return the owner, if there is one and somebody still holds it."""
        return None if self.owner is None else self.owner()

    def write_lock(self) -> WriteLock:
        """Return the lock, made now if there is none."""
        lock = self.lock
        if lock is not None and lock.born == WriteLock.forks:
            return lock
        with views_lock:
            lock = self.lock
            if lock is None or lock.born != WriteLock.forks:
                lock = self.lock = WriteLock()
            return lock


class View:
    """The way from the memory of one tensor, the base, to a tensor that shows it.

    base:         the tensor that has the memory; `root` follows it if it has become a view since
    steps:        the view operations from base to view
    via:          the view from which this one was taken, if only the layout decides whether that is a view; else None
    is_connected: whether numpy would share memory between view and base; None until the first write asks
    """

    __slots__ = ("base", "is_connected", "steps", "via")

    def __init__(self, base: TensorHandle, steps: tuple[Operation, ...], via: TensorHandle | None = None) -> None:
        self.base = base
        self.steps = steps
        self.via = via
        self.is_connected: bool | None = None

    def root(self) -> TensorHandle:
        """Return the base; if that has become a view since, its base, from which the steps lead as before."""
        while isinstance(above := self.base._shared, View):
            self.base = above.base
        return self.base

    def read(self, tensor: TensorHandle, source: Source | None) -> Node:
        """Return the node of the present value, made from the base's; the view keeps it, unless the memory is live."""
        while True:
            root = self.root()
            newest, index = root.node, root._output_index
            node = newest
            for step in [step.settled() for step in self.steps]:
                node, index = new_node(step, (node, index), step.result_types(node.types[index]), source), 0
            storage = storage_of(root)
            if storage.is_live:
                tensor._output_index = index
                return node
            give_node(tensor, node, index)
            storage.add(tensor)
            if root._node is newest:
                return node
            # Another thread has written to the base meanwhile, and may have missed the view.
            take_node(tensor)

    def detach(self, tensor: TensorHandle) -> None:
        """Make a view that turned out to be a copy an independent tensor; views taken from it become its views."""
        root = self.base
        node = tensor.node
        # The same lock: the caller may hold it.
        storage = Storage(write_lock(root))
        with views_lock:
            give_node(tensor, node, tensor._output_index)
            tensor._shared = storage
        _move_views(tensor, storage_of(root).present_views())

    def take_step(self, step: Operation) -> None:
        """Append a view operation, as `x.shape = ...` does."""
        self.steps = (*self.steps, step)
        self.is_connected = None

    def join_last_steps(self) -> None:
        """Join the last view operations while one can replace two, so that `x = x[1:]` in a loop keeps few steps."""
        *steps, last = self.steps
        via = self.via
        while steps and (joined := steps[-1].then(last)) is not None:
            last = joined
            del steps[-1]
            # The joined operation starts at the view from which this one was taken.
            via = None if via is None or not isinstance(via._shared, View) else via._shared.via
        self.steps = (*steps, last)
        if via is not None:
            self.via = via


def root_of(tensor: TensorHandle) -> TensorHandle | None:
    """Return the base of a view, None for a tensor that is no view."""
    shared = tensor._shared
    if not isinstance(shared, View):
        return None
    base = shared.base
    return shared.root() if isinstance(base._shared, View) else base


def steps_of(tensor: TensorHandle) -> tuple[Operation, ...]:
    """Return the view operations from its base to a tensor; () for a tensor that is no view."""
    shared = tensor._shared
    return shared.steps if isinstance(shared, View) else ()


def is_view_of(tensor: TensorHandle, base: TensorHandle) -> bool:
    """Return whether a tensor is a view of a base, as far as is known without asking the layout."""
    return root_of(tensor) is base


def storage_of(tensor: TensorHandle) -> Storage:
    """Return the storage of a tensor, of its base for a view; made now if nobody has needed it before."""
    shared = tensor._shared
    if isinstance(shared, Storage):
        return shared
    if shared is not None:
        return storage_of(shared.base)
    with views_lock:
        shared = tensor._shared
        if shared is None:
            shared = tensor._shared = _new_storage()
    # Another thread may have made a view of it meanwhile.
    return shared if isinstance(shared, Storage) else storage_of(shared.base)


def view_of(tensor: TensorHandle) -> View | None:
    """Return the `View` of a tensor, None for a tensor that is no view."""
    shared = tensor._shared
    return shared if isinstance(shared, View) else None


def share(tensor: TensorHandle, shared: Storage | View) -> None:
    """Make a tensor a view of another one, or give it a storage of its own."""
    tensor._shared = shared


def own_storage(tensor: TensorHandle) -> Storage | None:
    """Return the storage of a tensor that is no view or that owns a base which no user holds; None for others."""
    shared = tensor._shared
    if not isinstance(shared, View):
        return shared
    storage = storage_of(tensor)
    return storage if storage.owner_now() is tensor else None


def write_lock(tensor: TensorHandle) -> WriteLock:
    """Return the lock that a thread holds while it writes to a tensor: one for all tensors that share memory.

    A write reads the tensor's node, makes the next one and points the tensor to it; no other thread may write in
    between. Reading takes no lock. A tensor that becomes a view of another base keeps its lock.
    """
    return storage_of(tensor).write_lock()


def mark_view(view: TensorHandle, base: TensorHandle, step: Operation | None = None) -> None:
    """Remember that numpy would share memory between the two, so that a write to either reaches the other.

    step: the operation from base to view, if it is not the operation of the view's own node
    """
    node = view._node or view.node
    made_by = node._operation if step is None else step
    if view is base or (base._type.is_scalar and not made_by.is_read_only):
        return
    above = base._shared
    if isinstance(above, View):
        root = above.root()
        has_open_layout = any(earlier.depends_on_layout for earlier in above.steps)
        own = view._shared = View(root, (*above.steps, made_by), base if has_open_layout else None)
        if len(own.steps) > FEW_STEPS:
            own.join_last_steps()
        storage = storage_of(root)
    else:
        view._shared = _new_view(base, made_by)
        storage = storage_of(base) if above is None else above
    storage.add(view)
    if step is None and base._node is not node._left and not storage.is_live:
        # Another thread has written to the base since the view's node was made, and may have missed the view.
        take_node(view)


# `Storage()` and `View(base, (step,))` without the call of `__init__`, which takes 0.1 us of the 2.3 of `x[1:3]`.
def _new_storage() -> Storage:
    storage = _new(Storage)
    storage.views = []
    storage.lock = storage.owner = storage.layout = storage.before = None
    storage.has_moved = False
    return storage


def _new_view(base: TensorHandle, step: Operation) -> View:
    view = _new(View)
    view.base = base
    view.steps = (step,)
    view.via = None
    view.is_connected = None
    return view


_new = object.__new__


def give_node(tensor: TensorHandle, node: Node, output_index: int = 0) -> None:
    """Point a tensor at another node of its type."""
    node._num_handles += 1
    with views_lock:
        before, early = tensor._node, tensor._early
        tensor._node, tensor._output_index, tensor._early = node, output_index, None
        if isinstance(early, Elements) and early.is_own:
            early.state.leave()
        if before is not None:
            _leave(before)


def take_node(view: TensorHandle) -> None:
    """Take the node of a view; the view makes a new one when it is next read."""
    with views_lock:
        node = view._node
        # Another thread may have detached it: a tensor that is no view keeps its node.
        if node is not None and isinstance(view._shared, View):
            view._node = view._early = None
            _leave(node)


def _leave(node: Node) -> None:
    count = node._num_handles = node._num_handles - 1
    if not count:
        leave_alone(node)


def _move_views(base: TensorHandle, others: list[TensorHandle]) -> None:
    """Make the views that were taken from `base` views of `base`, and likewise the views taken from those."""
    for other in others:
        view = other._shared
        if isinstance(view, View) and view.via is base:
            node = other.node
            mark_view(other, base, view.steps[-1])
            give_node(other, node)
            _move_views(other, others)
