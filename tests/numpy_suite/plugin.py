"""The pytest plugin of the suite: numpy's test files are loaded by `loading`, outcomes are written one a line.

Run by `running` in processes of their own, never part of the project's own pytest run.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import linecache
import signal
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TextIO

import pytest

from composit.numpy.calls.fallback import count_fallbacks
from tests.numpy_suite import comparisons, expectations
from tests.numpy_suite.excluded import reason_left_out
from tests.numpy_suite.loading import NUMPY_ROOT, load
from tests.numpy_suite.long_tests import LONG_TESTS
from tests.prepared import by_programs

SMALL_FILE = 40  # tests; a sample of these would hold next to none


class TestTimeoutError(BaseException):
    """A test took too long; not an Exception, so that no test catches it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    parser.addoption("--suite-mode", choices=("lazy", "strict", "prepared", "reference"), default="lazy")
    parser.addoption("--suite-out", default=None, help="append one JSON object per outcome to this file")
    parser.addoption("--suite-timeout", type=float, default=60.0, help="seconds of processor time that a test may take")
    parser.addoption("--suite-one-in", type=int, default=1, help="run a sample: about one in so many of the tests")
    parser.addoption("--suite-done", default=None, help="a file of test ids, one a line: do not run these")


class SuiteModule(pytest.Module):
    """One of numpy's test files."""

    def _getobj(self) -> Any:
        return load(self.path, redirected=self.config.getoption("--suite-mode") != "reference")


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Collect files of numpy by the suite's loader."""
    return SuiteModule.from_parent(parent, path=module_path) if module_path.is_relative_to(NUMPY_ROOT) else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop what is left out, and what an earlier process has run."""
    done, one_in = _ids_in(config.getoption("--suite-done")), config.getoption("--suite-one-in")
    path_to_count = Counter(item.path for item in items)
    kept = []
    for item in items:
        if not _is_sampled(item.nodeid, path_to_count[item.path], one_in):
            continue
        reason = reason_left_out(item.nodeid)
        if reason is not None:
            _write(config, {"id": item.nodeid, "outcome": "excluded", "line": reason})
        elif item.nodeid not in done:
            kept.append(item)
    items[:] = kept


def _is_sampled(test_id: str, num_tests: int, one_in: int) -> bool:
    """Whether a test belongs to the sample of its file, which has so many tests."""
    if one_in == 1:
        return True
    return test_id not in LONG_TESTS and (num_tests <= SMALL_FILE or zlib.crc32(test_id.encode()) % one_in == 0)


def _ids_in(path: str | None) -> set[str]:
    return set(Path(path).read_text(encoding="utf-8").splitlines()) if path else set()


def _write(config: pytest.Config, row: dict[str, Any]) -> None:
    out = config.getoption("--suite-out")
    if out:
        file = _opened(out)
        file.write(json.dumps(row) + "\n")
        file.flush()


@functools.cache
def _opened(path: str) -> TextIO:
    return open(path, "a", encoding="utf-8")


def _stop_test(*_: object) -> None:
    raise TestTimeoutError("the test used up its processor time")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Write that the test starts, so that a crash is seen, and what it compared."""
    _write(item.config, {"id": item.nodeid, "outcome": "started"})
    before = dataclasses.replace(comparisons.counts)
    result = yield
    _write(item.config, {"id": item.nodeid, "compared": dataclasses.asdict(comparisons.counts - before)})
    return result


def _way_of(mode: str) -> AbstractContextManager[Any]:
    if mode == "strict":
        return expectations.strict()
    return by_programs() if mode == "prepared" else nullcontext()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Run the test under the time limit, in strict mode inside cnp.strict(), and write which calls rules declined."""
    previous = signal.signal(signal.SIGPROF, _stop_test)
    signal.setitimer(signal.ITIMER_PROF, item.config.getoption("--suite-timeout"))
    mode = item.config.getoption("--suite-mode")
    try:
        with count_fallbacks() as counted, _way_of(mode):
            result = yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
    # Of a test that fails, or is stopped, nobody knows how far it came.
    if counted:
        _write(item.config, {"id": item.nodeid, "fallbacks": dict(counted)})
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Write the outcome of each phase that decides."""
    report = yield
    xfailed = hasattr(report, "wasxfail")
    if report.skipped or xfailed:
        _write(item.config, {"id": item.nodeid, "outcome": "skipped"})
    elif report.failed:
        _write(item.config, {"id": item.nodeid, "outcome": "failed", **_where(call)})
    elif report.when == "call":
        _write(item.config, {"id": item.nodeid, "outcome": "passed"})
    return report


def _where(call: pytest.CallInfo[None]) -> dict[str, Any]:
    excinfo = call.excinfo
    assert excinfo is not None
    text = str(excinfo.value).strip().splitlines()
    entries = [entry for entry in excinfo.traceback if "numpy_suite" not in str(entry.path)]
    in_test = [entry for entry in entries if "/tests/" in str(entry.path)] or entries[-1:]
    place = in_test[-1] if in_test else excinfo.traceback[-1]
    last = excinfo.traceback[-1]
    # The line alone: to find where a statement begins, pytest parses the file for each test that fails.
    source = linecache.getline(str(place.path), place.lineno + 1).strip()
    return {
        "error": f"{type(excinfo.value).__name__}: {' | '.join(text[:3])[:300]}",
        "line": f"{Path(place.path).name}:{place.lineno + 1}: {source}"[:200],
        "raised": f"{'/'.join(Path(last.path).parts[-3:])}:{last.lineno + 1}",
    }


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Remember a file that could not be imported; it is written at the end."""
    if report.failed:
        _collection_errors.append((report.nodeid, str(report.longrepr).strip().splitlines()[-1][:300]))


_collection_errors: list[tuple[str, str]] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write collection errors, and that all tests have run."""
    for node_id, error in _collection_errors:
        _write(session.config, {"id": node_id, "outcome": "uncollected", "error": error})
    _write(session.config, {"finished": True})
