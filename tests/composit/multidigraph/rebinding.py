"""A graph that can be changed in place, by rebinding a name to the next persistent graph.

networkx's tests change graphs in place. This class lets them: each changing method asks the persistent graph for the
changed one and holds that from then on. Everything else is answered by the persistent graph itself.
"""

from typing import Any

import networkx

from composit.multidigraph import MultiDiGraph


class RebindingGraph:
    # what networkx's tests ask a graph class for
    node_dict_factory = object
    adjlist_outer_dict_factory = object
    adjlist_inner_dict_factory = dict
    node_attr_dict_factory = dict
    edge_attr_dict_factory = dict
    edge_key_dict_factory = dict
    graph_attr_dict_factory = dict
    to_directed_class = staticmethod(lambda: networkx.MultiDiGraph)
    to_undirected_class = staticmethod(lambda: networkx.MultiGraph)

    def __init__(self, data: Any = None, multigraph_input: Any = None, **attr: Any) -> None:
        data = data.current if isinstance(data, RebindingGraph) else data
        self.current = MultiDiGraph(data, multigraph_input, **attr)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.current, name)

    def __iter__(self) -> Any:
        return iter(self.current)

    def __len__(self) -> int:
        return len(self.current)

    def __contains__(self, node: Any) -> bool:
        return node in self.current

    def __getitem__(self, node: Any) -> Any:
        return self.current[node]

    def __str__(self) -> str:
        return str(self.current).replace("MultiDiGraph", "RebindingGraph", 1)

    def __reduce__(self) -> Any:
        return RebindingGraph, (self.current,)

    def add_edge(self, u: Any, v: Any, key: Any = None, **attr: Any) -> Any:
        if key is None:
            key = self.current.new_edge_key(u, v)
        self.current = self.current.add_edge(u, v, key, **attr)
        return key

    def copy(self, as_view: bool = False) -> "RebindingGraph":
        return RebindingGraph(self.current.copy(as_view))

    def to_directed(self, as_view: bool = False) -> "RebindingGraph":
        return RebindingGraph(self.current.to_directed(as_view))

    def subgraph(self, nodes: Any) -> "RebindingGraph":
        return RebindingGraph(self.current.subgraph(nodes))

    def edge_subgraph(self, edges: Any) -> "RebindingGraph":
        return RebindingGraph(self.current.edge_subgraph(edges))

    def reverse(self, copy: bool = True) -> "RebindingGraph":
        return RebindingGraph(self.current.reverse(copy))


def _rebinding_method(name: str) -> Any:
    def change(self: RebindingGraph, *args: Any, **kwargs: Any) -> None:
        self.current = getattr(self.current, name)(*args, **kwargs)

    return change


for _name in (
    "add_node",
    "add_nodes_from",
    "add_edges_from",
    "add_weighted_edges_from",
    "remove_node",
    "remove_nodes_from",
    "remove_edge",
    "remove_edges_from",
    "update",
    "clear",
    "clear_edges",
):
    setattr(RebindingGraph, _name, _rebinding_method(_name))
