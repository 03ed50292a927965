"""Tensors as rows that pickle without recursion, however deep their graph is.

The user's lines are left out: they hold code. May import handle, node, program, operation, guards, kept_values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from composit.guards import freeze
from composit.handle import TensorHandle, make_tensor
from composit.kept_values import KnownValue
from composit.node import Node, inside_scope, keep_value
from composit.operation import Operation, TensorType
from composit.program import ancestors_in_order


@dataclass(frozen=True, slots=True)
class _Row:
    """One node: its operands are positions of earlier rows with output indices.

    objects: the results that are arrays of objects, which may hold tensors; computed again they would hold their values
    """

    operation: Operation
    operands: tuple[tuple[int, int], ...]
    types: tuple[TensorType, ...]
    scope: str
    label: str | None
    objects: tuple[tuple[int, KnownValue], ...]


class Pickling(TensorHandle):
    """The method by which pickle takes a tensor apart."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        order = ancestors_in_order([self.node])
        positions = {id(node): position for position, node in enumerate(order)}
        rows = tuple(
            _Row(
                node.operation,
                tuple((positions[id(operand)], index) for operand, index in node.operands),
                node.types,
                node.scope,
                node.label,
                _objects_of(node),
            )
            for node in order
        )
        return rebuild, (rows, self.output_index)


def _objects_of(node: Node) -> tuple[tuple[int, KnownValue], ...]:
    if not node.operation.runs_at_call:
        return ()
    return tuple((index, known) for index, known in node._values.items() if node.types[index].dtype == object)


def rebuild(rows: Sequence[_Row], output_index: int) -> Any:  # Any: the tensor class, which derives from Pickling
    """Return the tensor of the last row."""
    nodes: list[Node] = []
    for row in rows:
        operands = tuple((nodes[position], index) for position, index in row.operands)
        with inside_scope(row.scope):
            nodes.append(Node(row.operation, operands, row.types, None, row.label))
        for index, known in row.objects:
            keep_value(nodes[-1], index, replace(known, value=freeze(known.value)))
    return make_tensor(nodes[-1], output_index)
