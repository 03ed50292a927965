"""Nodes: one slotted immutable object for each use of an operation, with references to its operands.

Nodes share operands, so the graph is persistent at no cost. Two nodes are equal if they are the same expression, by key;
passes and evaluation compare with `is`.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from composit.errors import ParameterError
from composit.errstates import current_errstate
from composit.keys import Key, digest
from composit.locks import fork_safe_lock
from composit.operation import Input, Operation, TensorType
from composit.origins import PASSED, Origin
from composit.source import Source

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from composit.handle import TensorHandle
    from composit.kept_values import KnownValue
    from composit.multidigraph import MultiDiGraph

Operands: TypeAlias = tuple[tuple["Node", int], ...]
FlatOperands: TypeAlias = tuple["Node | int", ...]

_serials = itertools.count()
_scope: ContextVar[str] = ContextVar("composit_name_scope", default="")
# Returns the name scope that nodes made now belong to, parts joined by dots.
current_scope = _scope.get


# A serial later than that of every node made so far.
next_serial: Callable[[], int] = _serials.__next__


def _read_only(slot: str) -> Any:
    return property(attrgetter(slot), _refuse_to_change)


def _label_of(node: Node) -> str | None:
    """Return the name that a person has given; None for most nodes."""
    return None if node._extras is None else node._extras.label


def _refuse_to_change(node: Node, value: object) -> NoReturn:
    raise AttributeError(f"node: {node!r} cannot be given {value!r:.60}; nodes never change, build a new one")


class _Extras:
    """The parts that few nodes need. Each slot of a node costs time when the node is made and whenever the collector visits it.

    graph:      the node and its ancestors as a graph, once somebody has asked for it
    plan:       evaluation's own record of the prepared program, a cache
    awaited_by: weak references to tensors that were written to after the node's value was read
    """

    __slots__ = ("awaited_by", "graph", "label", "plan")

    def __init__(self, label: str | None = None) -> None:
        self.label = label
        self.graph: MultiDiGraph | None = None
        self.plan: object = None
        self.awaited_by: tuple[weakref.ref[TensorHandle], ...] = ()


# Held while a node gets its extras, else what one of two threads keeps there could be lost.
_making_extras = fork_safe_lock()


def _extras_of(node: Node) -> _Extras:
    with _making_extras:
        if node._extras is None:
            node._extras = _Extras()
        return node._extras


class Node:
    """An operation applied to operands `(node, output index)`; never changed after it is made.

    types:  one TensorType per result
    serial: order of creation in this process: operands are older than their readers, and a read of a value cannot have
            influenced nodes that are older than the read
    source: the user's line; scope and label: words for people; errstate: numpy's at the call. Not part of the identity

    Users read properties without setters; our own passes read the slots, which is faster. Up to two operands lie in slots
    of their own: a tuple for each node would double the work of Python's garbage collector, which visits all nodes again
    and again while a large graph is built.

    _left, _left_index, _right, _right_index: the operands, None where there are fewer than two
    _all:         node, output index, node, output index, ... where there are more than two, else None
    _num_handles: how many tensors point to the node now
    _unbuilt:     drafts of the operands, until somebody looks at the operands (`composit/drafts.py`)
    _origin:      keeps the reads of values that depend on this node (`composit/origins.py`)
    _extras:      what few nodes have, None for the others
    _values:      what reads left: the value itself if it is the first result's alone, which needs no dictionary; else by result
    """

    __slots__ = (
        "__weakref__",
        "_all",
        "_errstate",
        "_extras",
        "_key",
        "_left",
        "_left_index",
        "_num_handles",
        "_operation",
        "_origin",
        "_right",
        "_right_index",
        "_scope",
        "_serial",
        "_source",
        "_types",
        "_unbuilt",
        "_values",
    )

    _operation: Operation
    _left: Node | None
    _left_index: int
    _right: Node | None
    _right_index: int
    _all: FlatOperands | None
    _types: tuple[TensorType, ...]
    _serial: int
    _source: Source | None
    _scope: str
    _errstate: object
    _extras: _Extras | None
    _key: Key | None
    _num_handles: int
    _origin: Origin | None
    _values: KnownValue | dict[int, KnownValue] | None
    _unbuilt: Any  # Any: what a draft has for operands; unset for other nodes

    def __new__(
        cls,
        operation: Operation,
        operands: Operands,
        types: tuple[TensorType, ...],
        source: Source | None,
        label: str | None = None,
    ) -> Node:
        return new_node(operation, tuple(chain.from_iterable(operands)), types, source, label)

    operation: Operation = _read_only("_operation")
    types: tuple[TensorType, ...] = _read_only("_types")
    serial: int = _read_only("_serial")
    source: Source | None = _read_only("_source")
    scope: str = _read_only("_scope")
    label: str | None = property(_label_of, _refuse_to_change)  # type: ignore[assignment]
    errstate: object = _read_only("_errstate")

    @property
    def operands(self) -> Operands:
        """The values the operation is applied to, as pairs (node, output index)."""
        if self._all is not None:
            return tuple(zip(self._all[::2], self._all[1::2], strict=True))  # type: ignore[arg-type]  # they alternate
        if self._right is not None:
            return (self._left, self._left_index), (self._right, self._right_index)  # type: ignore[return-value]
        return () if self._left is None else ((self._left, self._left_index),)

    @property
    def name(self) -> str:
        """The label where there is one, else the operation's name."""
        label = self.label
        return self.operation.name if label is None else label

    def key(self) -> Key:
        """Return the identity of the expression, computed when first asked for and without recursion."""
        if self._key is None:
            _compute_keys(self)
        assert self._key is not None
        return self._key

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Node) and self.key() == other.key()

    def __hash__(self) -> int:
        return hash(self._key or self.key())

    def __repr__(self) -> str:
        types = ", ".join(map(str, self.types))
        return f"<{self.name}: {types}>"

    def __reduce__(self) -> tuple[Callable[..., Node], tuple[object, ...]]:
        return _rebuild, (self.operation, self.operands, self.types, self.scope, self.label)


def _rebuild(operation: Operation, operands: Operands, types: tuple[TensorType, ...], scope: str, label: str) -> Node:
    node = Node(operation, operands, types, None, label)
    node._scope = scope
    return node


def new_node(
    operation: Operation,
    flat_operands: FlatOperands,
    types: tuple[TensorType, ...],
    source: Source | None,
    label: str | None = None,
    num_handles: int = 0,
) -> Node:
    """Return a new node: `Node(...)` without the cost of a class call, and with the operands' pairs in one flat tuple.

    num_handles: how many tensors the caller will point to the node
    """
    node = _new(Node)
    node._operation = operation
    node._all = None
    count = len(flat_operands)
    if count == 4:
        node._left, node._left_index, node._right, node._right_index = flat_operands  # type: ignore[assignment]
    elif count == 2:
        node._left, node._left_index = flat_operands  # type: ignore[assignment]  # nodes and indices alternate
        node._right = None
    else:
        node._left = node._right = None
        if count:
            node._all = flat_operands
    node._types = types
    node._source = source
    node._serial = next(_serials)
    node._scope = current_scope()
    node._errstate = current_errstate()
    node._key = None
    node._num_handles = num_handles
    node._origin = None
    node._extras = None if label is None else _Extras(label)
    node._values = None
    return node


_new = object.__new__
_OPERAND_SLOTS = ("_left", "_left_index", "_right", "_right_index", "_all")


class FoldedNode(Node):
    """A node that was made of a draft and whose operands nobody has looked at; `unfold` makes a plain node of it.

    A class of its own: Python reads the slots of a class with `__getattr__` half as fast.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:  # Any: as the slots
        """Return an operand, made now."""
        if name in _OPERAND_SLOTS:
            from composit.drafts import unfold

            unfold(self)
            return object.__getattribute__(self, name)
        raise AttributeError(f"'Node' object has no attribute {name!r}")


def node_to_unfold(
    operation: Operation, unbuilt: tuple[Any, int, Any], types: tuple[TensorType, ...], source: Source | None
) -> Node:
    """Return a new node whose operands are made of drafts when first looked at."""
    node = new_node(operation, (), types, source)
    del node._left, node._right, node._all
    node._unbuilt = unbuilt
    node.__class__ = FoldedNode
    return node


def outlives_handles(node: Node) -> bool:
    """Return whether other values can be given for a leaf to which no tensor points."""
    return isinstance(node._operation, Input) and node._operation.outlives_handles


def root_origin(node: Node) -> Origin | None:
    """Return the origin of a node with a tensor; None if a read depended on the node while it had none."""
    origin = node._origin
    if origin is None:
        origin = node._origin = Origin()
        origin.is_permanent = outlives_handles(node)
    return None if origin is PASSED else origin


def plan_of(node: Node) -> object:
    """Return what evaluation keeps with the node, None at first."""
    return None if node._extras is None else node._extras.plan


def set_plan(node: Node, plan: object) -> None:
    """Keep evaluation's prepared program with the node it computes."""
    _extras_of(node).plan = plan


def known_graph(node: Node) -> MultiDiGraph | None:
    """Return the graph that was kept with its last node; None at first."""
    return None if node._extras is None else node._extras.graph


def set_graph(node: Node, graph: MultiDiGraph) -> None:
    """Keep the graph with its last node. Node and graph refer to each other; the garbage collector frees them together."""
    _extras_of(node).graph = graph


def keep_value(node: Node, index: int, known: KnownValue) -> None:
    """Keep a value that was read with the node it belongs to; `composit/guards.py` decides for how long."""
    values = node._values
    if not index and (values is None or not isinstance(values, dict)):
        node._values = known
    else:
        node._values = {**_by_result(values), index: known}


def _by_result(values: KnownValue | dict[int, KnownValue] | None) -> dict[int, KnownValue]:
    if values is None:
        return {}
    return values if isinstance(values, dict) else {0: values}


def kept_value(node: Node, index: int) -> KnownValue | None:
    """Return the value of one result that a read left, None if there is none."""
    values = node._values
    if values.__class__ is dict:
        return values.get(index)
    return None if index else values  # type: ignore[return-value]  # no dictionary here


def kept_values(node: Node) -> Collection[KnownValue]:
    """Return the values of all results that reads left."""
    values = node._values
    if values is None:
        return ()
    return values.values() if isinstance(values, dict) else (values,)


def drop_values(node: Node) -> None:
    """Forget the values that reads left."""
    node._values = None


def remember_awaiting(node: Node, handle: TensorHandle) -> None:
    """Remember a tensor that was written to after its value at this node was read: its next value may be computed from that."""
    extras = _extras_of(node)
    # By identity, since == of tensors would build a node.
    others = [each for each in extras.awaited_by if each() is not None and each() is not handle]
    extras.awaited_by = (*others, weakref.ref(handle))


def is_awaited(node: Node) -> bool:
    """Return whether a tensor that was written to after pointing here has no value of its own yet."""
    if node._extras is None:
        return False
    for reference in node._extras.awaited_by:
        handle = reference()
        if handle is not None and handle._awaits(node):
            return True
    return False


def _compute_keys(root: Node) -> None:
    # Thousands of nodes share one elementwise operation, so the key of each operation is computed once.
    operation_keys: dict[int, Key] = {}
    stack = [root]
    while stack:
        node = stack[-1]
        waiting = [operand for operand, _ in node.operands if operand._key is None]
        if waiting:
            stack.extend(waiting)
            continue
        stack.pop()
        if node._key is None:
            node._key = _key_of(node, operation_keys)


def _key_of(node: Node, operation_keys: dict[int, Key]) -> Key:
    operation_key = operation_keys.get(id(node.operation))
    if operation_key is None:
        operation_key = operation_keys[id(node.operation)] = node.operation.key()
    parts = [operation_key]
    for operand, index in node.operands:
        parts.append(operand.key())
        parts.append(index.to_bytes(2, "little"))
    return digest(*parts)


def relabelled(node: Node, label: str) -> Node:
    """Return the same expression under another label; the operation object, and so a leaf's identity, is shared."""
    copy = Node(node.operation, node.operands, node.types, node.source, label)
    copy._scope = node._scope
    copy._errstate = node._errstate
    # The serial of the original, so that readers of either are younger than both.
    copy._serial = node._serial
    if node._operation.runs_at_call:
        # The operation ran once, at the call; every node of it keeps the results for good.
        copy._values = node._values
    if node._left is None and node._all is None:
        # Both nodes are the same leaf: replacing one replaces the other.
        if node._origin is None:
            node._origin = Origin()
            node._origin.is_permanent = True
        copy._origin = node._origin
    return copy


def check_label(asked: str, name: object) -> None:
    """Raise unless a label for people is a string."""
    if not isinstance(name, str):
        raise ParameterError(
            f"{asked}: got the name {name!r:.40} of type {type(name).__name__}; expected a string; write str(...) of it"
        )


@contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Put the nodes that are built inside under a name: pictures fold by it and errors show it.

    Scopes nest: `encoder` inside `bert` is `bert.encoder`. A scope is a label and no part of a node's identity.

    Example:
        >>> with name_scope("encoder"):
        ...     current_scope()
        'encoder'

    Raises:  ParameterError: the name is no string
    """
    check_label("name_scope", name)
    outer = _scope.get()
    token = _scope.set(f"{outer}.{name}" if outer else name)
    try:
        yield
    finally:
        _scope.reset(token)


@contextmanager
def inside_scope(path: str) -> Iterator[None]:
    """Put the nodes that are built inside into a scope given by its whole path, whatever the current scope."""
    token = _scope.set(path)
    try:
        yield
    finally:
        _scope.reset(token)
