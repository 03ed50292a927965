"""networkx's own tests of MultiDiGraph and of its views, run on ours.

`RebindingGraph` lets them change a graph by rebinding it. What is left out stands in a table with its reason, and each
test left out is run too and must fail, so that the tables stay true.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import networkx
import pytest
from networkx.classes.tests import test_graphviews, test_multidigraph, test_reportviews, test_subgraphviews

from composit.multidigraph import MultiDiGraph, from_networkx
from tests.composit.multidigraph.rebinding import RebindingGraph

WRITES_ATTRIBUTES = "assigns to an attribute dict in place; a graph is a value, with_attributes and add_* update them"
WANTS_A_LIVE_VIEW = "changes a graph and expects an earlier view or subgraph to change; here each is a value"
WANTS_THE_VIEWED_GRAPH = "asks a view for its `_graph`; the graph itself is returned, nothing can change it"
WANTS_DEEP_COPIES = "expects to_undirected and to_directed to deep-copy values, which may be large arrays"

CLASS_TESTS_LEFT_OUT = {
    "test_cache_reset": "assigns to G._adj; the storage cannot be assigned",
    "test_graph_chain": WANTS_THE_VIEWED_GRAPH,
    "test_graph_attr": WRITES_ATTRIBUTES,
    "test_node_attr": WRITES_ATTRIBUTES,
    "test_edge_attr4": WRITES_ATTRIBUTES,
    "test_clear": WRITES_ATTRIBUTES,
    "test_clear_edges": WRITES_ATTRIBUTES,
    "test_update": WRITES_ATTRIBUTES,
    "test_to_directed_as_view": WANTS_THE_VIEWED_GRAPH,
    "test_to_undirected_as_view": WANTS_THE_VIEWED_GRAPH,
    "test_to_directed": WANTS_DEEP_COPIES,
    "test_to_undirected": WANTS_DEEP_COPIES,
}
SUBGRAPH_TESTS_LEFT_OUT = {
    "test_remove_node": WANTS_A_LIVE_VIEW,
    "test_node_attr_dict": WRITES_ATTRIBUTES,
    "test_edge_attr_dict": WRITES_ATTRIBUTES,
    "test_graph_attr_dict": "compares the identity of G.graph and H.graph across two wrappers",
}


def leaving_out(names: dict[str, str]) -> Any:
    """A class decorator that hides inherited tests from pytest and keeps them as `left_out`."""

    def decorate(cls: type) -> type:
        cls.left_out = {name: getattr(cls, name) for name in names}
        for name in names:
            setattr(cls, name, None)
        return cls

    return decorate


@leaving_out(CLASS_TESTS_LEFT_OUT)
class TestMultiDiGraphAsNetworkxDoes(test_multidigraph.TestMultiDiGraph):
    def setup_method(self) -> None:
        self.Graph = RebindingGraph
        self.k3nodes = [0, 1, 2]
        self.k3edges = [(0, 1), (0, 2), (1, 2)]
        self.K3 = RebindingGraph([(u, v) for u in range(3) for v in range(3) if u != v])

    def add_attributes(self, G: Any) -> None:
        G.current = G.current.with_attributes(foo=[]).add_node(0, foo=[]).remove_edge(1, 2)
        shared: list[int] = []
        G.add_edge(1, 2, foo=shared)
        G.add_edge(2, 1, foo=shared)

    def test_memory_leak(self) -> None:
        # It counts the graphs of the whole process, where those of other tests come and go: so in a process of its own.
        program = (
            "from networkx.classes.tests.test_multidigraph import TestMultiDiGraph as Tests\n"
            "from tests.composit.multidigraph.rebinding import RebindingGraph\n"
            "tests = Tests(); tests.Graph = RebindingGraph; tests.test_memory_leak()"
        )
        subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, cwd=Path(__file__).parents[3])

    def different_attrdict(self, H: Any, G: Any) -> None:
        self.same_attrdict(H, G)

    def same_attrdict(self, H: Any, G: Any) -> None:
        # networkx changes H in place to see whether G changes with it; here neither can be changed
        for attributes in (H.nodes[0], H.adj[1][2][0], H.graph):
            with pytest.raises(TypeError, match="a graph is a value"):
                attributes["foo"] = "baz"


@leaving_out(SUBGRAPH_TESTS_LEFT_OUT)
class TestEdgeSubgraphAsNetworkxDoes(test_multidigraph.TestEdgeSubgraph):
    def setup_method(self) -> None:
        super().setup_method()
        self.G = RebindingGraph(from_networkx(self.G))
        self.H = self.G.edge_subgraph([(0, 1, 0), (3, 4, 1)])


def path_of_nine() -> MultiDiGraph:
    return from_networkx(networkx.path_graph(9, create_using=networkx.MultiDiGraph()))


class TestOutMultiEdgeDataViewAsNetworkxDoes(test_reportviews.TestOutMultiEdgeDataView):
    @classmethod
    def setup_class(cls) -> None:
        cls.G = path_of_nine()
        cls.eview = networkx.reportviews.OutMultiEdgeView


class TestInMultiEdgeDataViewAsNetworkxDoes(test_reportviews.TestInMultiEdgeDataView):
    @classmethod
    def setup_class(cls) -> None:
        cls.G = path_of_nine()
        cls.eview = networkx.reportviews.InMultiEdgeView


@leaving_out({"test_iterkeys": WRITES_ATTRIBUTES})
class TestOutMultiEdgeViewAsNetworkxDoes(test_reportviews.TestOutMultiEdgeView):
    @classmethod
    def setup_class(cls) -> None:
        cls.G = path_of_nine().add_edge(1, 2, key=3, foo="bar")
        cls.eview = networkx.reportviews.OutMultiEdgeView


@leaving_out({"test_iterkeys": WRITES_ATTRIBUTES})
class TestInMultiEdgeViewAsNetworkxDoes(test_reportviews.TestInMultiEdgeView):
    @classmethod
    def setup_class(cls) -> None:
        cls.G = path_of_nine().add_edge(1, 2, key=3, foo="bar")
        cls.eview = networkx.reportviews.InMultiEdgeView


class TestNodeViewAsNetworkxDoes(test_reportviews.TestNodeView):
    @classmethod
    def setup_class(cls) -> None:
        cls.G = path_of_nine()
        cls.nv = cls.G.nodes


class TestNodeViewSetOpsAsNetworkxDoes(test_reportviews.TestNodeViewSetOps):
    @classmethod
    def setup_class(cls) -> None:
        cls.G = path_of_nine().add_node(3, foo="bar")
        cls.nv = cls.G.nodes


class TestNodeDataViewSetOpsAsNetworkxDoes(test_reportviews.TestNodeDataViewSetOps):
    @classmethod
    def setup_class(cls) -> None:
        cls.G = path_of_nine().add_node(3, foo="bar")
        cls.nv = cls.G.nodes.data("foo")


class TestNodeDataViewAsNetworkxDoes(test_reportviews.TestNodeDataView):
    @classmethod
    def setup_class(cls) -> None:
        cls.G = path_of_nine()
        cls.nv = test_reportviews.NodeDataView(cls.G)
        cls.ndv = cls.G.nodes.data(True)
        cls.nwv = cls.G.nodes.data("foo")


def _degree_case(parent: Any) -> Any:
    class Case(parent):
        @classmethod
        def setup_class(cls) -> None:
            super().setup_class()
            cls.G = from_networkx(cls.G)

    return Case


TestDegreeViewAsNetworkxDoes = _degree_case(test_reportviews.TestDiMultiDegreeView)
TestOutDegreeViewAsNetworkxDoes = _degree_case(test_reportviews.TestOutMultiDegreeView)
TestInDegreeViewAsNetworkxDoes = _degree_case(test_reportviews.TestInMultiDegreeView)


class TestReverseViewAsNetworkxDoes(test_graphviews.TestMultiReverseView):
    def setup_method(self) -> None:
        super().setup_method()
        self.G = from_networkx(self.G)
        self.rv = networkx.reverse_view(self.G)


class TestSubGraphViewAsNetworkxDoes(test_subgraphviews.TestMultiDiGraphView):
    @classmethod
    def setup_class(cls) -> None:
        super().setup_class()
        cls.G = from_networkx(cls.G)


@pytest.mark.parametrize(
    ("test_class", "name"),
    [
        (test_class, name)
        for test_class in (
            TestMultiDiGraphAsNetworkxDoes,
            TestEdgeSubgraphAsNetworkxDoes,
            TestOutMultiEdgeViewAsNetworkxDoes,
            TestInMultiEdgeViewAsNetworkxDoes,
        )
        for name in test_class.left_out
    ],
)
def test_a_test_that_is_left_out_does_change_in_place(test_class: Any, name: str) -> None:
    instance = test_class()
    instance.setup_class() if hasattr(test_class, "setup_class") else instance.setup_method()
    with pytest.raises((TypeError, AttributeError, AssertionError)):
        test_class.left_out[name](instance)
