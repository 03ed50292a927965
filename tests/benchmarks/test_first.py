"""First runs: what a round in a process of its own reports."""

import composit.numpy as cnp
from benchmarks.first import FirstRun, _live_nodes, measure_first


def test_a_round_reports_time_memory_and_counts() -> None:
    run = measure_first("x = x + 1.0, 1,000 times")
    assert 1000 <= run.live_nodes <= run.operations < 1010
    assert run.reads == 0
    assert 0 < run.build_seconds < run.total_seconds
    assert run.numpy_seconds > 0


def test_memory_may_be_three_times_numpys_and_a_kibibyte_for_each_node() -> None:
    run = FirstRun(1.0, 1.0, 1.0, numpy_mib=10.0, mib=0.0, operations=4096, reads=0, live_nodes=2048)
    assert run.allowed_mib == 30 + 50 + 2


def test_nodes_that_results_share_are_counted_once() -> None:
    x = cnp.ones(3) + 1.0
    assert _live_nodes([x * x, x]) == _live_nodes([x]) + 1
