"""The persistent graph: an immutable MultiDiGraph with networkx's interface, its traversal, unions and conversions.

Of composit it imports only errors, and visualize, which loads the code for pictures when one is asked for. networkx is
imported when it is used.
"""

from composit.multidigraph.conversion import from_networkx, graph_from_in_edges, to_networkx
from composit.multidigraph.frozen import FrozenDict
from composit.multidigraph.graph import MultiDiGraph
from composit.multidigraph.traversal import topological_traversal
from composit.multidigraph.union import compose_all, merge_graphs
from composit.visualize import visualize_graph

__all__ = [
    "FrozenDict",
    "MultiDiGraph",
    "compose_all",
    "from_networkx",
    "graph_from_in_edges",
    "merge_graphs",
    "to_networkx",
    "topological_traversal",
    "visualize_graph",
]
