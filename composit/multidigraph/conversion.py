"""Makes graphs from rows in bulk and from networkx's graphs, and networkx's graphs from ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from composit.multidigraph.draft import AttributeInput, Draft
from composit.multidigraph.frozen import frozen
from composit.multidigraph.graph import MultiDiGraph, made_graph
from composit.multidigraph.records import EMPTY, EdgeKey, EdgeRow, Node, Record, record_map

if TYPE_CHECKING:
    import networkx

InEdge: TypeAlias = tuple[Node, EdgeKey, AttributeInput]
InEdgeRow: TypeAlias = tuple[Node, AttributeInput, Iterable[InEdge]]


def graph_from_in_edges(rows: Iterable[InEdgeRow], **attributes: Any) -> MultiDiGraph:
    """The graph of rows (node, attributes, [(source, key, edge attributes), ...]), made in one pass.

    It builds `tensor.graph`. Rows must come in topological order, sources first; the graph iterates in this order.
    Attributes given as `FrozenDict` are not copied, so one can serve all edges with equal (source_output_index,
    sink_input_index).

    Raises:      GraphError: a source without an earlier row, a node or an edge given twice
    Example:
        >>> rows = [("x", {}, []), ("y", {"operation": "exp"}, [("x", 0, {"sink_input_index": 0})])]
        >>> graph = graph_from_in_edges(rows)
        >>> list(graph.edges(keys=True, data=True))
        [('x', 'y', 0, {'sink_input_index': 0})]
    """
    table: dict[Node, Record] = {}
    # The out-edges by id of their source, filled while later rows are read; ids avoid calling the node's hash.
    out_rows_of: dict[int, list[EdgeRow]] = {}
    num_edges = 0
    for node, node_attributes, in_edges in rows:
        in_row = tuple([(source, key, frozen(edge_attributes)) for source, key, edge_attributes in in_edges])
        if len(in_row) > 1:
            _check_keys(node, in_row)
        for source, key, edge_attributes in in_row:
            out_rows = out_rows_of.get(id(source))
            if out_rows is None:
                out_rows = _out_rows_of_equal(node, source, table)
            out_rows.append((node, key, edge_attributes))
        num_edges += len(in_row)
        place = len(table)
        own_out_rows: list[EdgeRow] = []
        out_rows_of[id(node)] = own_out_rows
        table[node] = Record(frozen(node_attributes), in_row, own_out_rows, place)
        if len(table) == place:
            raise _row_error(node, "an earlier row has the same node; give each node one row")
    return made_graph(MultiDiGraph, record_map(table, num_edges), attributes)


def from_networkx(graph: Any) -> MultiDiGraph:
    """An immutable copy of any networkx graph; an undirected edge becomes two, keys are kept.

    The values of attributes are shared, not copied.
    """
    draft = Draft(EMPTY)
    for node, attributes in graph.nodes(data=True):
        draft.add_node(node, dict(attributes))
    for source, neighbours in graph.adjacency():
        for sink, edges in neighbours.items():
            for key, attributes in edges.items() if graph.is_multigraph() else ((0, edges),):
                draft.add_edge(source, sink, key, dict(attributes))
    return made_graph(MultiDiGraph, draft.finished(), dict(graph.graph))


def to_networkx(graph: MultiDiGraph) -> networkx.MultiDiGraph:
    """A mutable copy as a networkx.MultiDiGraph; the values of attributes are shared."""
    from networkx import MultiDiGraph as MutableMultiDiGraph

    mutable = MutableMultiDiGraph(**graph.graph)
    mutable.add_nodes_from(graph.nodes(data=True))
    mutable.add_edges_from(graph.edges(keys=True, data=True))
    return mutable


def undirected(graph: MultiDiGraph, reciprocal: bool, as_view: bool) -> networkx.MultiGraph:
    """The result of networkx's `to_undirected`: a networkx.MultiGraph; the values of attributes are shared."""
    from networkx import MultiGraph
    from networkx.classes.graphviews import generic_graph_view

    if as_view:
        return generic_graph_view(graph, MultiGraph)
    mutable = MultiGraph(**graph.graph)
    mutable.add_nodes_from(graph.nodes(data=True))
    mutable.add_edges_from(
        (source, sink, key, attributes)
        for source, sink, key, attributes in graph.edges(keys=True, data=True)
        if not reciprocal or graph.has_edge(sink, source, key)
    )
    return mutable


def _check_keys(node: Node, in_row: Sequence[EdgeRow]) -> None:
    # Edges with different keys differ, whatever their sources. Keys are mostly positions, so this usually decides.
    if len({key for _, key, _ in in_row}) == len(in_row):
        return
    for edge, count in Counter((source, key) for source, key, _ in in_row).items():
        if count > 1:
            raise _row_error(node, f"the edge from {edge[0]!r} with key {edge[1]!r} comes twice; keys tell them apart")


def _out_rows_of_equal(node: Node, source: Node, table: Mapping[Node, Record]) -> list[EdgeRow]:
    """The list of out-edges of the earlier row whose node is equal to `source` but another object."""
    record = table.get(source)
    if record is None:
        raise _row_error(node, f"its source {source!r} has no earlier row; give rows sources first")
    assert isinstance(record._out, list)
    return record._out


def _row_error(node: Node, problem: str) -> Exception:
    from composit.multidigraph.failures import GraphError

    return GraphError(f"graph_from_in_edges: row of {node!r}: {problem}")
