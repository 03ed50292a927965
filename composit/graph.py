"""Converts a tensor's ancestors to a persistent MultiDiGraph, and a rewritten graph back to a tensor."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from composit.errors import ShapeError
from composit.handle import described
from composit.node import Node, Operands, known_graph, set_graph
from composit.operation import Operation, TensorType
from composit.program import ancestors_in_order

if TYPE_CHECKING:
    from composit.multidigraph import MultiDiGraph
    from composit.multidigraph.frozen import FrozenDict


def graph_of(node: Node) -> MultiDiGraph:
    """Return the node and its ancestors as a MultiDiGraph, sources first; equal expressions are one node of it.

    The graph is built in bulk when first asked for, digests included, and kept with the node.
    """
    known = known_graph(node)
    if known is not None:
        return known
    from composit.multidigraph import graph_from_in_edges

    with _paused_collection():
        graph = graph_from_in_edges(_rows(node))
    set_graph(node, graph)
    return graph


@contextmanager
def _paused_collection() -> Iterator[None]:
    # Making thousands of small dicts would start the collector again and again, which takes half of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _rows(node: Node) -> Iterator[tuple[Node, FrozenDict[Any, Any], list[tuple[Node, int, FrozenDict[Any, Any]]]]]:
    unique: dict[Node, Node] = {}
    # Most nodes share operation and types with others, and then share one attribute record.
    attributes: dict[tuple[int, tuple[TensorType, ...]], FrozenDict[Any, Any]] = {}
    for current in ancestors_in_order([node]):
        if unique.setdefault(current, current) is not current:
            continue
        row = (id(current.operation), current.types)
        if row not in attributes:
            attributes[row] = _attributes(current)
        yield current, attributes[row], [_edge_into(unique, operand, i) for i, operand in enumerate(current.operands)]


def _attributes(node: Node) -> FrozenDict[Any, Any]:  # Any: attribute values are of several kinds
    from composit.multidigraph.frozen import FrozenDict

    types = node.types
    return FrozenDict(
        {
            "operation": node.operation,
            "shapes": tuple(value_type.shape for value_type in types),
            "dtypes": tuple(value_type.dtype for value_type in types),
        }
    )


def _edge_into(
    unique: dict[Node, Node], operand: tuple[Node, int], sink: int
) -> tuple[Node, int, FrozenDict[Any, Any]]:
    node, source = operand
    # The operand's position is the key, so `x + x` has two parallel edges with different keys.
    return unique[node], sink, _edge_attributes(source, sink)


@cache
def _edge_attributes(source: int, sink: int) -> FrozenDict[Any, Any]:
    from composit.multidigraph.frozen import FrozenDict

    return FrozenDict({"source_output_index": source, "sink_input_index": sink})


def node_in_graph(graph: MultiDiGraph, label: Any) -> Node:  # Any: a graph's nodes may be anything hashable
    """Return composit's node for a node of a graph, which may have been rewritten.

    A node whose operation and operands are unchanged is kept, with its subtree; the others are made anew. A graph whose
    nodes are not composit's needs the attribute `operation`.

    Raises:  KeyError: the node is not in the graph; ShapeError: an edge misses its attributes or an operand
    """
    from composit.multidigraph import topological_traversal

    if label not in graph:
        raise KeyError(f"tensor: {described(label):.80} is not a node of the graph, which has {len(graph)} nodes")
    built: dict[Any, Node] = {}
    needed = _ancestors(graph, label)
    for current in topological_traversal(graph):
        if current in needed:
            built[current] = _rebuilt(graph, current, _operands(graph, current, built))
    return built[label]


def _ancestors(graph: MultiDiGraph, label: Any) -> set[Any]:
    seen = {label}
    stack = [label]
    while stack:
        for source in graph.predecessors(stack.pop()):
            if source not in seen:
                seen.add(source)
                stack.append(source)
    return seen


def _operands(graph: MultiDiGraph, label: Any, built: dict[Any, Node]) -> Operands:
    by_position: dict[int, tuple[Node, int]] = {}
    for source, _, data in graph.in_edges(label, data=True):
        by_position[data["sink_input_index"]] = (built[source], data["source_output_index"])
    if sorted(by_position) != list(range(graph.in_degree(label))):
        raise ShapeError(
            f"tensor: the edges into {described(label):.80} have the operand positions {sorted(by_position)}; expected 0 to "
            f"{graph.in_degree(label) - 1}, each once, in the edge attribute sink_input_index"
        )
    return tuple(by_position[position] for position in range(len(by_position)))


def _rebuilt(graph: MultiDiGraph, label: Any, operands: Operands) -> Node:
    operation: Operation = graph.nodes[label]["operation"]
    if isinstance(label, Node) and label.operation is operation and _same(label.operands, operands):
        return label
    types = operation.result_types(*(node.types[index] for node, index in operands))
    source = label.source if isinstance(label, Node) else None
    return Node(operation, operands, types, source, label.label if isinstance(label, Node) else None)


def _same(before: Operands, now: Operands) -> bool:
    # Operands are compared as expressions: the graph holds one node for equal expressions.
    return len(before) == len(now) and all(a[1] == b[1] and a[0] == b[0] for a, b in zip(before, now, strict=True))
