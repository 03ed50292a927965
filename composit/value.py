"""`Value`: one result of one node, and the rule that says when two are the same value.

A program, a read, a derivative or a plan that stores a result of a node stores a Value. Operands of a node are plain
pairs (node, index), which building makes thousands of; `identity_of(*operand)` is what compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from composit.node import Node

if TYPE_CHECKING:
    from composit.handle import TensorHandle

# Equal for two results exactly if they are one value; a number of this process, valid while the node lives.
Identity: TypeAlias = tuple[int, int]


def identity_of(node: Node, index: int) -> Identity:
    """Return the identity of one result of a node.

    Nodes are compared as objects: comparing them as expressions would compute a digest of each. A leaf is known by its
    operation, since a relabelled input is the same input.
    """
    is_leaf = node._left is None and node._all is None
    return (id(node._operation) if is_leaf else id(node), index)


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One result of one node. Two are equal if they are the same value, not if they are equal expressions."""

    node: Node
    index: int = 0

    @property
    def identity(self) -> Identity:
        """The key for tables: equal for equal values, and it keeps no node alive."""
        return identity_of(self.node, self.index)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)


def value_of(tensor: TensorHandle) -> Value:
    """Return the value that a tensor points to now."""
    return Value(tensor.node, tensor.output_index)
