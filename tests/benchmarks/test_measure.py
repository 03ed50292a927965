"""The harness itself: medians with their interval, rounds that interleave, a worker's answers."""

import numpy as np
import pytest

from benchmarks.contender import Contender, SkipContender
from benchmarks.measure import median_interval, run_interleaved
from benchmarks.worker import Worker


def test_the_interval_of_a_median_holds_it() -> None:
    interval = median_interval([float(value) for value in range(1, 31)])
    # binomial(30, 1/2) lies between 10 and 20 in 95.7% of cases: the 10th and 21st values.
    assert (interval.low, interval.median, interval.high) == (10.0, 15.5, 21.0)


def test_the_interval_of_one_value_is_that_value() -> None:
    interval = median_interval([2.0])
    assert (interval.low, interval.median, interval.high) == (2.0, 2.0, 2.0)


def test_each_round_runs_every_contender_once_in_a_rotating_order() -> None:
    calls: list[str] = []
    timings = run_interleaved({name: lambda name=name: calls.append(name) for name in "abc"}, 3, warmups=0)
    assert "".join(calls) == "abcbcacab"
    assert all(len(seconds) == 3 for seconds in timings.name_to_seconds.values())
    assert timings.ratio("a", "a").median == 1.0


def prepare(workload: float):
    """What a contender's module defines; a worker imports this very module."""
    return lambda: np.full(2, workload)


def test_a_worker_answers_from_its_own_process() -> None:
    with Worker(Contender("here", "tests.benchmarks.test_measure"), 3.0) as worker:
        worker.run()
        np.testing.assert_array_equal(worker.output(), [3.0, 3.0])


def test_a_contender_whose_library_is_missing_is_left_out_with_the_reason() -> None:
    with pytest.raises(SkipContender, match="no_such_library is not installed"):
        Worker(Contender("missing", "no_such_library"), None)
