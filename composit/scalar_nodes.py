"""The nodes of numbers: a program repeats few of them (0.5, 1, 2, ...), and equal ones are one node."""

from __future__ import annotations

import numpy as np

from composit.node import Node, current_scope, new_node
from composit.operation import PythonScalar, Scalar, scalar_type

_scalar_nodes: dict[tuple[type, object, str], Node] = {}
MAX_SCALAR_NODES = 1024
# Equal scalars of these classes have the same bits, except zeros of floating dtypes.
_SAME_WHEN_EQUAL = frozenset((bool, int, float, np.bool, *(np.dtype(code).type for code in "bhilqBHILQefd")))


def scalar_node(value: PythonScalar | np.generic) -> Node:
    """Return the node of a scalar in the current name scope: the same one for an equal scalar of the same type."""
    kind = value.__class__
    if kind is not int and (kind not in _SAME_WHEN_EQUAL or (not value and kind is not bool)):
        # 0.0 == -0.0, but they are two values. Scalars of other classes are rare.
        return new_node(Scalar(value), (), (scalar_type(value),), None)
    key = (kind, value, current_scope())
    node = _scalar_nodes.get(key)
    if node is None:
        if len(_scalar_nodes) >= MAX_SCALAR_NODES:
            _scalar_nodes.clear()
        node = _scalar_nodes[key] = new_node(Scalar(value), (), (scalar_type(value),), None)
    return node
