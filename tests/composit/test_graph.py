"""A tensor's graph, and a tensor of a rewritten graph: what is unchanged stays the same object."""

from __future__ import annotations

import random
from typing import Any

import networkx as nx
import numpy as np
import pytest

import composit as cnp
from composit.errors import ShapeError
from composit.types import LazyTensor
from tests.properties.random_programs import random_program


def _tensor() -> LazyTensor:
    x, weight = cnp.asarray(np.arange(6.0).reshape(2, 3)), cnp.ones((3, 2))
    hidden = cnp.tanh(x @ weight + cnp.arange(2))
    left, right = cnp.split(hidden, 2, axis=1)
    return cnp.concatenate((left, right, left), axis=0) * 2.0 + right.sum()


def _node(graph: Any, name: str) -> Any:
    return next(node for node, data in graph.nodes(data=True) if data["operation"].name == name)


def _is_isomorphic(one: Any, other: Any) -> bool:
    def same_node(a: dict[str, Any], b: dict[str, Any]) -> bool:
        return bool(a["operation"] == b["operation"])

    def same_edge(a: dict[Any, Any], b: dict[Any, Any]) -> bool:
        return sorted(map(str, a.values())) == sorted(map(str, b.values()))

    return nx.is_isomorphic(one, other, node_match=same_node, edge_match=same_edge)


def test_a_tensor_of_its_own_graph_is_the_same_node():
    tensor = _tensor()
    again = LazyTensor(tensor.graph, tensor.node, tensor.output_index)
    assert again.node is tensor.node
    assert again.graph is tensor.graph


def test_a_rewritten_operation_changes_its_descendants_and_keeps_the_rest():
    tensor = _tensor()
    graph = tensor.graph
    nodes, edges = list(graph.nodes), list(graph.edges(keys=True))
    changed = _node(graph, "tanh")
    rewritten = graph.add_node(changed, **{**graph.nodes[changed], "operation": cnp.exp(cnp.ones(1)).node.operation})
    again = LazyTensor(rewritten, tensor.node, tensor.output_index)
    assert _is_isomorphic(again.graph, rewritten)
    assert not _is_isomorphic(again.graph, graph)
    kept = [node for node in again.graph if any(node is other for other in nodes)]
    assert set(kept) == set(nodes) - {changed, *nx.descendants(graph, changed)}
    # The old graph is as it was.
    assert (list(graph.nodes), list(graph.edges(keys=True))) == (nodes, edges)
    assert graph.nodes[changed]["operation"].name == "tanh"
    np.testing.assert_array_equal(cnp.evaluate(tensor), cnp.evaluate(_tensor()))


def test_a_subtree_can_be_put_in_place_of_another():
    x = cnp.asarray(np.arange(3.0))
    y = cnp.sin(x) + cnp.cos(x)
    sine, cosine, total = _node(y.graph, "sin"), _node(y.graph, "cos"), y.node
    (key,) = y.graph[cosine][total]
    data = y.graph.get_edge_data(cosine, total, key)
    swapped = y.graph.remove_edge(cosine, total, key).add_edge(sine, total, key, **data)
    again = LazyTensor(swapped, total, 0)
    np.testing.assert_allclose(cnp.evaluate(again), 2 * np.sin(np.arange(3.0)))
    assert len(again.graph) == 3


def test_a_graph_that_misses_an_operand_is_an_error():
    x = cnp.asarray(np.arange(3.0))
    y = x + cnp.ones(3)
    for edge in y.graph.in_edges(y.node, keys=True):
        with pytest.raises((ShapeError, TypeError)):
            LazyTensor(y.graph.remove_edge(*edge), y.node, 0)


def test_a_graph_with_an_operand_twice_at_one_place_is_an_error():
    x = cnp.asarray(np.arange(3.0))
    y = cnp.subtract(x, cnp.ones(3))
    with pytest.raises(ShapeError, match="sink_input_index"):
        LazyTensor(y.graph.add_edge(x.node, y.node, 7, source_output_index=0, sink_input_index=0), y.node, 0)


def test_a_node_that_is_not_in_the_graph_is_an_error():
    with pytest.raises(KeyError, match="not a node"):
        LazyTensor(_tensor().graph, cnp.ones(3).node, 0)


@pytest.mark.parametrize("first_seed", range(0, 100, 25))
def test_graphs_of_random_programs_hold_exactly_the_ancestors_and_become_tensors_again(first_seed: int):
    for seed in range(first_seed, first_seed + 25):
        program = random_program(random.Random(seed), 8)
        with np.errstate(all="ignore"):
            lazy = program.run(cnp, {n: cnp.asarray(v) for n, v in program.inputs.items()}, lambda line, error: None)
        tensors = [value for value in lazy.values() if isinstance(value, LazyTensor)]
        graph = tensors[-1].graph
        assert nx.is_directed_acyclic_graph(graph)
        assert nx.ancestors(graph, tensors[-1].node) | {tensors[-1].node} == set(graph)
        relabelled = nx.convert_node_labels_to_integers(nx.MultiDiGraph(graph), label_attribute="node")
        place = next(label for label, data in relabelled.nodes(data=True) if data["node"] == tensors[-1].node)
        again = LazyTensor(cnp_graph(relabelled), place, tensors[-1].output_index)
        assert again.node == tensors[-1].node, f"seed {seed}\n{program}"


def cnp_graph(graph: nx.MultiDiGraph) -> Any:
    """Return networkx's graph as composit's."""
    from composit.multidigraph import from_networkx

    return from_networkx(graph)


def test_algorithms_of_networkx_run_on_a_tensors_graph():
    tensor = _tensor()
    graph = tensor.graph
    order = list(nx.topological_sort(graph))
    assert order[-1] is tensor.node
    assert sum(1 for _ in nx.all_simple_paths(graph, _node(graph, "matmul"), tensor.node)) >= 3
    assert nx.dag_longest_path_length(graph) == 7
    assert nx.to_numpy_array(graph).shape == (len(graph), len(graph))
    assert nx.number_weakly_connected_components(graph) == 1
