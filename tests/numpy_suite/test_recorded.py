"""A sample of numpy's own tests passes as recorded, and what newly passes has been recorded.

The sample is the same in each run: of a file with many tests those whose id falls into one residue class, of a small
file all. What takes seconds is left out of it, and run in the slow run. The whole suite is `python -m tests.numpy_suite`.
"""

from __future__ import annotations

from functools import lru_cache

import pytest

from tests.numpy_suite import recording, running
from tests.numpy_suite.long_tests import LONG_TESTS

RECORDED = recording.recorded("lazy")
FALLBACKS = recording.sampled_fallbacks()
NUM_BATCHES = 2  # of files whose samples one process runs, which takes seconds to start
# They take ten seconds to import.
SLOW_FILES = ("linalg/tests/test_linalg.py",)
QUICK_FILES = [path for path in sorted(RECORDED) if path not in SLOW_FILES]
BATCHES = [SLOW_FILES, *(tuple(QUICK_FILES[start::NUM_BATCHES]) for start in range(NUM_BATCHES))]


@lru_cache(maxsize=1)
def _outcomes(batch: tuple[str, ...]) -> dict[str, running.FileResult]:
    return {result.path: result for result in running.run_sample(batch, "lazy", recording.SAMPLE_ONE_IN)}


# Of module scope, so that pytest runs all tests of one batch before those of the next.
@pytest.fixture(
    scope="module",
    params=[
        pytest.param((batch, path), id=path, marks=pytest.mark.slow if batch is SLOW_FILES else ())
        for batch in BATCHES
        for path in batch
    ],
)
def outcome(request: pytest.FixtureRequest) -> running.FileResult:
    batch, path = request.param
    return _outcomes(batch)[path]


def test_file_of_numpys_suite_passes_as_recorded(outcome: running.FileResult) -> None:
    different = recording.differences(outcome, RECORDED[outcome.path])
    assert not different, "\n".join(
        [*different, f"when this is right, record it: python -m tests.numpy_suite --update {outcome.path}"]
    )


@pytest.mark.slow
def test_long_tests_of_numpys_suite_pass_as_recorded() -> None:
    results = running.run_tests(LONG_TESTS, "lazy")
    assert sum(len(result.passed) + len(result.failed) for result in results) == len(LONG_TESTS)
    assert [line for result in results for line in recording.differences(result, RECORDED[result.path])] == []
    counted = {recording.LONG + result.path: dict(result.fallbacks) for result in results if result.fallbacks}
    assert counted == {path: row for path, row in FALLBACKS.items() if path.startswith(recording.LONG)}


def test_rules_decline_as_many_calls_as_recorded(outcome: running.FileResult) -> None:
    # A fault in a rule is an error; a rule that newly declines, for whatever reason, shows as a changed count.
    counted = dict(outcome.fallbacks)
    assert counted == FALLBACKS.get(outcome.path, {}), (
        f"when this is right, record it: python -m tests.numpy_suite --update-fallbacks {outcome.path}"
    )
