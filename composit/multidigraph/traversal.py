"""topological_traversal, without recursion."""

from composit.multidigraph.graph import MultiDiGraph
from composit.multidigraph.records import Node

_WAITING = object()  # the node is on the stack, its operands are not all listed yet


def topological_traversal(graph: MultiDiGraph) -> tuple[Node, ...]:
    """All nodes, each after the sources of its edges; depth first, so that a chain of operations stays together.

    The order depends only on the order of insertion and is the same in every process.

    Raises:      CycleError (networkx's NetworkXUnfeasible): the graph has a cycle
    """
    records = graph._record_map.table
    state: dict[Node, object] = {}
    finished: list[Node] = []
    for start in records:
        if start in state:
            continue
        state[start] = _WAITING
        stack = [(start, iter(records[start].in_edges))]
        while stack:
            node, sources = stack[-1]
            for source in sources:
                seen = state.get(source)
                if seen is _WAITING:
                    raise _cycle_error(source)
                if seen is None:
                    state[source] = _WAITING
                    stack.append((source, iter(records[source].in_edges)))
                    break
            else:
                stack.pop()
                state[node] = True
                finished.append(node)
    return tuple(finished)


def _cycle_error(node: Node) -> Exception:
    from composit.multidigraph.failures import CycleError

    return CycleError(
        f"topological_traversal: {node!r} is reached from itself; a topological order needs a graph without cycles, "
        "networkx.find_cycle(graph) shows this one"
    )
