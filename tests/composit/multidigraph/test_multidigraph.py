"""What is ours in the graph: values that never change, errors, order, pickles, and networkx's code calling."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import networkx
import pytest

from composit.errors import CompositError
from composit.multidigraph import FrozenDict, MultiDiGraph, from_networkx, to_networkx


@pytest.fixture
def graph() -> MultiDiGraph:
    return MultiDiGraph([("x", "y"), ("x", "y"), ("y", "z")], name="small").add_node("x", shape=(2, 3))


def test_a_change_returns_a_new_graph_and_leaves_the_old_one(graph: MultiDiGraph) -> None:
    larger = graph.add_edge("z", "x", shape=())
    assert (graph.number_of_edges(), larger.number_of_edges()) == (3, 4)
    assert not graph.has_edge("z", "x")


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph.nodes["x"].update(shape=()),
        lambda graph: graph.nodes["x"].pop("shape"),
        lambda graph: graph.edges["x", "y", 0].__setitem__("a", 1),
        lambda graph: graph.graph.clear(),
        lambda graph: graph.get_edge_data("x", "y").popitem(),
        lambda graph: graph._succ["x"].setdefault("z", {}),
        lambda graph: graph._pred["y"].__delitem__("x"),
        lambda graph: graph.graph.__ior__({"a": 1}),
    ],
)
def test_no_view_lets_a_graph_be_changed(graph: MultiDiGraph, change: Any) -> None:
    with pytest.raises(TypeError, match=r"a graph is a value: .*graph\.add_node\(node, name=value\)"):
        change(graph)


def test_the_caller_can_change_the_dicts_that_were_given_without_changing_the_graph() -> None:
    attributes = {"a": 1}
    graph = MultiDiGraph().add_nodes_from([("x", attributes)]).add_edges_from([("x", "x", attributes)])
    attributes["a"] = 2
    assert graph.nodes["x"] == graph.edges["x", "x", 0] == {"a": 1}


def test_a_frozen_dict_reads_as_a_dict_and_copies_to_one() -> None:
    frozen = FrozenDict({"a": [1]})
    assert frozen == {"a": [1]}
    assert repr(frozen) == "{'a': [1]}"
    assert type(frozen.copy()) is type(frozen | {}) is dict
    assert copy.copy(frozen) is frozen
    assert type(pickle.loads(pickle.dumps(frozen))) is FrozenDict
    assert type(copy.deepcopy(frozen)) is FrozenDict


def test_graphs_are_equal_by_contents_and_not_by_order() -> None:
    first = MultiDiGraph([(0, 1), (1, 2)])
    second = MultiDiGraph([(1, 2), (0, 1)])
    assert first == second
    assert hash(first) == hash(second)
    assert first != first.add_node(3)
    assert first != first.add_node(2, a=1)
    assert first != first.remove_edge(0, 1).add_edge(1, 0)
    assert first != first.with_attributes(name="first")
    assert first != 3
    assert len({first, second}) == 1


def test_a_graph_of_the_same_sizes_with_another_node_is_another() -> None:
    assert MultiDiGraph().add_node(1) != MultiDiGraph().add_node(2)


def test_a_pickle_keeps_attributes_and_the_order_of_nodes_and_edges(graph: MultiDiGraph) -> None:
    graph = graph.add_edge("y", "x").add_edge("z", "y")
    again = pickle.loads(pickle.dumps(graph))
    assert again == graph
    assert list(again.edges(keys=True)) == list(graph.edges(keys=True))
    assert list(again.in_edges(keys=True)) == list(graph.in_edges(keys=True))
    assert list(again.add_node("w")) == ["x", "y", "z", "w"]


def test_a_deep_copy_is_equal_and_a_copy_is_the_graph(graph: MultiDiGraph) -> None:
    assert copy.deepcopy(graph) == graph
    assert copy.copy(graph) is graph
    assert graph.copy() is graph
    assert graph.to_directed() is graph


def test_it_prints_as_networkx_graphs_do(graph: MultiDiGraph) -> None:
    assert str(graph) == str(to_networkx(graph)) == "MultiDiGraph named 'small' with 3 nodes and 3 edges"
    assert repr(graph) == "<MultiDiGraph named 'small' with 3 nodes and 3 edges>"


def test_a_node_that_comes_back_comes_last() -> None:
    graph = MultiDiGraph([(0, 1), (1, 2)]).remove_node(0).add_node(0)
    assert list(graph) == [1, 2, 0]


def test_ten_thousand_edges_at_one_node_are_added_in_one_call() -> None:
    graph = MultiDiGraph().add_edges_from((0, sink) for sink in range(1, 10_001))
    assert graph.out_degree(0) == 10_000


def test_a_chain_of_ten_thousand_nodes_pickles() -> None:
    graph = MultiDiGraph([(n, n + 1) for n in range(10_000)])
    assert pickle.loads(pickle.dumps(graph)) == graph


# Errors


def test_a_missing_node_is_networkxs_error_and_ours(graph: MultiDiGraph) -> None:
    for ask in (graph.neighbors, graph.successors, graph.predecessors, graph.remove_node):
        with pytest.raises(networkx.NetworkXError, match=r"'w' is not? .*a node of the MultiDiGraph|'w': it is not a"):
            ask("w")
        with pytest.raises(CompositError):
            ask("w")


def test_a_missing_edge_says_which_keys_there_are(graph: MultiDiGraph) -> None:
    with pytest.raises(networkx.NetworkXError, match=r"edge \('x', 'y', 7\) is not in .* have the keys \[0, 1\]"):
        graph.remove_edge("x", "y", 7)
    with pytest.raises(networkx.NetworkXError, match=r"have the keys \[\]; remove_edges_from"):
        graph.remove_edge("z", "y")


def test_none_is_no_node() -> None:
    for add in (MultiDiGraph().add_node, lambda node: MultiDiGraph().add_edge(node, 1)):
        with pytest.raises(ValueError, match="None cannot be a node"):
            add(None)


def test_an_edge_of_one_part_is_an_error() -> None:
    with pytest.raises(networkx.NetworkXError, match=r"edge \(1,\) has 1 parts; an edge is \(u, v\)"):
        MultiDiGraph().add_edges_from([(1,)])


def test_update_without_anything_is_an_error(graph: MultiDiGraph) -> None:
    with pytest.raises(networkx.NetworkXError, match="update: neither edges nor nodes"):
        graph.update()


def test_update_takes_a_graph(graph: MultiDiGraph) -> None:
    updated = MultiDiGraph().update(graph)
    assert updated == graph
    assert updated.name == "small"


# networkx's code


def test_networkx_takes_it_for_one_of_its_own(graph: MultiDiGraph) -> None:
    assert isinstance(graph, networkx.MultiDiGraph)
    assert isinstance(graph, MultiDiGraph)
    assert type(graph) is MultiDiGraph
    assert networkx.is_frozen(graph)
    assert graph.to_directed_class() is networkx.MultiDiGraph
    assert graph.to_undirected_class() is networkx.MultiGraph


@pytest.mark.parametrize(
    "algorithm",
    [
        networkx.transitive_closure,
        networkx.reverse,
        networkx.line_graph,
        networkx.create_empty_copy,
        networkx.contracted_nodes,
        lambda graph, *nodes: networkx.relabel_nodes(graph, {"x": "w"}),
        lambda graph, *nodes: networkx.compose(graph, graph),
        lambda graph, *nodes: networkx.ego_graph(graph, "x"),
        lambda graph, *nodes: networkx.restricted_view(graph, ["x"], []),
        lambda graph, *nodes: networkx.reverse_view(graph.subgraph("xy")),
    ],
)
def test_an_algorithm_that_makes_a_graph_makes_the_same_as_from_networkxs_own(
    graph: MultiDiGraph, algorithm: Any
) -> None:
    nodes = ("x", "y") if algorithm is networkx.contracted_nodes else ()
    ours, theirs = algorithm(graph, *nodes), algorithm(to_networkx(graph), *nodes)
    assert from_networkx(ours) == from_networkx(theirs)
    assert graph.number_of_nodes() == 3


@pytest.mark.parametrize(
    "algorithm",
    [
        lambda graph: networkx.add_path(graph, ["x", "z", "w"]),
        lambda graph: networkx.relabel_nodes(graph, {"x": "w"}, copy=False),
    ],
)
def test_an_algorithm_that_would_change_it_is_told_so(graph: MultiDiGraph, algorithm: Any) -> None:
    with pytest.raises(networkx.NetworkXError, match=r"called by code of networkx .*to_networkx\(graph\)"):
        algorithm(graph)


def test_weakly_connected_components_of_ten_thousand_nodes() -> None:
    graph = MultiDiGraph([(n, n + 1) for n in range(10_000)])
    assert networkx.number_weakly_connected_components(graph) == 1
    assert networkx.dag_longest_path_length(graph) == 10_000


def test_networkx_is_imported_when_it_is_used() -> None:
    code = (
        "import sys; from composit.multidigraph import MultiDiGraph, graph_from_in_edges, topological_traversal\n"
        "graph = graph_from_in_edges([('x', {}, []), ('y', {}, [('x', 0, {})])]).add_node('z').add_edge('y', 'z')\n"
        "assert topological_traversal(graph) == ('x', 'y', 'z') and len(graph) == 3 and graph == graph.copy()\n"
        "assert graph.__class__ is MultiDiGraph and 'networkx' not in sys.modules\n"
        "graph.nodes; assert 'networkx' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
