"""The errors of graphs: networkx's own classes, so that code written for networkx catches them.

Importing this module imports networkx; the other modules import it where they raise.
"""

from networkx import NetworkXError, NetworkXUnfeasible

from composit.errors import CompositError


class GraphError(CompositError, NetworkXError):  # type: ignore[misc]  # networkx has no stubs
    """A node or edge that is not there, an edge of the wrong form, graphs that contradict each other."""


class CycleError(GraphError, NetworkXUnfeasible):  # type: ignore[misc]  # as above
    """A graph with a cycle where only an acyclic one has a meaning."""
