"""The errors of graphs: subclasses of networkx's, so that code written for networkx catches them.

This module imports networkx, so the others import it only where they raise.
"""

from networkx import NetworkXError, NetworkXUnfeasible

from composit.errors import CompositError


class GraphError(CompositError, NetworkXError):  # type: ignore[misc]  # networkx has no stubs
    """A missing node or edge, an edge of the wrong form, or graphs with contradicting attributes."""


class CycleError(GraphError, NetworkXUnfeasible):  # type: ignore[misc]  # as above
    """A graph with a cycle where an acyclic one is needed."""
