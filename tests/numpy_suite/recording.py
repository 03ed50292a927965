"""What is recorded of the last full run: per file how many tests count and pass, which fail, and what was compared.

A test that is not named here passes. A name without parameters stands for all of the function's tests.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.numpy_suite.running import FileResult

RECORD = Path(__file__).with_name("recorded.json")
SAMPLED_FALLBACKS = Path(__file__).with_name("sampled_fallbacks.json")
# The sample of numpy's tests that is run each time: of files with many tests one in so many.
SAMPLE_ONE_IN = 25
LONG = "long tests of "  # and a file's path: where the counts of its LONG_TESTS stand among those of samples


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is recorded of one file."""

    counted: int
    passed: int
    left_out: int
    lazy: int  # comparisons that saw a tensor of ours
    real: int  # comparisons that saw only numpy's values
    failing: frozenset[str]

    def expects_failure(self, test_id: str) -> bool:
        """Whether the test is among those that fail."""
        name = test_id.partition("::")[2]
        return bool({"*", name, name.partition("[")[0]} & self.failing)


def recorded(mode: str) -> dict[str, Recorded]:
    """Return what is recorded of each file in the mode, lazy or strict."""
    rows = _read().get(mode, {}).items()
    return {path: Recorded(**row | {"failing": frozenset(row["failing"])}) for path, row in rows}


def _read() -> dict[str, Any]:
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}


def update(results: Sequence[FileResult], mode: str) -> None:
    """Write the outcomes in place of what was recorded of these files."""
    rows = _read()
    files = rows.setdefault(mode, {})
    for result in results:
        files[result.path] = {
            "counted": len(result.passed) + len(result.failed),
            "passed": len(result.passed),
            "left_out": len(result.left_out),
            "lazy": result.num_lazy,
            "real": result.num_real,
            "failing": _failing_names(result),
        }
    RECORD.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def sampled_fallbacks() -> dict[str, dict[str, int]]:
    """Return for each file how often numpy's functions decided, in the tests of its sample that pass, what rules declined.

    The tests that a sample leaves out, because they take long, are rows of their own. A file that is not named has no such
    call.
    """
    return json.loads(SAMPLED_FALLBACKS.read_text(encoding="utf-8")) if SAMPLED_FALLBACKS.exists() else {}


def update_fallbacks(results: Sequence[FileResult], long_results: Sequence[FileResult]) -> None:
    """Write these counts of samples, and of tests that samples leave out, in place of what was recorded of the files."""
    rows = sampled_fallbacks() | {result.path: dict(result.fallbacks) for result in results}
    rows |= {LONG + result.path: dict(result.fallbacks) for result in long_results}
    named = {path: counts for path, counts in rows.items() if counts}
    SAMPLED_FALLBACKS.write_text(json.dumps(named, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _failing_names(result: FileResult) -> list[str]:
    if result.uncollected or (result.failed and not result.passed):
        return ["*"]
    passing = {_function(test_id) for test_id in result.passed}
    by_function: dict[str, list[str]] = defaultdict(list)
    for test_id in result.failed:
        by_function[_function(test_id)].append(test_id.partition("::")[2])
    return sorted(name for function, names in by_function.items() for name in _names(function, names, passing))


def _names(function: str, names: list[str], passing: Iterable[str]) -> list[str]:
    return names if function in passing else [function]


def _function(test_id: str) -> str:
    return test_id.partition("::")[2].partition("[")[0]


def differences(result: FileResult, record: Recorded) -> list[str]:
    """Return what differs from the record, a line each: tests that fail and should pass, and tests that newly pass.

    A sample allows less time than a full run: a test that used it up says nothing.
    """
    lost = [
        f"fails, recorded as passing: {test_id}\n    {row.get('error', '')}\n    at {row.get('line', '')}"
        for test_id, row in result.failed.items()
        if not record.expects_failure(test_id) and not row.get("error", "").startswith("TestTimeoutError")
    ]
    won = [f"passes, recorded as failing: {test_id}" for test_id in result.passed if record.expects_failure(test_id)]
    if result.uncollected and "*" not in record.failing:
        lost.append(f"not imported: {result.uncollected}")
    return lost + won
