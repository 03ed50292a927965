"""The immutable MultiDiGraph: networkx's interface, in which each change returns a new graph.

The old and the new graph share all records that the change did not touch. This file has networkx's arguments and
errors; `draft` makes the changes. networkx's algorithms run on this class: `G.__class__` is networkx's class, so that
an algorithm that fills an empty graph `G.__class__()` gets a mutable one; see `callers` for those that copy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from composit.multidigraph.callers import is_of_networkx
from composit.multidigraph.draft import AttributeInput, Draft
from composit.multidigraph.edge_forms import node_of_form, parts_of_edge, removed_edge
from composit.multidigraph.frozen import FrozenDict
from composit.multidigraph.pickling import record_map_of_state, state_of
from composit.multidigraph.reading import ReadableGraph
from composit.multidigraph.records import EMPTY, EdgeKey, Node, Record, RecordMap, record_map

if TYPE_CHECKING:
    import networkx


class MultiDiGraph(ReadableGraph):
    """An immutable directed graph with parallel edges, in networkx's interface.

    Example:
        >>> empty = MultiDiGraph()
        >>> graph = empty.add_edge("x", "y", shape=(2, 3))
        >>> list(graph.edges(data=True)), len(empty)
        ([('x', 'y', {'shape': (2, 3)})], 0)

    Reference: https://networkx.org/documentation/stable/reference/classes/multidigraph.html
    """

    __slots__ = ()

    def __init__(self, incoming_graph_data: Any = None, multigraph_input: bool | None = None, **attr: Any) -> None:
        """A graph of edges, a graph, a dict of dicts, or whatever else networkx takes; `attr` are its attributes."""
        if incoming_graph_data is None:
            self._set(EMPTY, FrozenDict(attr))
            return
        if not isinstance(incoming_graph_data, MultiDiGraph):
            incoming_graph_data = _read_by_networkx(incoming_graph_data, multigraph_input)
        self._set(incoming_graph_data._record_map, FrozenDict({**incoming_graph_data.graph, **attr}))

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """networkx.MultiDiGraph if networkx is loaded, so that isinstance accepts the graph; type(graph) is ours."""
        networkx = sys.modules.get("networkx")
        return type(self) if networkx is None else getattr(networkx, "MultiDiGraph", type(self))

    # Adding

    def add_node(self, node_for_adding: Node, **attr: Any) -> MultiDiGraph:
        """A graph with the node; the attributes of an existing node are updated."""
        draft = self._draft("add_node")
        draft.add_node(node_for_adding, attr)
        return self._finished(draft)

    def add_nodes_from(self, nodes_for_adding: Iterable[Any], **attr: Any) -> MultiDiGraph:
        """A graph with the nodes, each given as a node or as (node, attributes); `attr` for all of them."""
        draft = self._draft("add_nodes_from")
        for form in nodes_for_adding:
            node, attributes = node_of_form(form)
            draft.add_node(node, {**attr, **attributes})
        return self._finished(draft)

    def add_edge(self, u_for_edge: Node, v_for_edge: Node, key: EdgeKey | None = None, **attr: Any) -> MultiDiGraph:
        """A graph with an edge from u to v under `key`, or under the key `new_edge_key(u, v)`."""
        draft = self._draft("add_edge")
        draft.add_edge(u_for_edge, v_for_edge, key, attr)
        return self._finished(draft)

    def add_edges_from(self, ebunch_to_add: Iterable[Any], **attr: Any) -> MultiDiGraph:
        """A graph with the edges, each (u, v), (u, v, attributes), (u, v, key) or (u, v, key, attributes)."""
        draft = self._draft("add_edges_from")
        for form in ebunch_to_add:
            source, sink, key, attributes = parts_of_edge(form)
            draft.add_edge(source, sink, key, {**attr, **attributes})
        return self._finished(draft)

    def add_weighted_edges_from(
        self, ebunch_to_add: Iterable[Any], weight: str = "weight", **attr: Any
    ) -> MultiDiGraph:
        """A graph with the edges (u, v, w), the w kept as the attribute `weight`."""
        draft = self._draft("add_weighted_edges_from")
        for source, sink, value in ebunch_to_add:
            draft.add_edge(source, sink, None, {**attr, weight: value})
        return self._finished(draft)

    def update(self, edges: Any = None, nodes: Iterable[Any] | None = None) -> MultiDiGraph:
        """A graph with the edges, the nodes, or the edges, nodes and attributes of a graph given as `edges`."""
        draft = self._draft("update")
        attributes = self._attributes
        if edges is None and nodes is None:
            raise _graph_error("update: neither edges nor nodes were given; give one of them or both")
        if nodes is None and hasattr(edges, "nodes") and hasattr(edges, "edges"):  # networkx's own test for a graph
            nodes, attributes = edges.nodes.data(), FrozenDict({**attributes, **edges.graph})
            edges = edges.edges.data()
        for form in nodes or ():
            draft.add_node(*node_of_form(form))
        for form in edges or ():
            draft.add_edge(*parts_of_edge(form))
        return self._made(draft.finished(), attributes)

    def with_attributes(self, **attr: Any) -> MultiDiGraph:
        """A graph whose own attributes are updated by `attr` (networkx: G.graph.update)."""
        return self._made(self._record_map, FrozenDict({**self._attributes, **attr}))

    # Removing

    def remove_node(self, n: Node) -> MultiDiGraph:
        """A graph without the node and its edges.

        Raises:      GraphError (networkx's NetworkXError): there is no such node
        """
        draft = self._draft("remove_node")
        if not self.has_node(n):
            raise _graph_error(
                f"remove_node: {n!r} is not a node of the {self}; remove_nodes_from([n]) ignores what is missing"
            )
        draft.remove_node(n)
        return self._finished(draft)

    def remove_nodes_from(self, nodes: Iterable[Node]) -> MultiDiGraph:
        """A graph without these nodes; missing ones are ignored."""
        draft = self._draft("remove_nodes_from")
        for node in nodes:
            if draft.has_node(node):
                draft.remove_node(node)
        return self._finished(draft)

    def remove_edge(self, u: Node, v: Node, key: EdgeKey | None = None) -> MultiDiGraph:
        """A graph without the edge from u to v under `key`, or without the last one added.

        Raises:      GraphError (networkx's NetworkXError): no such edge
        """
        draft = self._draft("remove_edge")
        edge = removed_edge(draft, (u, v, key))
        if edge is None:
            raise _graph_error(
                f"remove_edge: the edge ({u!r}, {v!r}, {key!r}) is not in the {self}, whose edges from {u!r} to {v!r} "
                f"have the keys {list(self._edges_between(u, v))}; remove_edges_from([(u, v)]) ignores what is missing"
            )
        draft.remove_edge(*edge)
        return self._finished(draft)

    def remove_edges_from(self, ebunch: Iterable[Any]) -> MultiDiGraph:
        """A graph without the edges, each (u, v), (u, v, key) or (u, v, key, attributes); missing ones are ignored."""
        draft = self._draft("remove_edges_from")
        for form in ebunch:
            edge = removed_edge(draft, form)
            if edge is not None:
                draft.remove_edge(*edge)
        return self._finished(draft)

    def clear(self) -> MultiDiGraph:
        """A graph without nodes, edges and attributes."""
        self._draft("clear")
        return self._made(EMPTY, FrozenDict())

    def clear_edges(self) -> MultiDiGraph:
        """A graph with the same nodes and attributes and no edges."""
        self._draft("clear_edges")
        none: FrozenDict[Any, Any] = FrozenDict()  # Any: serves as empty adjacency of any node
        table = {
            node: Record(record.attributes, none, none, place)
            for place, (node, record) in enumerate(self._record_map.table.items())
        }
        return self._made(record_map(table, 0), self._attributes)

    # Deriving

    def copy(self, as_view: bool = False) -> MultiDiGraph | networkx.MultiDiGraph:
        """The graph itself, as it is immutable; networkx's code gets a mutable networkx.MultiDiGraph."""
        if not as_view and is_of_networkx(sys._getframe(1)):
            return _mutable_copy(self)
        return self

    def subgraph(self, nodes: Any) -> MultiDiGraph:
        """The graph of `nodes` (one or several, missing ones are ignored) and of the edges between them."""
        kept = set(self.nbunch_iter(nodes))
        return self._made(
            self._selection(kept, lambda source, sink, key: sink in kept),
            self._attributes,
        )

    def edge_subgraph(self, edges: Iterable[tuple[Node, Node, EdgeKey]]) -> MultiDiGraph:
        """The graph of the edges (u, v, key), missing ones ignored, and of their ends."""
        kept_edges = {(source, sink, key) for source, sink, key in edges if self.has_edge(source, sink, key)}
        kept = {end for source, sink, _ in kept_edges for end in (source, sink)}
        return self._made(
            self._selection(kept, lambda source, sink, key: (source, sink, key) in kept_edges),
            self._attributes,
        )

    def reverse(self, copy: bool = True) -> MultiDiGraph | networkx.MultiDiGraph:
        """The graph with each edge reversed; networkx's code that asks for a copy gets a mutable one."""
        table = {
            node: Record(record.attributes, record.out_edges, record.in_edges, place)
            for place, (node, record) in enumerate(self._record_map.table.items())
        }
        reversed_graph = self._made(record_map(table, self._record_map.num_edges), self._attributes)
        return _mutable_copy(reversed_graph) if copy and is_of_networkx(sys._getframe(1)) else reversed_graph

    def to_directed(self, as_view: bool = False) -> MultiDiGraph | networkx.MultiDiGraph:
        """The graph itself; networkx's code gets a mutable networkx.MultiDiGraph, as from `copy`."""
        if not as_view and is_of_networkx(sys._getframe(1)):
            return _mutable_copy(self)
        return self

    def to_undirected(self, reciprocal: bool = False, as_view: bool = False) -> networkx.MultiGraph:
        """A networkx.MultiGraph of the edges; `reciprocal` keeps only edges that exist in both directions."""
        from composit.multidigraph.conversion import undirected

        return undirected(self, reciprocal, as_view)

    def __copy__(self) -> MultiDiGraph:
        return self

    def __reduce__(self) -> tuple[Any, ...]:  # Any: the protocol of pickle
        return _restored, (type(self), dict(self._attributes), state_of(self._record_map))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return self.__reduce__()

    # Making

    def _draft(self, method: str) -> Draft:
        # The frame that called the public method.
        if is_of_networkx(sys._getframe(2)):
            raise _graph_error(
                f"{method}: called by code of networkx that changes its graph in place, on the {self}, which is "
                "immutable; give that code composit.multidigraph.to_networkx(graph)"
            )
        return Draft(self._record_map)

    def _finished(self, draft: Draft) -> MultiDiGraph:
        return self._made(draft.finished(), self._attributes)

    def _made(self, record_map: RecordMap, attributes: FrozenDict[str, Any]) -> MultiDiGraph:
        return made_graph(type(self), record_map, attributes)

    def _selection(self, nodes: set[Node], keeps_edge: Callable[[Node, Node, EdgeKey], bool]) -> RecordMap:
        draft = Draft(EMPTY)
        records = self._record_map.records
        rows = sorted(((node, records[node]) for node in nodes), key=lambda row: row[1].place)
        for node, record in rows:
            draft.add_node(node, record.attributes)
        for source, record in rows:
            for sink, edges in record.out_edges.items():
                for key, attributes in edges.items():
                    if keeps_edge(source, sink, key):
                        draft.add_edge(source, sink, key, attributes)
        return draft.finished()


def made_graph(kind: type[MultiDiGraph], record_map: RecordMap, attributes: AttributeInput) -> MultiDiGraph:
    """A graph of the given class over a record map."""
    graph = object.__new__(kind)
    graph._set(record_map, FrozenDict(attributes))
    return graph


def _restored(kind: type[MultiDiGraph], attributes: AttributeInput, state: Any) -> MultiDiGraph:
    return made_graph(kind, record_map_of_state(state), attributes)


def _read_by_networkx(data: Any, multigraph_input: bool | None) -> MultiDiGraph:
    import networkx

    from composit.multidigraph.conversion import from_networkx

    return from_networkx(networkx.MultiDiGraph(data, multigraph_input=multigraph_input))


def _mutable_copy(graph: MultiDiGraph) -> networkx.MultiDiGraph:
    from composit.multidigraph.conversion import to_networkx

    return to_networkx(graph)


def _graph_error(message: str) -> Exception:
    from composit.multidigraph.failures import GraphError

    return GraphError(message)
