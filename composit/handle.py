"""`TensorHandle`: a tensor points at one output of a node, and moves on to another node when it is assigned to.

Lives here: the parts that need no operation. Operators and numpy's methods are added by `composit/numpy/tensor/lazy_tensor.py` in
`LazyTensor`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.drafts import Draft, Elements, KnownNumber, node_of_number, settle_elements
from composit.eager_results import compute_at_call, eager
from composit.errstates import DEFAULT_ERRSTATE
from composit.hooks import hooks
from composit.kept_values import KnownValue, leave_alone
from composit.node import FlatOperands, Node, kept_value, new_node, remember_awaiting
from composit.operation import Dtype, Operation, Shape, TensorType
from composit.origins import Origin
from composit.source import Source, find_source
from composit.storage import Storage, View, give_node, own_storage, storage_of, write_lock

if TYPE_CHECKING:
    from composit.multidigraph import MultiDiGraph
    from composit.numpy.tensor.lazy_tensor import LazyTensor


class TensorHandle:
    """One output of one node. Hashes by identity, so tensors key dictionaries although `==` is elementwise."""

    __slots__ = ("__weakref__", "_early", "_node", "_output_index", "_shared", "_type")

    # None if the node is yet to be made: for a view after a write to its base, for numbers and elements that are known
    # (`_early`), and for live memory. Code on measured paths reads `handle._node or handle.node`, other code
    # `handle.node`: the call of the property takes 50 ns of the 1400 of `x + y`.
    _node: Node | None
    _output_index: int
    _type: TensorType
    # Values that are known without running a program.
    _early: KnownNumber | Elements | None
    # How the tensor shares memory (`composit/storage.py`); None until somebody takes a view of it or writes to it.
    _shared: Storage | View | None

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
                if early.__class__ is tuple:
                    draft = early[2]
                else:
                    draft = early.state if early.is_own else None  # type: ignore[union-attr]  # not a tuple
                if draft is not None:
                    if draft.made is None and draft.origin is None:
                        # As `leave` does; most numbers are gone before anybody has looked at their nodes.
                        draft.num_handles = 0
                    else:
                        draft.leave()
                    return
            node = self._node
        except AttributeError:
            # An error interrupted the making of the tensor.
            return
        if node is None:
            # A write took the node of this view.
            return
        count = node._num_handles = node._num_handles - 1
        if not count and (node._origin is not None or node._values):
            leave_alone(node)

    if TYPE_CHECKING:
        # What LazyTensor adds. Only for mypy: with a real `__getattr__`, Python would look up all slots without its
        # cache, and `x + y` would take a quarter longer.
        def __getattr__(self, name: str) -> Any: ...

    @property
    def node(self) -> Node:
        """The node this tensor points to now."""
        return self._node or _make_node(self)

    @property
    def output_index(self) -> int:
        """Which result of the node this tensor is."""
        return self._output_index

    @property
    def _known(self) -> KnownValue | None:
        """The value that an earlier read left, if it is still there."""
        return kept_value(self.node, self._output_index)

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
        return self.node.name

    @property
    def graph(self) -> MultiDiGraph:
        """The tensor's ancestors and itself as an immutable, networkx-compatible MultiDiGraph.

        Node attributes: operation, shapes, dtypes. Edge attributes: source_output_index, sink_input_index.
        """
        from composit.graph import graph_of

        return graph_of(self.node)

    def _awaits(self, node: Node) -> bool:
        """Return whether a write moved the tensor on from this node with a cached value, and it has no value since."""
        storage = own_storage(self)
        if storage is None or storage.before is None or storage.before() is not node:
            return False
        return self._node is None or kept_value(self._node, self._output_index) is None

    def __lazy_tensor__(self) -> TensorHandle:
        """The protocol by which functions of composit take foreign tensors: return the lazy tensor that stands for it."""
        return self

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        """The type and the operation; never evaluates. `composit/numpy/tensor/reads.py` shows values that are known."""
        shape, dtype = self._type.shape, self._type.dtype
        return f"<LazyTensor {self.name}: shape={shape}, dtype={dtype}>"


def described(value: Any) -> str:  # Any: what a user gave
    """Return the text for a value in errors: for tensors type and operation, since `repr` may compute their values."""
    if isinstance(value, TensorHandle):
        return TensorHandle.__repr__(value)
    if type(value) is list:
        return f"[{', '.join(map(described, value))}]"
    if type(value) is tuple:
        return f"({', '.join(map(described, value))}{',' if len(value) == 1 else ''})"
    if type(value) is dict:
        return f"{{{', '.join(f'{described(key)}: {described(part)}' for key, part in value.items())}}}"
    if is_foreign_array(value):
        kind = type(value)
        return f"<{kind.__module__}.{kind.__qualname__}: shape={tuple(value.shape)}, dtype={value.dtype}>"
    return " ".join(repr(value).split())


def is_foreign_array(value: Any) -> bool:
    """Return whether the value is a tensor of another library: an array that offers its memory, but is none of numpy's or ours."""
    kind = type(value)
    return (
        hasattr(kind, "__dlpack__") and hasattr(kind, "__array__") and not issubclass(kind, np.ndarray | TensorHandle)
    )


def _point(handle: TensorHandle, node: Node, output_index: int) -> None:
    handle._node = node
    handle._output_index = output_index
    handle._type = node._types[output_index]
    handle._shared = None
    handle._early = None
    node._num_handles += 1


def _make_node(handle: TensorHandle) -> Node:
    """Return the node of a tensor without one: a view after a write, a tensor with a draft, or live memory."""
    while (node := handle._node) is None:
        early, shared = handle._early, handle._shared
        if isinstance(early, tuple):
            return node_of_number(handle, early)
        if early is not None:
            with write_lock(handle):
                settle_elements(handle, early)
        elif shared is not None and (made := shared.read(handle, find_source())) is not None:
            return made
        # Else another thread is just setting the node.
    return node


def reinterpret(tensor: TensorHandle, step: Operation, result: TensorHandle) -> None:
    """Apply a view operation to the tensor itself, as `x.shape = ...` does.

    A tensor that is no view becomes a view of a new base that nobody else holds, and its views become views of that
    base. The caller holds the tensor's `write_lock`.

    result: the result of the view operation
    """
    shared = tensor._shared
    if isinstance(shared, View):
        shared.take_step(step)
    else:
        storage = storage_of(tensor)
        root = make_tensor(tensor.node, tensor._output_index)
        root._shared = storage
        storage.owner = weakref.ref(tensor)
        if storage.before is not None and (before := storage.before()) is not None:
            remember_awaiting(before, root)
        # The tensor's views still name it as their base: `View.root` follows to the new one.
        tensor._shared = View(root, (step,))
    tensor._type = result._type
    give_node(tensor, result.node, result._output_index)
    storage_of(tensor).add(tensor)


def become(tensor: TensorHandle, other: TensorHandle) -> None:
    """Make a tensor the same as another, with its type, as `x.resize(...)` does; it is no longer a view of its base."""
    before = own_storage(tensor)
    storage = Storage(write_lock(tensor))
    storage.has_moved = before is not None and before.has_moved
    tensor._type = other._type
    give_node(tensor, other.node, other._output_index)
    tensor._shared = storage


# Bound here, where building is measured; filled when the hooks are set.
_classes = hooks.tensor_classes


def make_tensor(node: Node, output_index: int = 0) -> LazyTensor:
    """Return a new handle to one output of a node."""
    handle: LazyTensor = _new_handle(_classes[node._types[output_index].handle])
    handle._node = node
    handle._output_index = output_index
    handle._type = node._types[output_index]
    handle._shared = None
    handle._early = None
    node._num_handles += 1
    return handle


def known_scalar(scalar_type: TensorType, number: Any, origin: Origin | Draft | None, draft: Draft) -> LazyTensor:
    """Return the handle of a scalar whose number is known and whose node is a draft."""
    handle: LazyTensor = _new_handle(_classes[scalar_type.handle])
    handle._node = None
    handle._output_index = 0
    handle._type = scalar_type
    handle._shared = None
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
    handle._shared = None
    handle._early = None
    if eager.strict or node._errstate is not DEFAULT_ERRSTATE:
        compute_at_call(handle)
    return handle
