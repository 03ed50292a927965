"""Drafts: nodes that are made only when somebody asks for them.

Where numpy computes at once, as for elements of arrays whose values are known, most programs never look at the graph. A draft
records the operation and the operands at a third of a node's cost. Drafts refer to drafts as nodes do to nodes. A node that is
made of a draft gets its operands when they are first looked at, so a history of a million writes costs nothing where it ends
in a known number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from composit.errstates import current_errstate
from composit.kept_values import KnownValue, leave_alone
from composit.locks import fork_safe_lock
from composit.node import (
    Node,
    current_scope,
    inside_scope,
    keep_value,
    next_serial,
    node_to_unfold,
    outlives_handles,
    root_origin,
)
from composit.operation import Array, Operation, Shape, TensorType
from composit.origins import Origin
from composit.scalar_nodes import scalar_node
from composit.source import Source

if TYPE_CHECKING:
    from composit.handle import TensorHandle


class Draft:
    """A node to be: `operation` applied to one or two operands, each a node, a draft or a number.

    detail:      the operation, or its parameters (subclasses)
    types, source, serial, scope, errstate: as a node has them
    made:        the node, once somebody has asked for it
    num_handles: how many tensors point to the draft; once the node is made it counts them
    origin:      the origin that the node will have
    """

    __slots__ = (
        "detail",
        "errstate",
        "left",
        "left_index",
        "made",
        "num_handles",
        "origin",
        "right",
        "scope",
        "serial",
        "source",
        "types",
    )

    detail: Any  # Any: known to the class
    left: Any  # Any: Node, Draft or a number
    left_index: int
    right: Any  # Any: as left; None for one operand
    types: tuple[TensorType, ...]
    source: Source | None
    serial: int
    scope: str
    errstate: object
    made: Node | None
    num_handles: int
    origin: Origin | None

    def operation(self) -> Operation:
        """Return the operation of the node."""
        return self.detail  # type: ignore[no-any-return]  # of this class it is the operation

    def node(self) -> Node:
        """Return the node, made now if nobody has asked for it before."""
        return self.made or _make(self)

    def own_origin(self) -> Origin | None:
        """Return the origin that keeps reads of this value, None if nobody can replace the value."""
        node = self.made
        if node is not None:
            return root_origin(node)
        if self.origin is None and self.num_handles:
            self.origin = Origin()
        return self.origin

    @property
    def is_dead(self) -> bool:
        """Whether no tensor points to this value any more, so that nobody can replace it."""
        if self.made is None:
            return not self.num_handles
        return not self.made._num_handles and not outlives_handles(self.made)

    def alive(self) -> Origin | None:
        """Return the origin that keeps reads of dependent values: a draft stands for its origin until the first read."""
        return None if self.is_dead else self.own_origin()

    def leave(self) -> None:
        """Count one tensor fewer, and drop reads that depend on this value alone."""
        node = self.made
        if node is None:
            self.num_handles = 0
            if self.origin is not None:
                self.origin = self.origin.ended()
            return
        count = node._num_handles = node._num_handles - 1
        if not count and (node._origin is not None or node._values):
            leave_alone(node)


def new_draft(
    kind: type[Draft],
    detail: Any,
    left: Any,
    right: Any,
    types: tuple[TensorType, ...],
    source: Source | None,
    left_index: int = 0,
) -> Draft:
    """Return a draft for one tensor, which the caller points to it."""
    draft: Draft = _new(kind)
    draft.detail = detail
    draft.left = left
    draft.left_index = left_index
    draft.right = right
    draft.types = types
    draft.source = source
    draft.serial = next_serial()
    draft.scope = current_scope()
    draft.errstate = current_errstate()
    draft.made = None
    draft.num_handles = 1
    draft.origin = None
    return draft


_new = object.__new__
# Held while a node is made of a draft, else two threads could make two nodes of one draft.
_making = fork_safe_lock()


def _make(draft: Draft) -> Node:
    with _making:
        node = draft.made
        if node is None:
            node = node_to_unfold(
                draft.operation(), (draft.left, draft.left_index, draft.right), draft.types, draft.source
            )
            node._serial, node._scope, node._errstate = draft.serial, draft.scope, draft.errstate
            node._num_handles = draft.num_handles
            node._origin = draft.origin
            draft.made = node
            # The node holds the operands from now on.
            draft.left = draft.right = draft.detail = None
        return node


def unfold(node: Node) -> None:
    """Give a node that was made of a draft its operands; theirs are made later in the same way."""
    with _making, inside_scope(node._scope):
        unbuilt = node._unbuilt
        if unbuilt is not None:
            left, left_index, right = unbuilt
            node._left, node._left_index = _node_of(left), left_index
            node._right, node._right_index = None if right is None else _node_of(right), 0
            node._all = node._unbuilt = None
            node.__class__ = Node


def _node_of(operand: Any) -> Node:
    if isinstance(operand, Node):
        return operand
    return operand.node() if isinstance(operand, Draft) else scalar_node(operand)


# A known number, its origin, and the draft of its node until somebody asks for the node.
KnownNumber: TypeAlias = tuple[Any, Origin | Draft | None, Draft | None]


def node_of_number(scalar: TensorHandle, known: KnownNumber) -> Node:
    """Return the node of a scalar whose number is known, made now if the scalar has none."""
    number, origin, draft = known
    if draft is not None:
        node = draft.node()
        # With the value kept, nobody computes the number's operands again.
        keep_value(node, 0, KnownValue(number, origin))
        scalar._node = node
        scalar._early = (number, origin, None)
        return node
    return scalar.node


class Elements:
    """The elements of a tensor whose values are known, read and written one by one.

    array:   the values; None once the tensor has a node again
    state:   the draft of the last write; before the first write, a draft of the tensor's own node
    index:   the tensor's place among the results of that node
    shape:   the shape of the array
    types:   the type of one element
    origin:  the origin of the values
    here:    the origin of an element that is read now: `origin` joined with the tensor's own, for which `state` stands; None
             until the first read
    is_own:  whether elements were written since the tensor had a node: then `array` may be written to, and the tensor has no
             node until somebody asks for it
    """

    __slots__ = ("array", "here", "index", "is_own", "origin", "shape", "state", "types")

    def __init__(
        self, array: Array, node: Node, index: int, types: tuple[TensorType, ...], origin: Origin | None
    ) -> None:
        self.array: Array | None = array
        self.shape: Shape = array.shape
        # Elements refer to this draft and not to the node: `kept_values` counts the node's references to see who needs it.
        self.state = new_draft(Draft, None, None, None, node._types, None)
        self.state.made = node
        self.index = index
        self.types = types
        self.origin = origin
        self.here: Origin | Draft | None = None
        self.is_own = False


def settle_elements(tensor: TensorHandle, elements: Elements) -> None:
    """Give a node again to a tensor whose elements were written; the caller holds the tensor's lock."""
    array = elements.array
    if array is not None and tensor._early is elements:
        node = elements.state.node()
        array.flags.writeable = False
        keep_value(node, 0, KnownValue(array, elements.origin))
        tensor._node = node
        elements.array = tensor._early = None
