"""A sample of numpy's own tests passes as recorded, and what newly passes has been recorded.

The sample is the same in each run: of a file with many tests those whose id falls into one residue class, of a small
file all. The whole suite is `python -m tests.numpy_suite`.
"""

from __future__ import annotations

import pytest

from tests.numpy_suite import recording, running

RECORDED = recording.recorded("lazy")
FALLBACKS = recording.sampled_fallbacks()


# Of module scope, so that pytest runs the tests of one file after another, and its sample once.
@pytest.fixture(scope="module", params=sorted(RECORDED))
def outcome(request: pytest.FixtureRequest) -> running.FileResult:
    return running.run_file(request.param, "lazy", one_in=recording.SAMPLE_ONE_IN)


def test_file_of_numpys_suite_passes_as_recorded(outcome: running.FileResult) -> None:
    different = recording.differences(outcome, RECORDED[outcome.path])
    assert not different, "\n".join(
        [*different, f"when this is right, record it: python -m tests.numpy_suite --update {outcome.path}"]
    )


def test_rules_decline_as_many_calls_as_recorded(outcome: running.FileResult) -> None:
    # A fault in a rule is an error; a rule that newly declines, for whatever reason, shows as a changed count.
    counted = dict(outcome.fallbacks)
    assert counted == FALLBACKS.get(outcome.path, {}), (
        f"when this is right, record it: python -m tests.numpy_suite --update-fallbacks {outcome.path}"
    )
