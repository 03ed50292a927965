"""A record map as plain rows and back: what a pickled graph consists of.

Rows stand in the order of insertion. In the graph of a tensor that is a topological order, so that pickling a node
finds its operands pickled already and does not recurse. May import frozen, records.
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
    """The record map whose state this is; hashes are those of this process."""
    in_edges_of = {node: in_edges for node, _, in_edges, _ in state}
    table = {}
    for place, (node, attributes, in_edges, sinks) in enumerate(state):
        out_edges: Any = FrozenDict({sink: in_edges_of[sink][node] for sink in sinks})
        table[node] = Record(attributes, in_edges, out_edges, place)
    num_edges = sum(len(edges) for in_edges in in_edges_of.values() for edges in in_edges.values())
    return record_map(table, num_edges)
