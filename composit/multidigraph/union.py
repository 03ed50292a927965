"""Unions of graphs: compose_all and merge_graphs, linear in the total size of the graphs."""

from collections.abc import Iterable
from typing import Any

from composit.multidigraph.draft import Draft
from composit.multidigraph.graph import MultiDiGraph, made_graph
from composit.multidigraph.records import Node, Record


def compose_all(*graphs: Any) -> MultiDiGraph:
    """The union of the graphs, given one by one or, as in networkx, as one iterable; the last one's attributes win.

    Raises:      ValueError (as networkx): no graph
    """
    return _union("compose_all", graphs, must_agree=False)


def merge_graphs(*graphs: Any) -> MultiDiGraph:
    """The union of graphs that agree: common nodes and edges must have the same attributes.

    Raises:      GraphError: the attributes of a common node or edge differ
                 ValueError: no graph
    """
    return _union("merge_graphs", graphs, must_agree=True)


def _union(function: str, graphs: tuple[Any, ...], must_agree: bool) -> MultiDiGraph:
    members = _members(function, graphs)
    first = members[0]
    draft = Draft(first._record_map)
    attributes = dict(first.graph)
    for graph in members[1:]:
        attributes.update(graph.graph)
        own = first._record_map.records
        # A record that both graphs share adds nothing.
        rows = [(node, record) for node, record in graph._record_map.table.items() if own.get(node) is not record]
        if must_agree:
            _check_agreement(draft, rows)
        _add_rows(draft, rows)
    return made_graph(type(first), draft.finished(), attributes)


def _members(function: str, graphs: tuple[Any, ...]) -> tuple[MultiDiGraph, ...]:
    from composit.multidigraph.conversion import from_networkx

    if len(graphs) == 1 and not hasattr(graphs[0], "adjacency"):
        graphs = tuple(graphs[0])
    if not graphs:
        raise ValueError(f"{function}: no graph was given; give at least one")
    return tuple(graph if isinstance(graph, MultiDiGraph) else from_networkx(graph) for graph in graphs)


def _add_rows(draft: Draft, rows: Iterable[tuple[Node, Record]]) -> None:
    for node, record in rows:
        draft.add_node(node, record.attributes)
    for source, record in rows:
        for sink, edges in record.out_edges.items():
            for key, attributes in edges.items():
                draft.add_edge(source, sink, key, attributes)


def _check_agreement(draft: Draft, rows: Iterable[tuple[Node, Record]]) -> None:
    for node, record in rows:
        if not draft.has_node(node):
            continue
        known = draft.attributes_of(node)
        if known != record.attributes:
            raise _disagreement(f"node {node!r}", known, record.attributes)
        for sink, edges in record.out_edges.items():
            known_edges = draft.keys_between(node, sink)
            for key, attributes in edges.items():
                if known_edges.get(key, attributes) != attributes:
                    raise _disagreement(f"edge {(node, sink, key)!r}", known_edges[key], attributes)


def _disagreement(what: str, first: Any, second: Any) -> Exception:
    from composit.multidigraph.failures import GraphError

    return GraphError(
        f"merge_graphs: {what} has the attributes {first!r} in one graph and {second!r} in another; merged graphs "
        "agree on what they share, compose_all takes the last one's"
    )
