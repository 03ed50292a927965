"""Tables of outcomes: per file, per failing test, per cause of failure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tests.numpy_suite.running import FileResult


def num_counted(result: FileResult, reference: Mapping[str, int]) -> int:
    """Return how many tests of the file count: those that ran, and not fewer than pass with numpy itself in the file."""
    return max(len(result.passed) + len(result.failed), reference.get(result.path, 0))


def table(results: Sequence[FileResult], reference: Mapping[str, int]) -> Iterator[str]:
    """Yield the lines of the table: counted, passed, percentage and left out per file, and the total."""
    yield f"{'file':48} {'counted':>8} {'passed':>8} {'percent':>8} {'skipped':>8} {'left out':>8} {'lazy':>6}"
    for result in sorted(results, key=lambda result: result.path):
        counted = num_counted(result, reference)
        note = f"  not imported: {result.uncollected[:150]}" if result.uncollected else ""
        yield _row(result.path, counted, [result], note)
    yield _row("total", sum(num_counted(result, reference) for result in results), results, "")
    below = [result.path for result in results if len(result.passed) < 0.8 * num_counted(result, reference)]
    yield f"files below 80%: {len(below)} of {len(results)}"


def _row(name: str, counted: int, results: Sequence[FileResult], note: str) -> str:
    passed = sum(len(result.passed) for result in results)
    skipped, left_out = (
        sum(len(part) for part in parts) for parts in zip(*((r.skipped, r.left_out) for r in results), strict=True)
    )
    lazy, real = sum(result.num_lazy for result in results), sum(result.num_real for result in results)
    percent = f"{100 * passed / counted:.1f}" if counted else "-"
    share = f"{100 * lazy / (lazy + real):.0f}%" if lazy + real else "-"
    return f"{name:48} {counted:8} {passed:8} {percent:>8} {skipped:8} {left_out:8} {share:>6}{note}"


def failures(results: Sequence[FileResult]) -> Iterator[str]:
    """Yield the id, the error's last line and the place of each failing test."""
    for result in results:
        if result.uncollected:
            yield f"{result.path}\n    not imported: {result.uncollected}"
        for test_id, row in result.failed.items():
            yield f"{test_id}\n    {row.get('error', '')}\n    at {row.get('line', '')}   raised {row.get('raised', '')}"


def _cause(error: str) -> str:
    """Return the error with numbers, addresses and array contents left out, so that like errors are one."""
    error = re.sub(r"0x[0-9a-f]+|-?\d+(\.\d*)?(e[+-]?\d+)?", "#", error)
    return re.sub(r"\[#[^\]]*\]|\(#[^)]*\)", "[..]", error)[:160]


def by_error(results: Sequence[FileResult], num_causes: int = 60) -> Iterator[str]:
    """Yield the causes of failure, the most frequent first, with the files and an example of each."""
    examples: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for result in results:
        for test_id, row in result.failed.items():
            error = row.get("error", "").strip()
            words = f"{error} {row.get('line', '').partition(': ')[2]}" if error == "AssertionError:" else error
            examples[_cause(words)].append((result.path, test_id))
    for cause, tests in sorted(examples.items(), key=lambda item: -len(item[1]))[:num_causes]:
        files = ", ".join(f"{path} {count}" for path, count in Counter(path for path, _ in tests).most_common(4))
        yield f"{len(tests):6}  {cause}\n          {files}\n          e.g. {tests[0][1]}"
