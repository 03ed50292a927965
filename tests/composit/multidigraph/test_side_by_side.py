"""The persistent graph and networkx.MultiDiGraph driven side by side by random operations."""

import pickle
from collections.abc import Callable
from typing import Any

import networkx
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from composit.multidigraph import MultiDiGraph, from_networkx, to_networkx

NODES = st.integers(0, 6) | st.sampled_from(["a", "b", (1, 2)])
KEYS = st.none() | st.integers(0, 3) | st.sampled_from(["k", "l"])
ATTRIBUTES = st.dictionaries(st.sampled_from(["weight", "shape"]), st.integers(0, 9), max_size=2)
EDGES = st.one_of(
    st.tuples(NODES, NODES),
    st.tuples(NODES, NODES, ATTRIBUTES),
    st.tuples(NODES, NODES, st.integers(0, 3)),
    st.tuples(NODES, NODES, KEYS, ATTRIBUTES),
)


def contents(graph: Any) -> tuple[Any, ...]:
    """Everything that a graph of either kind answers, with its order."""
    return (
        dict(graph.graph),
        [(node, dict(attributes)) for node, attributes in graph.nodes(data=True)],
        [(u, v, key, dict(attributes)) for u, v, key, attributes in graph.edges(keys=True, data=True)],
        list(graph.in_edges(keys=True)),
        {node: list(graph.successors(node)) for node in graph},
        {node: list(graph.predecessors(node)) for node in graph},
        dict(graph.degree()),
        dict(graph.in_degree(weight="weight")),
        graph.number_of_edges(),
        graph.size(weight="weight"),
    )


class SideBySide(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ours = MultiDiGraph()
        self.theirs = networkx.MultiDiGraph()
        self.history: list[tuple[MultiDiGraph, tuple[Any, ...]]] = []

    def both(self, change: Callable[[Any], Any]) -> None:
        """Apply a change to both; both fail with networkx's error, or neither."""
        self.history.append((self.ours, contents(self.ours)))
        try:
            change(self.theirs)
        except networkx.NetworkXError:
            try:
                change(self.ours)
            except networkx.NetworkXError:
                return
            raise AssertionError("networkx refused what ours accepted") from None
        self.ours = change(self.ours)

    @rule(node=NODES, attributes=ATTRIBUTES)
    def add_node(self, node: Any, attributes: Any) -> None:
        self.both(lambda graph: graph.add_node(node, **attributes))

    @rule(nodes=st.lists(NODES | st.tuples(NODES, ATTRIBUTES), max_size=4), attributes=ATTRIBUTES)
    def add_nodes_from(self, nodes: Any, attributes: Any) -> None:
        self.both(lambda graph: graph.add_nodes_from(nodes, **attributes))

    @rule(u=NODES, v=NODES, key=KEYS, attributes=ATTRIBUTES)
    def add_edge(self, u: Any, v: Any, key: Any, attributes: Any) -> None:
        assert u not in self.theirs or self.ours.new_edge_key(u, v) == self.theirs.new_edge_key(u, v)
        self.both(lambda graph: graph.add_edge(u, v, key, **attributes))

    @rule(edges=st.lists(EDGES, max_size=6), attributes=ATTRIBUTES)
    def add_edges_from(self, edges: Any, attributes: Any) -> None:
        self.both(lambda graph: graph.add_edges_from(edges, **attributes))

    @rule(edges=st.lists(st.tuples(NODES, NODES, st.integers(0, 9)), max_size=4))
    def add_weighted_edges_from(self, edges: Any) -> None:
        self.both(lambda graph: graph.add_weighted_edges_from(edges))

    @rule(node=NODES)
    def remove_node(self, node: Any) -> None:
        self.both(lambda graph: graph.remove_node(node))

    @rule(nodes=st.lists(NODES, max_size=3))
    def remove_nodes_from(self, nodes: Any) -> None:
        self.both(lambda graph: graph.remove_nodes_from(nodes))

    @rule(u=NODES, v=NODES, key=KEYS)
    def remove_edge(self, u: Any, v: Any, key: Any) -> None:
        self.both(lambda graph: graph.remove_edge(u, v, key))

    @rule(edges=st.lists(st.tuples(NODES, NODES) | st.tuples(NODES, NODES, KEYS), max_size=4))
    def remove_edges_from(self, edges: Any) -> None:
        self.both(lambda graph: graph.remove_edges_from(edges))

    @rule(data=st.data())
    def remove_edges_that_are_there(self, data: st.DataObject) -> None:
        edges = list(self.theirs.edges(keys=True))
        if edges:
            chosen = data.draw(st.lists(st.sampled_from(edges), max_size=4))
            self.both(lambda graph: graph.remove_edges_from(chosen))

    @rule(edges=st.lists(EDGES, max_size=3), nodes=st.lists(NODES, max_size=3))
    def update(self, edges: Any, nodes: Any) -> None:
        self.both(lambda graph: graph.update(edges, nodes))

    @rule()
    def clear_edges(self) -> None:
        self.both(lambda graph: graph.clear_edges())

    @rule(nodes=st.lists(NODES, max_size=5))
    def subgraph(self, nodes: Any) -> None:
        ours, theirs = self.ours.subgraph(nodes), self.theirs.subgraph(nodes)
        assert ours == from_networkx(theirs)

    @rule(data=st.data())
    def edge_subgraph(self, data: st.DataObject) -> None:
        edges = list(self.theirs.edges(keys=True))
        chosen = data.draw(st.lists(st.sampled_from(edges), max_size=4)) if edges else []
        assert self.ours.edge_subgraph(chosen) == from_networkx(self.theirs.edge_subgraph(chosen))

    @rule(reciprocal=st.booleans())
    def derive(self, reciprocal: bool) -> None:
        assert self.ours.reverse() == from_networkx(self.theirs.reverse())
        ours, theirs = self.ours.to_undirected(reciprocal), self.theirs.to_undirected(reciprocal)
        assert networkx.utils.graphs_equal(ours, theirs)
        assert self.ours.copy() is self.ours

    @rule(u=NODES, v=NODES, key=KEYS)
    def ask(self, u: Any, v: Any, key: Any) -> None:
        for question in (
            lambda graph: graph.has_node(u),
            lambda graph: u in graph,
            lambda graph: graph.has_edge(u, v, key),
            lambda graph: graph.has_successor(u, v),
            lambda graph: graph.has_predecessor(u, v),
            lambda graph: graph.get_edge_data(u, v, key, default="none"),
            lambda graph: graph.number_of_edges(u, v),
            lambda graph: list(graph.nbunch_iter([u, v])),
            lambda graph: [graph[node] for node in (u, v) if node in graph],
            lambda graph: list(graph.adjacency()),
        ):
            assert question(self.ours) == question(self.theirs)

    @invariant()
    def both_have_the_same_contents_in_the_same_order(self) -> None:
        assert contents(self.ours) == contents(self.theirs)

    @invariant()
    def old_graphs_never_change(self) -> None:
        for graph, expected in self.history[-4:]:
            assert contents(graph) == expected

    @invariant()
    def equality_and_hash_follow_from_the_contents(self) -> None:
        again = from_networkx(self.theirs)
        assert again == self.ours
        assert hash(again) == hash(self.ours)

    def teardown(self) -> None:
        for graph, expected in self.history:
            assert contents(graph) == expected
        assert contents(pickle.loads(pickle.dumps(self.ours))) == contents(self.ours)
        assert networkx.utils.graphs_equal(to_networkx(self.ours), self.theirs)


TestSideBySide = SideBySide.TestCase
TestSideBySide.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
