"""The storage of a graph: one persistent map from each node to a record of its attributes and edges.

One map of records is faster than nested maps: 10,000 nodes are built in milliseconds, and a change copies only the
records that it touches. A pyrsistent map iterates by hash, so each record carries its place in the order of insertion,
and the first iteration makes a sorted table.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from pyrsistent import PMap, pmap

from composit.multidigraph.frozen import FrozenDict

Node: TypeAlias = Hashable
EdgeKey: TypeAlias = Hashable
# Any: an attribute's value is the caller's own
Attributes: TypeAlias = FrozenDict[str, Any]
KeyToAttributes: TypeAlias = FrozenDict[EdgeKey, Attributes]
Adjacency: TypeAlias = FrozenDict[Node, KeyToAttributes]


EdgeRow: TypeAlias = tuple[Node, EdgeKey, Attributes]


class Record:
    """One node's attributes, its edges, and its place in the order of insertion; never changed after it is made.

    Edges are given as an adjacency (by neighbour, then by key) or, in bulk, as rows (neighbour, key, attributes). Rows
    become an adjacency on first use, because making it costs more than the rest of the record.
    """

    __slots__ = ("_in", "_out", "attributes", "place")

    def __init__(
        self,
        attributes: Attributes,
        in_edges: Adjacency | Sequence[EdgeRow],
        out_edges: Adjacency | Sequence[EdgeRow],
        place: int,
    ) -> None:
        self.attributes = attributes
        self._in = in_edges
        self._out = out_edges
        self.place = place

    @property
    def in_edges(self) -> Adjacency:
        """Source to key to attributes, in the order in which the edges were added."""
        edges = self._in
        if not isinstance(edges, FrozenDict):
            edges = self._in = _adjacency(edges)
        return edges

    @property
    def out_edges(self) -> Adjacency:
        """Sink to key to attributes, in the order in which the edges were added."""
        edges = self._out
        if not isinstance(edges, FrozenDict):
            edges = self._out = _adjacency(edges)
        return edges


def _adjacency(rows: Iterable[EdgeRow]) -> Adjacency:
    edges: dict[Node, dict[EdgeKey, Attributes]] = {}
    for neighbour, key, attributes in rows:
        edges.setdefault(neighbour, {})[key] = attributes
    return FrozenDict({neighbour: FrozenDict(by_key) for neighbour, by_key in edges.items()})


class RecordMap:
    """The records of one graph in a persistent map, with the next free place and the number of edges."""

    __slots__ = ("_table", "next_place", "num_edges", "records")

    def __init__(
        self,
        records: "PMap[Node, Record]",
        next_place: int,
        num_edges: int,
        table: dict[Node, Record] | None = None,
    ) -> None:
        self.records = records
        self.next_place = next_place
        self.num_edges = num_edges
        self._table = table  # filled on first use, never changed afterwards

    @property
    def table(self) -> Mapping[Node, Record]:
        """The records as a dict in the order of insertion, made once."""
        if self._table is None:
            self._table = dict(sorted(self.records.items(), key=lambda item: item[1].place))
        return self._table

    @property
    def has_table(self) -> bool:
        return self._table is not None


def record_map(table: dict[Node, Record], num_edges: int) -> RecordMap:
    """The record map of a table whose records have the places 0, 1, 2, ..."""
    return RecordMap(pmap(table), len(table), num_edges, table)


EMPTY = record_map({}, 0)


def changed_record_map(
    base: RecordMap,
    changed: Mapping[Node, Record],
    removed: Iterable[Node],
    next_place: int,
    num_edges: int,
) -> RecordMap:
    """`base` with some records set and others removed; the rest is shared."""
    if not base.records:
        return RecordMap(pmap(changed), next_place, num_edges)
    evolver = base.records.evolver()
    for node in removed:
        if node in base.records:
            evolver.remove(node)
    for node, record in changed.items():
        evolver.set(node, record)
    return RecordMap(evolver.persistent(), next_place, num_edges)
