"""A sample of numpy's own tests passes as recorded, and what newly passes has been recorded.

The sample is the same in each run: of a file with many tests those whose id falls into one residue class, of a small
file all. The whole suite is `python -m tests.numpy_suite`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.numpy_suite import recording, running

RECORDED = recording.recorded("lazy")
FALLBACKS = recording.sampled_fallbacks()


@pytest.fixture(scope="module")
def outcome_of(request: pytest.FixtureRequest) -> Iterator[Callable[[str], running.FileResult]]:
    """Return the outcomes of a file's sample; without xdist the files run ahead on two cores."""
    wanted = [item.callspec.params["path"] for item in request.session.items if item.module is request.module]
    num_workers = 1 if "PYTEST_XDIST_WORKER" in os.environ else running.NUM_WORKERS
    with ThreadPoolExecutor(num_workers) as pool:
        futures: dict[str, Future[running.FileResult]] = {}

        def outcome(path: str) -> running.FileResult:
            for other in [path] if num_workers == 1 else wanted:
                if other not in futures:
                    futures[other] = pool.submit(running.run_file, other, "lazy", one_in=recording.SAMPLE_ONE_IN)
            return futures[path].result()

        yield outcome
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("path", sorted(RECORDED))
def test_file_of_numpys_suite_passes_as_recorded(path: str, outcome_of: Callable[[str], running.FileResult]) -> None:
    different = recording.differences(outcome_of(path), RECORDED[path])
    assert not different, "\n".join(
        [*different, f"when this is right, record it: python -m tests.numpy_suite --update {path}"]
    )


@pytest.mark.parametrize("path", sorted(RECORDED))
def test_rules_decline_as_many_calls_as_recorded(path: str, outcome_of: Callable[[str], running.FileResult]) -> None:
    # A fault in a rule is an error; a rule that newly declines, for whatever reason, shows as a changed count.
    counted = dict(outcome_of(path).fallbacks)
    assert counted == FALLBACKS.get(path, {}), (
        f"when this is right, record it: python -m tests.numpy_suite --update-fallbacks {path}"
    )
