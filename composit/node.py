"""Nodes: one slotted immutable object per application of an operation, pointing at its operands.

Sharing operands is what makes the graph persistent for free. Equality is equality of expressions, by key; passes and
evaluation compare with `is`. May import errors, keys, operation, source.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from composit.errors import ParameterError
from composit.errstates import current_errstate
from composit.keys import Key, digest
from composit.operation import Operation, TensorType
from composit.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composit.handle import TensorHandle
    from composit.kept_values import KnownValue
    from composit.multidigraph import MultiDiGraph

Operands: TypeAlias = tuple[tuple["Node", int], ...]
FlatOperands: TypeAlias = tuple["Node | int", ...]
_Reference: TypeAlias = "weakref.ref[TensorHandle]"

_serials = itertools.count()
_NO_VALUES: dict[int, KnownValue] = {}
_scope: ContextVar[str] = ContextVar("composit_name_scope", default="")
_current_scope = _scope.get


def newest_serial() -> int:
    """Return a serial later than every node made so far."""
    return next(_serials)


class _Draft:
    """A node while it is being made: its slots are set as plain attributes, then its class becomes Node.

    Setting ten slots around a `__setattr__` that refuses costs 400 ns, this way 100. What a node holds is few objects:
    the garbage collector's work on all of them is most of the cost of building 100,000 nodes.

    _flat_operands: node, output index, node, output index, ...
    _references:    a weak reference to the one handle, as nearly all nodes have it, or several
    """

    __slots__ = (
        "__weakref__",
        "_flat_operands",
        "_graph",
        "_key",
        "_plan",
        "_references",
        "_values",
        "errstate",
        "label",
        "operation",
        "scope",
        "serial",
        "source",
        "types",
    )

    operation: Operation
    _flat_operands: FlatOperands
    types: tuple[TensorType, ...]
    serial: int
    source: Source | None
    scope: str
    label: str | None
    errstate: object
    _key: Key | None
    _references: _Reference | tuple[_Reference, ...]
    _graph: MultiDiGraph | None
    _values: dict[int, KnownValue]
    _plan: Any  # Any: evaluation's own record of the prepared program, a cache


class Node(_Draft):
    """An operation applied to operands `(node, output index)`; never changed after it is made.

    types:  one TensorType per result
    serial: order of creation in this process (a read of a value cannot have steered what was built before it)
    source: the user's line; scope and label: words for people; errstate: numpy's there; no part of the identity
    """

    __slots__ = ()

    def __new__(
        cls,
        operation: Operation,
        operands: Operands,
        types: tuple[TensorType, ...],
        source: Source | None,
        label: str | None = None,
    ) -> Node:
        return new_node(operation, tuple(chain.from_iterable(operands)), types, source, label)

    def __setattr__(self, attribute: str, value: object) -> None:
        raise AttributeError(f"node: {attribute} cannot be set to {value!r:.60}; nodes never change, build a new one")

    __delattr__ = None  # type: ignore[assignment]  # deleting an attribute is a TypeError

    @property
    def operands(self) -> Operands:
        """The values the operation is applied to, as pairs (node, output index)."""
        flat = self._flat_operands
        if len(flat) == 4:
            return (flat[0], flat[1]), (flat[2], flat[3])  # type: ignore[return-value]  # nodes and indices alternate
        return tuple(zip(flat[::2], flat[1::2], strict=True))  # type: ignore[arg-type]  # as above

    @property
    def _handles(self) -> tuple[_Reference, ...]:
        references = self._references
        return references if isinstance(references, tuple) else (references,)

    @property
    def name(self) -> str:
        """The label where there is one, else the operation's name."""
        return self.label if self.label is not None else self.operation.name

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
    _set_scope(node, scope)
    return node


def new_node(
    operation: Operation,
    flat_operands: FlatOperands,
    types: tuple[TensorType, ...],
    source: Source | None,
    label: str | None = None,
    references: _Reference | tuple[_Reference, ...] = (),
) -> Node:
    """Return a new node; what `Node(...)` does, without a class call's overhead, with the operands' pairs in one row."""
    node = _Draft()
    node.operation = operation
    node._flat_operands = flat_operands
    node.types = types
    node.source = source
    node.serial = next(_serials)
    node.scope = _current_scope()
    node.label = label
    node.errstate = current_errstate()
    node._key = None
    node._references = references
    node._graph = None
    node._values = _NO_VALUES
    node._plan = None
    node.__class__ = Node
    return node  # type: ignore[return-value]  # its class has just become Node


# The slots' own setters pass by __setattr__, for the few that are caches or are known only later.
_set_scope = _Draft.__dict__["scope"].__set__
_set_errstate = _Draft.__dict__["errstate"].__set__
_set_key = _Draft.__dict__["_key"].__set__
_set_references = _Draft.__dict__["_references"].__set__
_set_graph = _Draft.__dict__["_graph"].__set__
_set_values = _Draft.__dict__["_values"].__set__
_set_plan = _Draft.__dict__["_plan"].__set__


def set_plan(node: Node, plan: object) -> None:
    """Keep evaluation's prepared program with the node it computes."""
    _set_plan(node, plan)


def keep_value(node: Node, index: int, known: KnownValue) -> None:
    """Keep a value that was read with the node it belongs to; `composit/guards.py` decides for how long."""
    _set_values(node, {**node._values, index: known})


def drop_values(node: Node) -> None:
    """Forget the values that reads left."""
    _set_values(node, _NO_VALUES)


def set_graph(node: Node, graph: MultiDiGraph) -> None:
    """Keep the graph with the node it ends in; the two refer to each other, which the garbage collector resolves."""
    _set_graph(node, graph)


def attach_handle(node: Node, handle: TensorHandle) -> None:
    """Remember, weakly, that the handle points to the node: forced reads keep values only for such nodes."""
    alive = [reference for reference in node._handles if reference() is not None]
    _set_references(node, (*alive, weakref.ref(handle)) if alive else weakref.ref(handle))


def live_handles(node: Node) -> Iterator[TensorHandle]:
    """Yield the handles that point to the node now."""
    for reference in node._handles:
        handle = reference()
        if handle is not None and _has_node(handle, node):
            yield handle


def is_awaited(node: Node) -> bool:
    """Return whether a handle that pointed to the node, and wants its value to go on from, has none of its own yet."""
    for reference in node._handles:
        handle = reference()
        before = None if handle is None else getattr(handle, "_before", None)
        if before is not None and before() is node and handle is not None and not _has_value(handle):
            return True
    return False


def _has_value(handle: TensorHandle) -> bool:
    try:
        now = object.__getattribute__(handle, "_node")
    except AttributeError:
        return False
    return handle._output_index in now._values


def _has_node(handle: TensorHandle, node: Node) -> bool:
    try:
        return object.__getattribute__(handle, "_node") is node
    except AttributeError:
        # A view that lost its node by a write to its base: asking the handle itself would derive it again.
        return False


def _compute_keys(root: Node) -> None:
    # An elementwise operation is one object in thousands of nodes: its own key is computed once.
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
            _set_key(node, _key_of(node, operation_keys))


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
    _set_scope(copy, node.scope)
    _set_errstate(copy, node.errstate)
    if node.operation.runs_at_call:
        # It has run, once; what came out is kept with its nodes for good.
        _set_values(copy, node._values)
    return copy


def current_scope() -> str:
    """Return the name scope that nodes made now belong to, parts joined by dots."""
    return _scope.get()


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
    """Put the nodes that are built inside into a scope given by its whole path, wherever the caller stands."""
    token = _scope.set(path)
    try:
        yield
    finally:
        _scope.reset(token)
