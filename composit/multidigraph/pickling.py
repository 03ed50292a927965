"""Turns a record map into plain rows for pickling, and back.

Rows are in the order of insertion. In the graph of a tensor this order is topological, so that a node's operands are
already pickled before it and pickling does not recurse.
"""

from typing import Any, TypeAlias

from composit.multidigraph.frozen import FrozenDict
from composit.multidigraph.records import Adjacency, Attributes, Node, Record, RecordMap, record_map

Row: TypeAlias = tuple[Node, Attributes, Adjacency, tuple[Node, ...]]
State: TypeAlias = tuple[Row, ...]


def state_of(records: RecordMap) -> State:
    """Node, attributes, in-edges and the sinks of the out-edges of each record."""
    return tuple(
        (node, record.attributes, record.in_edges, tuple(record.out_edges)) for node, record in records.table.items()
    )


def record_map_of_state(state: State) -> RecordMap:
    """The record map of a state, with hashes computed in this process."""
    in_edges_of = {node: in_edges for node, _, in_edges, _ in state}
    table = {}
    for place, (node, attributes, in_edges, sinks) in enumerate(state):
        out_edges: Any = FrozenDict({sink: in_edges_of[sink][node] for sink in sinks})
        table[node] = Record(attributes, in_edges, out_edges, place)
    num_edges = sum(len(edges) for in_edges in in_edges_of.values() for edges in in_edges.values())
    return record_map(table, num_edges)
