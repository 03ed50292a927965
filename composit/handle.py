"""`TensorHandle`: a tensor points at one output of a node, and moves on to another node when it is assigned to.

Lives here: the parts that need no operation. Operators and numpy's methods are added by `composit/numpy/tensor/lazy_tensor.py` in
`LazyTensor`. May import node, operation, graph (when asked for it), keys, errors.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from composit.drafts import Draft, Elements, KnownNumber, node_of_number, settle_elements
from composit.eager_results import compute_at_call, eager
from composit.errstates import DEFAULT_ERRSTATE
from composit.hooks import hooks
from composit.kept_values import KnownValue, leave_alone
from composit.locks import WriteLock
from composit.node import FlatOperands, Node, new_node, remember_awaiting
from composit.operation import Array, Dtype, Operation, Shape, TensorType
from composit.origins import Origin
from composit.source import Source, find_source
from composit.view_lists import FEW_STEPS, add_view, join_last_steps, present_views, taken_views, views_lock

if TYPE_CHECKING:
    from composit.multidigraph import MultiDiGraph
    from composit.numpy.tensor.lazy_tensor import LazyTensor


class TensorHandle:
    """One output of one node. Hashes by identity, so tensors key dictionaries although `==` is elementwise."""

    __slots__ = (
        "__weakref__",
        "_base",
        "_before",
        "_early",
        "_has_moved",
        "_is_connected",
        "_lock",
        "_node",
        "_output_index",
        "_owner",
        "_stand_in",
        "_steps",
        "_type",
        "_via",
        "_views",
    )

    _node: Node
    _output_index: int
    _type: TensorType
    # The base of a view (never a view itself), and the operations from base to view; set together by `mark_view`.
    _base: TensorHandle | None
    _steps: tuple[Operation, ...]
    # The view from which this view was taken, if only the layout decides whether that one is a view; else unset.
    _via: TensorHandle
    # Whether numpy would share memory between a view and its base; set when a write first asks.
    _is_connected: bool
    # Of a base that `reinterpret` made and no user holds: the tensor that became a view of it.
    _owner: weakref.ref[TensorHandle]
    # The last node with a cached value, if writes have moved the tensor on since; else meaningless.
    _before: weakref.ref[Node]
    # Set when a write has moved the tensor on to another node.
    _has_moved: bool
    # Values that are known without running a program.
    _early: KnownNumber | Elements | None
    # An array with the memory layout of this tensor's value; set when the layout is first asked for.
    _stand_in: Array
    # The views of this tensor that point to a node of its present value. The list object never changes, so threads add to
    # it without a lock.
    _views: list[weakref.ref[TensorHandle]] | None
    # Held by the thread that writes to this tensor or a view of it; set by the first write (`write_lock`).
    _lock: WriteLock
    # Whether the node is a new one at each look, because the tensor shows memory that others write to.
    shows_memory = False

    def __init__(self, graph: MultiDiGraph | None, node: Node, output_index: int = 0) -> None:
        """Make a tensor of a node in a graph, rebuilding the nodes whose surroundings the graph changed.

        Raises:  KeyError: the node is not in the graph
        """
        if graph is not None:
            from composit.graph import node_in_graph

            node = node_in_graph(graph, node)
        _point(self, node, output_index)

    def __del__(self) -> None:
        """Count one tensor fewer at the node: cached values are kept for nodes with tensors."""
        try:
            early = self._early
            if early is not None:
                if isinstance(early, tuple):
                    draft = early[2]
                else:
                    draft = early.state if early.is_own else None
                if draft is not None:
                    draft.leave()
                    return
            node = _node_of(self)
        except AttributeError:
            # A write took the node of this view, or an error interrupted the making of the tensor.
            return
        count = node._num_handles = node._num_handles - 1
        if not count and (node._origin is not None or node._values):
            leave_alone(node)

    def __getattr__(self, name: str) -> Any:
        """Return the node of a tensor without one: a view whose base was written to, or a tensor with a draft."""
        if name == "_node":
            early = self._early
            if early is None:
                return _derive_again(self, find_source())
            if isinstance(early, tuple):
                return node_of_number(self, early)
            with write_lock(self):
                settle_elements(self, early)
            return self._node
        raise AttributeError(f"'composit.{type(self).__qualname__}' object has no attribute {name!r}")

    @property
    def node(self) -> Node:
        """The node this tensor points to now."""
        return self._node

    @property
    def output_index(self) -> int:
        """Which result of the node this tensor is."""
        return self._output_index

    @property
    def _known(self) -> KnownValue | None:
        """The value that an earlier read left, if it is still there."""
        return self._node._values.get(self._output_index)

    @property
    def type(self) -> TensorType:
        """Shape, dtype and whether numpy would give a scalar."""
        return self._type

    @property
    def shape(self) -> Shape:
        """The lengths of the axes; always known."""
        return self._type.shape

    @property
    def dtype(self) -> Dtype:
        """The dtype that numpy gives the value."""
        return self._type.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._type.shape)

    @property
    def rank(self) -> int:
        """The number of axes, as `ndim`."""
        return len(self._type.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._type.size

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return self._type.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self._type.num_bytes

    @property
    def name(self) -> str:
        """The label given by `with_name`, else the operation's name."""
        return self._node.name

    @property
    def graph(self) -> MultiDiGraph:
        """The tensor's ancestors and itself as an immutable, networkx-compatible MultiDiGraph.

        Node attributes: operation, shapes, dtypes. Edge attributes: source_output_index, sink_input_index.
        """
        from composit.graph import graph_of

        return graph_of(self._node)

    def __lazy_tensor__(self) -> TensorHandle:
        """The protocol by which functions of composit take foreign tensors: return the lazy tensor that stands for it."""
        return self

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        """The type and the operation; never evaluates. `composit/numpy/tensor/reads.py` shows values that are known."""
        shape, dtype = self._type.shape, self._type.dtype
        return f"<LazyTensor {self.name}: shape={shape}, dtype={dtype}>"


# Reads the slot: raises AttributeError for a view without a node, where `view._node` would derive the node again.
_node_of = TensorHandle.__dict__["_node"].__get__


def described(value: object) -> str:
    """Return the text for a value in errors: for tensors type and operation, since `repr` may compute their values."""
    if isinstance(value, TensorHandle):
        return TensorHandle.__repr__(value)
    if type(value) is list:
        return f"[{', '.join(map(described, value))}]"
    if type(value) is tuple:
        return f"({', '.join(map(described, value))}{',' if len(value) == 1 else ''})"
    if type(value) is dict:
        return f"{{{', '.join(f'{described(key)}: {described(part)}' for key, part in value.items())}}}"
    return repr(value)


def _point(handle: TensorHandle, node: Node, output_index: int) -> None:
    handle._node = node
    handle._output_index = output_index
    handle._type = node._types[output_index]
    handle._base = None
    handle._views = None
    handle._early = None
    node._num_handles += 1


def give_node(handle: TensorHandle, node: Node, output_index: int = 0) -> None:
    """Point a tensor at another node of its type.

    A tensor that is no view always has a node, since other threads may look at it. The caller holds its `write_lock`.
    """
    node._num_handles += 1
    try:
        before = _node_of(handle)
    except AttributeError:
        before = None
    handle._node, handle._output_index = node, output_index
    if isinstance(handle._early, Elements) and handle._early.is_own:
        handle._early.state.leave()
    handle._early = None
    if before is not None:
        _leave(before)


def _leave(node: Node) -> None:
    count = node._num_handles = node._num_handles - 1
    if not count:
        leave_alone(node)


def take_node(view: TensorHandle) -> None:
    """Take the node of a view; the view derives a new one when it is next looked at."""
    with views_lock:
        try:
            node = _node_of(view)
            del view._node
        except AttributeError:
            # An earlier write has taken it.
            return
        view._early = None
        _leave(node)


def mark_view(view: TensorHandle, base: TensorHandle, step: Operation | None = None) -> None:
    """Remember that numpy would share memory between the two, so that a write to either reaches the other.

    step: the operation from base to view, if it is not the operation of the view's own node
    """
    node = view._node
    made_by = node._operation if step is None else step
    if view is base or (base._type.is_scalar and not made_by.is_read_only):
        return
    root = base._base
    if root is None:
        root = base
        view._steps = (made_by,)
    else:
        followed = root_of(base)
        root = root if followed is None else followed
        view._steps = (*base._steps, made_by)
        if any(earlier.depends_on_layout for earlier in base._steps):
            view._via = base
        if len(view._steps) > FEW_STEPS:
            join_last_steps(view)
    view._base = root
    add_view(root, view)
    if step is None and base._node is not node._left and not root.shows_memory:
        # Another thread has written to the base since the view's node was made, and may have missed the view.
        take_node(view)


def write_lock(tensor: TensorHandle) -> WriteLock:
    """Return the lock that a thread holds while it writes to a tensor: one for all tensors that share memory.

    A write reads the tensor's node, makes the next one and points the tensor to it; no other thread may write in between.
    Reading takes no lock. A tensor that becomes a view of another base keeps its lock.
    """
    root = tensor if tensor._base is None else root_of(tensor)
    assert root is not None
    lock = _lock_of(root)
    if lock is None or lock.born != WriteLock.forks:
        with views_lock:
            lock = _lock_of(root)
            if lock is None or lock.born != WriteLock.forks:
                lock = root._lock = WriteLock()
    return lock


def _lock_of(root: TensorHandle) -> WriteLock | None:
    try:
        return root._lock
    except AttributeError:
        # Tensors are made without a lock, since most are never written to.
        return None


def root_of(view: TensorHandle) -> TensorHandle | None:
    """Return the base of a view, None for a tensor that is no view; after `reinterpret`, the base's own base."""
    root = view._base
    if root is not None and root._base is not None:
        # The view was made before its base became a view: its steps start at the base's own base.
        root = view._base = root._base
    return root


def reinterpret(tensor: TensorHandle, step: Operation, result: TensorHandle) -> None:
    """Apply a view operation to the tensor itself, as `x.shape = ...` does.

    A tensor that is no view becomes a view of a new base that nobody else holds, and its views become views of that base.

    result: the result of the view operation
    """
    root = root_of(tensor)
    if root is None:
        root = make_tensor(tensor._node, tensor._output_index)
        root._owner = weakref.ref(tensor)
        root._lock = write_lock(tensor)
        root._views, tensor._views = tensor._views, None
        for view in present_views(root):
            root_of(view)
            view._base = root if view._base is tensor else view._base
        tensor._base, tensor._steps = root, ()
    elif hasattr(tensor, "_is_connected"):
        del tensor._is_connected
    tensor._steps = (*tensor._steps, step)
    tensor._type = result._type
    give_node(tensor, result._node, result._output_index)
    add_view(root, tensor)


def become(tensor: TensorHandle, other: TensorHandle) -> None:
    """Make a tensor the same as another, with its type, as `x.resize(...)` does; it is no longer a view of its base."""
    tensor._lock = write_lock(tensor)
    tensor._type = other._type
    give_node(tensor, other._node, other._output_index)
    tensor._base = None
    tensor._views = None
    if hasattr(tensor, "_stand_in"):
        del tensor._stand_in


def _derive_again(view: TensorHandle, source: Source | None) -> Node:
    while True:
        root = root_of(view)
        assert root is not None, "only views lose their node"
        newest, index = root._node, root._output_index
        node = newest
        for step in [step.settled() for step in view._steps]:
            node, index = new_node(step, (node, index), step.result_types(node.types[index]), source), 0
        if root.shows_memory:
            view._output_index = 0
            return node
        with views_lock:
            give_node(view, node)
        add_view(root, view)
        if root._node is newest:
            return node
        # Another thread has written to the base meanwhile, and may have missed the view.
        take_node(view)


def move_on(root: TensorHandle, node: Node, output_index: int, settle: Callable[[TensorHandle], bool]) -> None:
    """Point a tensor that is no view at another node, as a write does; its views follow when next looked at.

    The caller holds the tensor's `write_lock`. Each view loses its node now and derives it again when looked at, so a write
    costs nothing for views that nobody reads before the next write.

    settle: returns whether numpy would share memory with a view; a view without shared memory is taken from the tensor
    """
    if root._views:
        # All views are settled before anything changes: settling computes, and may take other views from the tensor.
        for view in present_views(root):
            if view._base is root:
                settle(view)
    before = root._node
    if before._values:
        root._before = weakref.ref(before)
        remember_awaiting(before, root)
    root._has_moved = True
    # The node first: a view that another thread adds from now on is of the new node, or notices that it is not.
    # As `give_node`, without its test for a missing node: a write is measured.
    count = before._num_handles = before._num_handles - 1
    if not count and (before._origin is not None or before._values):
        leave_alone(before)
    node._num_handles += 1
    root._node = node
    root._output_index = output_index
    # The elements belong to the old node. Cleared after the node, since a thread that sets them then checks the node.
    root._early = None
    if root._views:
        take_views(root, settle)


def take_views(root: TensorHandle, settle: Callable[[TensorHandle], bool]) -> None:
    """Take the nodes of a written tensor's views; they derive new ones when next looked at."""
    for view in taken_views(root):
        if view._base is root and settle(view):
            take_node(view)


def cut_off(view: TensorHandle) -> None:
    """Make a view that turned out to be a copy an independent tensor; views taken from it become its views."""
    root = view._base
    assert root is not None
    view._lock = write_lock(root)
    view._base = None
    _move_views(view, present_views(root))


def _move_views(base: TensorHandle, others: list[TensorHandle]) -> None:
    """Make the views that were taken from `base` views of `base`, and likewise the views taken from those."""
    for other in others:
        if getattr(other, "_via", None) is base:
            node = other._node
            del other._via
            mark_view(other, base, other._steps[-1])
            give_node(other, node)
            _move_views(other, others)


# Bound here, where building is measured; filled when the hooks are set.
_classes = hooks.tensor_classes


def make_tensor(node: Node, output_index: int = 0) -> LazyTensor:
    """Return a new handle to one output of a node."""
    handle: LazyTensor = _new_handle(_classes[node._types[output_index].handle])
    handle._node = node
    handle._output_index = output_index
    handle._type = node._types[output_index]
    handle._base = None
    handle._views = None
    handle._early = None
    node._num_handles += 1
    return handle


def known_scalar(scalar_type: TensorType, number: Any, origin: Origin | Draft | None, draft: Draft) -> LazyTensor:
    """Return the handle of a scalar whose number is known and whose node is a draft."""
    handle: LazyTensor = _new_handle(_classes[scalar_type.handle])
    handle._output_index = 0
    handle._type = scalar_type
    handle._base = None
    handle._views = None
    handle._early = (number, origin, draft)
    return handle


_new_handle: Callable[..., Any] = object.__new__  # Any: a class that is registered, all of them LazyTensors


def new_tensor(
    operation: Operation, flat_operands: FlatOperands, types: tuple[TensorType, ...], source: Source | None
) -> LazyTensor:
    """Return the handle of a new node's only result: `make_tensor(Node(...))` in one step, where building is measured."""
    handle: LazyTensor = _new_handle(_classes[types[0].handle])
    node = handle._node = new_node(operation, flat_operands, types, source, None, 1)
    handle._output_index = 0
    handle._type = types[0]
    handle._base = None
    handle._views = None
    handle._early = None
    if eager.strict or node._errstate is not DEFAULT_ERRSTATE:
        compute_at_call(handle)
    return handle
