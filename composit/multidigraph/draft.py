"""A draft: gathers the changes of one call in ordinary dicts and makes a new record map at the end.

It copies only the records that the call changes, each once, so adding n edges at one node in one call is linear in n.
The order in every dict is networkx's.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from composit.multidigraph.frozen import FrozenDict, frozen
from composit.multidigraph.records import Attributes, EdgeKey, Node, Record, RecordMap, changed_record_map

# Any: an attribute's value is the caller's own
AttributeInput: TypeAlias = Mapping[str, Any]
DraftEdges: TypeAlias = dict[Node, dict[EdgeKey, Attributes]]


class DraftRecord:
    """A copy of one node's record with mutable outer dicts."""

    __slots__ = ("attributes", "in_edges", "out_edges", "place")

    def __init__(self, attributes: Attributes, in_edges: DraftEdges, out_edges: DraftEdges, place: int) -> None:
        self.attributes = attributes
        self.in_edges = in_edges
        self.out_edges = out_edges
        self.place = place


class Draft:
    """A record map being changed; `finished()` returns the new one, the old one does not change."""

    __slots__ = ("_base", "_next_place", "_num_edges", "_open_pairs", "_removed", "_touched")

    def __init__(self, base: RecordMap) -> None:
        self._base = base
        self._touched: dict[Node, DraftRecord] = {}
        self._removed: set[Node] = set()
        self._open_pairs: dict[tuple[Node, Node], dict[EdgeKey, Attributes]] = {}
        self._next_place = base.next_place
        self._num_edges = base.num_edges

    def has_node(self, node: Node) -> bool:
        return node in self._touched or (node not in self._removed and node in self._base.records)

    def attributes_of(self, node: Node) -> Attributes:
        """The attributes of an existing node."""
        touched = self._touched.get(node)
        return self._base.records[node].attributes if touched is None else touched.attributes

    def keys_between(self, source: Node, sink: Node) -> Mapping[EdgeKey, Attributes]:
        """The edges from source to sink by key, empty if there are none."""
        touched = self._touched.get(source)
        if touched is not None:
            return touched.out_edges.get(sink, FrozenDict())
        if not self.has_node(source):
            return FrozenDict()
        return self._base.records[source].out_edges.get(sink, FrozenDict())

    def add_node(self, node: Node, attributes: AttributeInput) -> None:
        """Adds a node, or updates the attributes of an existing one."""
        if node is None:
            raise ValueError("None cannot be a node")
        record = self._open(node)
        if record is None:
            self._touched[node] = DraftRecord(frozen(attributes), {}, {}, self._next_place)
            self._next_place += 1
        elif attributes:
            record.attributes = FrozenDict({**record.attributes, **attributes})

    def add_edge(self, source: Node, sink: Node, key: EdgeKey | None, attributes: AttributeInput) -> EdgeKey:
        """Adds or updates an edge, adds its ends if they are missing, and returns its key."""
        self.add_node(source, FrozenDict())
        self.add_node(sink, FrozenDict())
        edges = self._open_edges(source, sink)
        edge_key = new_edge_key(edges) if key is None else key
        if edge_key in edges:
            edges[edge_key] = FrozenDict({**edges[edge_key], **attributes})
        else:
            edges[edge_key] = frozen(attributes)
            self._num_edges += 1
        return edge_key

    def remove_node(self, node: Node) -> None:
        """Removes an existing node and all its edges."""
        record = self._opened(node)
        for sink in tuple(record.out_edges):
            self._remove_pair(node, sink)
        for source in tuple(record.in_edges):
            self._remove_pair(source, node)
        del self._touched[node]
        self._removed.add(node)

    def remove_edge(self, source: Node, sink: Node, key: EdgeKey) -> None:
        """Removes an existing edge."""
        if len(self.keys_between(source, sink)) == 1:
            self._remove_pair(source, sink)
        else:
            del self._open_edges(source, sink)[key]
            self._num_edges -= 1

    def finished(self) -> RecordMap:
        """The record map with all changes made."""
        for (source, sink), edges in self._open_pairs.items():
            frozen_edges = frozen(edges)
            self._touched[source].out_edges[sink] = frozen_edges
            self._touched[sink].in_edges[source] = frozen_edges
        changed = {
            # The type is ignored since mypy cannot see that every inner dict is frozen, just above or by a record.
            node: Record(record.attributes, frozen(record.in_edges), frozen(record.out_edges), record.place)  # type: ignore[arg-type]
            for node, record in self._touched.items()
        }
        return changed_record_map(self._base, changed, self._removed, self._next_place, self._num_edges)

    def _open(self, node: Node) -> DraftRecord | None:
        touched = self._touched.get(node)
        if touched is None and self.has_node(node):
            record = self._base.records[node]
            touched = DraftRecord(record.attributes, dict(record.in_edges), dict(record.out_edges), record.place)
            self._touched[node] = touched
        return touched

    def _opened(self, node: Node) -> DraftRecord:
        record = self._open(node)
        assert record is not None
        return record

    def _open_edges(self, source: Node, sink: Node) -> dict[EdgeKey, Attributes]:
        edges = self._open_pairs.get((source, sink))
        if edges is None:
            out_edges, in_edges = self._opened(source).out_edges, self._opened(sink).in_edges
            edges = dict(out_edges.get(sink, {}))
            self._open_pairs[source, sink] = out_edges[sink] = in_edges[source] = edges
        return edges

    def _remove_pair(self, source: Node, sink: Node) -> None:
        edges = self._opened(source).out_edges.pop(sink)
        del self._opened(sink).in_edges[source]
        self._open_pairs.pop((source, sink), None)
        self._num_edges -= len(edges)


def new_edge_key(edges: Mapping[EdgeKey, Attributes]) -> EdgeKey:
    """The key that networkx would choose: the number of edges, or the next free integer."""
    key = len(edges)
    while key in edges:
        key += 1
    return key
