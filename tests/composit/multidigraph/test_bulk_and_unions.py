"""Graphs made in bulk, graphs of several graphs, traversal and conversion."""

from typing import Any

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composit.multidigraph import (
    FrozenDict,
    MultiDiGraph,
    compose_all,
    from_networkx,
    graph_from_in_edges,
    merge_graphs,
    to_networkx,
    topological_traversal,
)

EDGE_LISTS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40)


def acyclic(edges: Any) -> MultiDiGraph:
    return MultiDiGraph([(min(edge), max(edge)) for edge in edges if edge[0] != edge[1]])


# In bulk


def test_rows_give_the_same_graph_as_adding_one_by_one() -> None:
    edge = FrozenDict(source_output_index=0)
    rows = [
        ("x", {"operation": "input"}, []),
        ("y", {"operation": "exp"}, [("x", 0, edge)]),
        ("z", {"operation": "add"}, [("y", 0, edge), ("x", 1, edge), ("x", 2, {})]),
    ]
    graph = graph_from_in_edges(rows, name="bulk")
    expected = (
        MultiDiGraph(name="bulk")
        .add_nodes_from([(node, attributes) for node, attributes, _ in rows])
        .add_edges_from([("x", "y", 0, edge), ("y", "z", 0, edge), ("x", "z", 1, edge), ("x", "z", 2, {})])
    )
    assert graph == expected
    assert hash(graph) == hash(expected)
    assert list(graph) == list("xyz")
    assert graph.number_of_edges() == expected.number_of_edges() == 4
    assert graph.edges["x", "y", 0] is graph.edges["y", "z", 0] is edge
    assert list(graph.add_node("w")) == list("xyzw")


def test_rows_find_a_source_that_is_equal_and_another_object() -> None:
    first, second = frozenset("ab"), frozenset("ab")
    assert first is not second
    graph = graph_from_in_edges([(first, {}, []), ("y", {}, [(second, 0, {})])])
    assert list(graph.edges()) == [(first, "y")]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("y", {}, [("x", 0, {})])], "row of 'y': its source 'x' has no earlier row; give rows sources first"),
        ([("x", {}, [("x", 0, {})])], "row of 'x': its source 'x' has no earlier row"),
        ([("x", {}, []), ("x", {}, [])], "an earlier row has the same node"),
        ([("x", {}, []), ("y", {}, [("x", 0, {}), ("x", 0, {})])], "edge from 'x' with key 0 comes twice"),
    ],
)
def test_rows_that_contradict_themselves_are_errors(rows: Any, words: str) -> None:
    with pytest.raises(networkx.NetworkXError, match=words):
        graph_from_in_edges(rows)


# Traversal


@given(EDGE_LISTS)
def test_a_traversal_puts_each_node_after_its_sources(edges: Any) -> None:
    graph = acyclic(edges)
    order = topological_traversal(graph)
    place = {node: index for index, node in enumerate(order)}
    assert len(place) == len(order) == len(graph)
    assert all(place[source] < place[sink] for source, sink in graph.edges())


def test_a_traversal_follows_a_chain_before_it_starts_another() -> None:
    graph = MultiDiGraph([("a", "b"), ("c", "d"), ("b", "e"), ("d", "e")])
    assert topological_traversal(graph) == ("a", "b", "c", "d", "e")


def test_a_traversal_does_not_recurse() -> None:
    graph = MultiDiGraph([(n + 1, n) for n in range(20_000)])
    assert topological_traversal(graph) == tuple(range(20_000, -1, -1))


@pytest.mark.parametrize("edges", [[(0, 1), (1, 2), (2, 1)], [(0, 0)]])
def test_a_cycle_is_networkxs_error(edges: Any) -> None:
    with pytest.raises(networkx.NetworkXUnfeasible, match=r"is reached from itself; .*networkx\.find_cycle"):
        topological_traversal(MultiDiGraph(edges))


# Unions


@settings(max_examples=50)
@given(st.lists(EDGE_LISTS, min_size=1, max_size=4))
def test_compose_all_is_networkxs(edge_lists: Any) -> None:
    ours = [MultiDiGraph(edges).add_node(0, member=i) for i, edges in enumerate(edge_lists)]
    expected = from_networkx(networkx.compose_all([to_networkx(graph) for graph in ours]))
    composed = compose_all(*ours)
    assert composed == compose_all(ours) == expected
    assert list(composed) == list(expected)


def test_compose_all_lets_the_last_attributes_win() -> None:
    first = MultiDiGraph(name="first").add_edge(0, 1, shape=(1,), a=1)
    second = MultiDiGraph(name="second").add_edge(0, 1, shape=(2,)).add_node(0, b=1)
    composed = compose_all(first, second)
    assert composed.edges[0, 1, 0] == {"shape": (2,), "a": 1}
    assert composed.nodes[0] == {"b": 1}
    assert composed.name == "second"


def test_compose_all_takes_graphs_of_networkx() -> None:
    assert compose_all(networkx.MultiDiGraph([(0, 1)]), MultiDiGraph([(1, 2)])) == MultiDiGraph([(0, 1), (1, 2)])


def test_merged_graphs_share_what_they_have_in_common() -> None:
    stem = MultiDiGraph([(n, n + 1) for n in range(100)])
    merged = merge_graphs(stem.add_edge(100, "a"), stem.add_edge(100, "b"), stem.add_edge(50, "c"))
    assert merged == stem.add_edges_from([(100, "a"), (100, "b"), (50, "c")])


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (MultiDiGraph().add_node(0, a=1), MultiDiGraph().add_node(0, a=2), r"node 0 has the attributes \{'a': 1\} in"),
        (MultiDiGraph().add_edge(0, 1, a=1), MultiDiGraph().add_edge(0, 1, a=2), r"edge \(0, 1, 0\) has .*'a': 2"),
    ],
)
def test_graphs_that_contradict_each_other_do_not_merge(first: Any, second: Any, words: str) -> None:
    with pytest.raises(networkx.NetworkXError, match=words):
        merge_graphs(first, second)


@pytest.mark.parametrize("union", [compose_all, merge_graphs])
def test_no_graph_has_no_union(union: Any) -> None:
    with pytest.raises(ValueError, match="no graph was given"):
        union()
    with pytest.raises(ValueError, match="no graph was given"):
        union([])


# Conversion


@pytest.mark.parametrize("kind", [networkx.Graph, networkx.DiGraph, networkx.MultiGraph, networkx.MultiDiGraph])
def test_every_graph_of_networkx_converts_as_networkx_converts_it(kind: Any) -> None:
    graph = kind([(0, 1, {"a": 1}), (1, 2), (2, 2)], name="given")
    graph.nodes[0]["shape"] = (2,)
    expected = networkx.MultiDiGraph(graph)
    assert networkx.utils.graphs_equal(to_networkx(from_networkx(graph)), expected)
    assert MultiDiGraph(graph) == from_networkx(expected) == from_networkx(graph)


def test_a_converted_graph_can_be_changed_without_changing_ours() -> None:
    graph = MultiDiGraph().add_edge(0, 1, a=1)
    mutable = to_networkx(graph)
    mutable.edges[0, 1, 0]["a"] = 2
    mutable.remove_node(1)
    assert graph == MultiDiGraph().add_edge(0, 1, a=1)


def test_an_undirected_view_shows_the_graph() -> None:
    graph = MultiDiGraph([(0, 1), (1, 0), (1, 2)])
    expected = to_networkx(graph).to_undirected(as_view=True)
    assert sorted(graph.to_undirected(as_view=True).edges(keys=True)) == sorted(expected.edges(keys=True))
