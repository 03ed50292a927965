"""networkx's own tests of its algorithms, run with our graph in place of networkx's.

They run in a child process, because the substitution changes networkx. Once for each networkx.MultiDiGraph that a test
gives to an algorithm; and once, in the modules where a graph without parallel edges gets the same answer as a
multigraph, for each DiGraph too.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.sampling import only

ADDS_TO_ITS_GRAPH = "the algorithm adds a node to the caller's graph and removes it again"
REPORTS_KEYS = "a multigraph's edges are reported with keys, and the test expects a DiGraph's"
LONG = (
    "test_isomorphvf2::TestVF2GraphDB::test_subgraph_monomorphic",
    "test_cycles::TestMinimumCycleBasis::test_dimensionality",
    "test_cycles::TestCycleEnumeration::test_chordless_cycles_giant_hamiltonian",
    "test_cycles::TestCycleEnumeration::test_simple_cycles_notable_clique_sequences",
)
KEEPS_PARALLEL_EDGES = "the answer is a multigraph, and the test expects a DiGraph"


@dataclass(frozen=True, slots=True)
class Run:
    substituted: str
    modules: tuple[str, ...]
    left_out: dict[str, str]
    at_least_passed: int


MULTIGRAPHS = Run(
    substituted="MultiDiGraph",
    modules=(
        "tests.test_dag",
        "tests.test_cycles",
        "tests.test_lowest_common_ancestors",
        "tests.test_euler",
        "tests.test_simple_paths",
        "tests.test_boundary",
        "tests.test_link_prediction",
        "tests.test_voronoi",
        "tree.tests.test_recognition",
        "isomorphism.tests.test_vf2userfunc",
        "isomorphism.tests.test_match_helpers",
        "isomorphism.tests.test_isomorphvf2",
        "operators.tests.test_binary",
        "traversal.tests.test_edgedfs",
        "traversal.tests.test_edgebfs",
        "minors.tests.test_contraction",
        "components.tests.test_semiconnected",
        "shortest_paths.tests.test_weighted",
    ),
    left_out={"test_weighted::TestWeightedPath::test_negative_edge_cycle": ADDS_TO_ITS_GRAPH},
    at_least_passed=500,
)

DIRECTED_GRAPHS = Run(
    substituted="DiGraph",
    modules=(
        "tests.test_dag",
        "tests.test_lowest_common_ancestors",
        "tests.test_simple_paths",
        "tests.test_dominance",
        "tests.test_boundary",
        "tests.test_hierarchy",
        "components",
        "shortest_paths",
        "traversal.tests.test_bfs",
        "traversal.tests.test_dfs",
        "traversal.tests.test_beamsearch",
        "isomorphism.tests.test_isomorphism",
        "centrality.tests.test_degree_centrality",
    ),
    left_out={
        "test_dag::TestDAG::test_topological_sort6": "changes the graph while it is sorted and expects to be caught",
        "test_dag::TestDAG::test_transitive_closure": KEEPS_PARALLEL_EDGES,
        "test_dag::TestDAG::test_transitive_closure_dag": KEEPS_PARALLEL_EDGES,
        "test_dag::TestDagToBranching::test_already_branching": KEEPS_PARALLEL_EDGES,
        "test_simple_paths::test_digraph_all_simple_edge_paths_with_two_targets_emits_two_paths": REPORTS_KEYS,
        "test_simple_paths::test_digraph_all_simple_edge_paths_with_two_targets_cutoff": REPORTS_KEYS,
        "test_simple_paths::test_all_simple_edge_paths_ignores_cycle": REPORTS_KEYS,
        "test_simple_paths::test_all_simple_edge_paths_with_two_targets_inside_cycle_emits_two_paths": REPORTS_KEYS,
        "test_simple_paths::test_all_simple_edge_paths_on_non_trivial_graph": REPORTS_KEYS,
        "test_simple_paths::test_all_simple_edge_paths_directed": REPORTS_KEYS,
        "test_astar::TestAStar::test_astar_directed_weight_function": "the weight function reads one edge's attributes",
        "test_weighted::TestWeightedPath::test_negative_edge_cycle": ADDS_TO_ITS_GRAPH,
        "test_weighted::TestWeightedPath::test_negative_edge_cycle_custom_weight_key": ADDS_TO_ITS_GRAPH,
        "test_weighted::TestBellmanFordAndGoldbergRadzik::test_negative_cycle_heuristic": ADDS_TO_ITS_GRAPH,
        "test_weighted::TestBellmanFordAndGoldbergRadzik::test_negative_cycle_consistency": ADDS_TO_ITS_GRAPH,
    },
    at_least_passed=400,
)


RUNS = {
    "multigraphs": replace(MULTIGRAPHS, left_out={**MULTIGRAPHS.left_out, **dict.fromkeys(LONG, "takes long")}),
    "directed_graphs": DIRECTED_GRAPHS,
    "all_of_multigraphs": MULTIGRAPHS,
}


@pytest.mark.parametrize("name", only(["multigraphs"], RUNS))
def test_networkx_algorithms_pass_their_own_tests_on_our_graph(name: str, tmp_path: Path) -> None:
    run = RUNS[name]
    repository = Path(__file__).parents[3]
    environment = {
        **os.environ,
        "PYTHONPATH": str(repository),
        "COMPOSIT_SUBSTITUTE": run.substituted,
        "COMPOSIT_EXCLUDED": "\n".join(run.left_out),
    }
    off = [part for name in ("cacheprovider", "anyio", "hypothesispytest") for part in ("-p", f"no:{name}")]
    plugins = ["-p", "tests.composit.multidigraph.substitution", *off]
    # Plain assertions: to rewrite those of all modules takes longer than to run them.
    options = ["--assert=plain", "-c", os.devnull, "--rootdir", str(tmp_path), "-q", "--tb=short", "--pyargs"]
    command = [sys.executable, "-m", "pytest", *plugins, *options]
    modules = [f"networkx.algorithms.{module}" for module in run.modules]
    finished = subprocess.run([*command, *modules], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    passed, substitutions = (int(re.findall(words, finished.stdout)[-1]) for words in (r"(\d+) passed", r"s: (\d+)"))
    assert passed >= run.at_least_passed
    assert substitutions >= 100
