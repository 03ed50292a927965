"""The reading half of networkx's interface: ReadableGraph, the base class of MultiDiGraph.

The views (`nodes`, `edges`, `adj`, `degree`, ...) are networkx's own classes over this graph's mappings, so they
behave the same in every detail; the first one imports networkx.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from composit.multidigraph.draft import new_edge_key
from composit.multidigraph.frozen import FrozenDict
from composit.multidigraph.mappings import PartMapping
from composit.multidigraph.records import Adjacency, Attributes, EdgeKey, KeyToAttributes, Node, RecordMap

if TYPE_CHECKING:
    import networkx


class ReadableGraph:
    """A directed graph with parallel edges and networkx's reading methods."""

    __slots__ = ("__weakref__", "_attributes", "_kept", "_record_map")

    __networkx_backend__: ClassVar[str] = "networkx"
    frozen: ClassVar[bool] = True  # networkx.is_frozen

    _record_map: RecordMap
    _attributes: Attributes
    _kept: dict[str, Any]  # views and the hash, made when first asked for. Any: networkx's views have no stubs

    def _set(self, record_map: RecordMap, attributes: Attributes) -> None:
        self._record_map = record_map
        self._attributes = attributes
        self._kept = {}

    def _keep(self, name: str, make: Any) -> Any:  # Any: see _kept
        kept = self._kept.get(name)
        if kept is None:
            kept = self._kept[name] = make()
        return kept

    # Nodes

    def __iter__(self) -> Iterator[Node]:
        return iter(self._record_map.table)

    def __len__(self) -> int:
        return len(self._record_map.records)

    def __contains__(self, node: object) -> bool:
        try:
            return node in self._record_map.records
        except TypeError:  # unhashable, so no node of any graph
            return False

    def has_node(self, n: object) -> bool:
        """Whether `n` is a node; False if it cannot be hashed."""
        return n in self

    def number_of_nodes(self) -> int:
        """The number of nodes."""
        return len(self)

    def order(self) -> int:
        """The number of nodes."""
        return len(self)

    def __getitem__(self, n: Node) -> networkx.classes.coreviews.AdjacencyView:
        """The edges out of `n`, by neighbour and key (networkx's AdjacencyView)."""
        return self.adj[n]

    def neighbors(self, n: Node) -> Iterator[Node]:
        """An iterator over the sinks of the edges out of `n`."""
        return iter(self._out_edges_of(n))

    successors = neighbors

    def predecessors(self, n: Node) -> Iterator[Node]:
        """An iterator over the sources of the edges into `n`."""
        return iter(self._in_edges_of(n))

    def nbunch_iter(self, nbunch: Any = None) -> Iterator[Node]:  # Any: None, a node or nodes
        """An iterator over the nodes in `nbunch`: a node, several, or None for all; others are skipped."""
        from networkx import MultiDiGraph

        nodes: Iterator[Node] = MultiDiGraph.nbunch_iter(self, nbunch)
        return nodes

    # Edges

    def has_edge(self, u: Node, v: Node, key: EdgeKey | None = None) -> bool:
        """Whether there is an edge from `u` to `v`, with this key if one is given."""
        edges = self._edges_between(u, v)
        return bool(edges) if key is None else key in edges

    def has_successor(self, u: Node, v: Node) -> bool:
        """Whether there is an edge from `u` to `v`."""
        return self.has_edge(u, v)

    def has_predecessor(self, u: Node, v: Node) -> bool:
        """Whether there is an edge from `v` to `u`."""
        return self.has_edge(v, u)

    def get_edge_data(self, u: Node, v: Node, key: EdgeKey | None = None, default: Any = None) -> Any:
        """The attributes of one edge, or of all edges from `u` to `v` by key; `default` if there is none."""
        edges = self._edges_between(u, v)
        if not edges:
            return default
        return edges if key is None else edges.get(key, default)

    def new_edge_key(self, u: Node, v: Node) -> EdgeKey:
        """The key that `add_edge(u, v)` would give to the new edge."""
        return new_edge_key(self._edges_between(u, v))

    def number_of_edges(self, u: Node | None = None, v: Node | None = None) -> int:
        """The number of all edges, or of those from `u` to `v`."""
        if u is None:
            return self._record_map.num_edges
        return len(self._edges_between(u, v))

    def size(self, weight: str | None = None) -> Any:  # Any: int, or the sum of the weights
        """The number of edges, or the sum of their attribute `weight` (1 where it is missing)."""
        if weight is None:
            return self._record_map.num_edges
        return sum(degree for _, degree in self.degree(weight=weight)) / 2

    def adjacency(self) -> Iterator[tuple[Node, Adjacency]]:
        """An iterator over (node, edges out of it by neighbour and key)."""
        return iter(self._succ.items())

    # Attributes through which networkx reads a graph

    @property
    def _node(self) -> PartMapping:
        mapping: PartMapping = self._keep("_node", lambda: PartMapping(self._record_map, "attributes"))
        return mapping

    @property
    def _succ(self) -> PartMapping:
        mapping: PartMapping = self._keep("_succ", lambda: PartMapping(self._record_map, "out_edges"))
        return mapping

    _adj = _succ

    @property
    def _pred(self) -> PartMapping:
        mapping: PartMapping = self._keep("_pred", lambda: PartMapping(self._record_map, "in_edges"))
        return mapping

    # Views. Any: networkx has no stubs.

    @property
    def graph(self) -> Attributes:
        """The attributes of the graph itself."""
        return self._attributes

    @property
    def name(self) -> Any:
        """The graph's attribute `name`, or an empty text."""
        return self._attributes.get("name", "")

    @property
    def nodes(self) -> networkx.classes.reportviews.NodeView:
        """networkx's NodeView: a set of nodes and a mapping to their attributes; callable with `data`, `default`."""
        return self._keep("nodes", lambda: _report_views().NodeView(self))

    @property
    def edges(self) -> networkx.classes.reportviews.OutMultiEdgeView:
        """networkx's OutMultiEdgeView, callable with `nbunch`, `data`, `keys` and `default`."""
        return self._keep("edges", lambda: _report_views().OutMultiEdgeView(self))

    out_edges = edges

    @property
    def in_edges(self) -> networkx.classes.reportviews.InMultiEdgeView:
        """networkx's InMultiEdgeView: the edges by their sinks."""
        return self._keep("in_edges", lambda: _report_views().InMultiEdgeView(self))

    @property
    def adj(self) -> networkx.classes.coreviews.MultiAdjacencyView:
        """networkx's MultiAdjacencyView: node to neighbour to key to attributes."""
        return self._keep("adj", lambda: _core_views().MultiAdjacencyView(self._succ))

    succ = adj

    @property
    def pred(self) -> networkx.classes.coreviews.MultiAdjacencyView:
        """networkx's MultiAdjacencyView of the edges into each node."""
        return self._keep("pred", lambda: _core_views().MultiAdjacencyView(self._pred))

    @property
    def degree(self) -> networkx.classes.reportviews.DiMultiDegreeView:
        """networkx's DiMultiDegreeView, callable with `nbunch` and `weight`."""
        return self._keep("degree", lambda: _report_views().DiMultiDegreeView(self))

    @property
    def in_degree(self) -> networkx.classes.reportviews.InMultiDegreeView:
        """networkx's InMultiDegreeView."""
        return self._keep("in_degree", lambda: _report_views().InMultiDegreeView(self))

    @property
    def out_degree(self) -> networkx.classes.reportviews.OutMultiDegreeView:
        """networkx's OutMultiDegreeView."""
        return self._keep("out_degree", lambda: _report_views().OutMultiDegreeView(self))

    # Kinds of graphs

    def is_multigraph(self) -> bool:
        """True: edges between the same nodes are told apart by keys."""
        return True

    def is_directed(self) -> bool:
        """True."""
        return True

    def to_directed_class(self) -> type[networkx.MultiDiGraph]:
        """networkx.MultiDiGraph: networkx's code makes graphs of this class and changes them."""
        import networkx

        return networkx.MultiDiGraph  # type: ignore[no-any-return]  # networkx has no types

    def to_undirected_class(self) -> type[networkx.MultiGraph]:
        """networkx.MultiGraph."""
        import networkx

        return networkx.MultiGraph  # type: ignore[no-any-return]

    # Equality

    def __eq__(self, other: object) -> bool:
        """Whether both have the same nodes, edges, keys and attributes, in any order."""
        if self is other:
            return True
        if not isinstance(other, ReadableGraph):
            return NotImplemented
        return self._attributes == other._attributes and _equal_records(self._record_map, other._record_map)

    def __hash__(self) -> int:
        """A hash of nodes, edges and keys, without attributes, which need not be hashable."""
        value: int = self._keep("hash", self._hash_of_structure)
        return value

    def _hash_of_structure(self) -> int:
        rows = (
            (node, frozenset((source, frozenset(edges)) for source, edges in record.in_edges.items()))
            for node, record in self._record_map.table.items()
        )
        return hash(frozenset(rows))

    def __str__(self) -> str:
        named = f" named {self.name!r}" if self.name else ""
        return f"{type(self).__name__}{named} with {len(self)} nodes and {self.number_of_edges()} edges"

    def __repr__(self) -> str:
        return f"<{self}>"

    # Records

    def _out_edges_of(self, node: Node) -> Adjacency:
        record = self._record_map.records.get(node)
        return _missing_node(self, node) if record is None else record.out_edges

    def _in_edges_of(self, node: Node) -> Adjacency:
        record = self._record_map.records.get(node)
        return _missing_node(self, node) if record is None else record.in_edges

    def _edges_between(self, source: Node, sink: Node) -> KeyToAttributes:
        record = self._record_map.records.get(source)
        return _NO_EDGES if record is None else record.out_edges.get(sink, _NO_EDGES)


_NO_EDGES: KeyToAttributes = FrozenDict()


def _equal_records(first: RecordMap, second: RecordMap) -> bool:
    if first is second:
        return True
    if len(first.records) != len(second.records) or first.num_edges != second.num_edges:
        return False
    for node, record in first.table.items():
        other = second.records.get(node)
        if other is None:
            return False
        # A record that both graphs share needs no comparison.
        if other is not record and (record.attributes != other.attributes or record.in_edges != other.in_edges):
            return False
    return True


def _missing_node(graph: ReadableGraph, node: Node) -> Adjacency:
    from composit.multidigraph.failures import GraphError

    raise GraphError(
        f"neighbours of {node!r}: it is not a node of the {graph}; ask `node in graph` first, "
        "or add it by graph = graph.add_node(node)"
    )


def _report_views() -> Any:
    from networkx.classes import reportviews

    return reportviews


def _core_views() -> Any:
    from networkx.classes import coreviews

    return coreviews
