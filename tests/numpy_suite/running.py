"""Run numpy's test files, a process each or a sample of several in one, and read the outcomes they wrote."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy

from tests.numpy_suite.excluded import is_file_left_out

NUMPY_ROOT = Path(numpy.__file__).parent
REPOSITORY = Path(__file__).parents[2]
RESULTS = Path(tempfile.gettempdir()) / f"composit-numpy-suite-{os.getuid()}"
FILE_TIMEOUT_S = 3600
MAX_RESTARTS = 25
TEST_TIMEOUT_S = (
    240  # of processor time, so that a busy machine fails no test; numpy takes 2 s where our loops take longest
)
SAMPLED_TEST_TIMEOUT_S = 5
NUM_WORKERS = 2


@dataclass(slots=True)
class FileResult:
    """What one file's tests did."""

    path: str
    passed: list[str] = field(default_factory=list)
    failed: dict[str, dict[str, str]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    uncollected: str = ""
    num_lazy: int = 0
    num_real: int = 0
    fallbacks: Counter[str] = field(
        default_factory=Counter
    )  # numpy's functions that decided a call that a rule declined
    finished: bool = False


def all_files() -> list[str]:
    """Return the path under numpy's folder of each test file that no row leaves out, the largest first."""
    found = sorted(NUMPY_ROOT.glob("**/tests/test_*.py"), key=lambda path: -path.stat().st_size)
    paths = [path.relative_to(NUMPY_ROOT).as_posix() for path in found]
    return [path for path in paths if not is_file_left_out(path)]


def left_out_files() -> list[str]:
    """Return the paths of the files that a row leaves out whole."""
    paths = [path.relative_to(NUMPY_ROOT).as_posix() for path in sorted(NUMPY_ROOT.glob("**/tests/test_*.py"))]
    return [path for path in paths if is_file_left_out(path)]


def command(targets: Sequence[str], mode: str, *options: str) -> list[str]:
    """Return the command that runs files or test ids of numpy's suite under pytest."""
    arguments = [
        "-p",
        "tests.numpy_suite.plugin",
        "-p",
        "no:cacheprovider",
        # hypothesis would read all our modules for constants when a file has one test of its kind.
        "-p",
        "no:hypothesispytest",
        # `loading` compiles numpy's files; rewriting assertions in all other modules takes seconds.
        "--assert=plain",
        "-c",
        str(REPOSITORY / "tests/numpy_suite/numpy.ini"),
    ]
    arguments += ["--rootdir", str(NUMPY_ROOT), "--suite-mode", mode, *options]
    return [sys.executable, "-m", "pytest", *arguments, *(f"{NUMPY_ROOT}/{target}" for target in targets)]


def environment() -> dict[str, str]:
    """Return the environment of a run: nothing is written beside numpy's files."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1"}  # fmt: skip


def output_path(path: str, mode: str) -> Path:
    """Return where the outcomes of the file are written."""
    return RESULTS / mode / (path.replace("/", "__") + ".jsonl")


def run_file(path: str, mode: str) -> FileResult:
    """Return the outcomes of the file's tests, which are kept for `read_result`."""
    with tempfile.TemporaryDirectory() as directory:
        out = _run_to_the_end([path], mode, directory, one_in=1)
        result = read_outcomes(path, out)
        kept = output_path(path, mode)
        kept.parent.mkdir(parents=True, exist_ok=True)
        if out.exists():
            shutil.move(out, kept)
    return result


def run_sample(paths: Sequence[str], mode: str, one_in: int) -> list[FileResult]:
    """Return the outcomes of a sample of each file's tests, all run by one process: it takes longer to start than a sample."""
    with tempfile.TemporaryDirectory() as directory:
        out = _run_to_the_end(paths, mode, directory, one_in)
        return [read_outcomes(path, out) for path in paths]


def run_tests(test_ids: Sequence[str], mode: str) -> list[FileResult]:
    """Return the outcomes of single tests by their files, all run by one process."""
    paths = sorted({test_id.partition("::")[0] for test_id in test_ids})
    with tempfile.TemporaryDirectory() as directory:
        out = _run_to_the_end(test_ids, mode, directory, one_in=1)
        return [read_outcomes(path, out) for path in paths]


def _run_to_the_end(targets: Sequence[str], mode: str, directory: str, one_in: int) -> Path:
    """Return the file of outcomes; a test that kills the process fails, and the rest run in a new one."""
    out, done_path = Path(directory) / "out.jsonl", Path(directory) / "done"
    options = ["--suite-out", str(out), "-q", "--no-header", "--tb=no", "--show-capture=no", "-p", "no:logging"]
    options += ["--suite-done", str(done_path), "--suite-one-in", str(one_in), f"--basetemp={directory}/tmp"]
    options += ["--suite-timeout", str(TEST_TIMEOUT_S if one_in == 1 else SAMPLED_TEST_TIMEOUT_S)]
    for _ in range(MAX_RESTARTS):
        done_path.write_text("\n".join(_ids_run(out)), encoding="utf-8")
        _run(command(targets, mode, *options), directory)
        if any(row.get("finished") for row in _rows(out)):
            break
    return out


def _run(arguments: list[str], directory: str) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            arguments,
            cwd=directory,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=FILE_TIMEOUT_S,
            check=False,
        )


def _rows(out: Path) -> Iterable[dict[str, Any]]:
    if out.exists():
        for line in out.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def _ids_run(out: Path) -> list[str]:
    return [row["id"] for row in _rows(out) if row.get("outcome") == "started"]


def read_result(path: str, mode: str) -> FileResult:
    """Return the outcomes that the last run of the file left."""
    return read_outcomes(path, output_path(path, mode))


def read_outcomes(path: str, out: Path) -> FileResult:
    """Return the outcomes of one file's tests; of a test's phases the failing one decides."""
    result = FileResult(path)
    last: dict[str, dict[str, str]] = {}
    for row in _rows(out):
        if row.get("finished"):
            result.finished = True
        elif row["id"].partition("::")[0] != path:
            continue
        elif "fallbacks" in row:
            result.fallbacks.update(row["fallbacks"])
        elif "compared" in row:
            result.num_lazy += int(row["compared"]["lazy"])
            result.num_real += int(row["compared"]["real"])
        elif row["outcome"] == "uncollected":
            result.uncollected = row["error"]
        elif row["id"] not in last or last[row["id"]]["outcome"] != "failed":
            last[row["id"]] = row
    for test_id, row in last.items():
        _sort_in(result, test_id, row)
    return result


def _sort_in(result: FileResult, test_id: str, row: dict[str, str]) -> None:
    outcome = row["outcome"]
    if outcome == "passed":
        result.passed.append(test_id)
    elif outcome == "skipped":
        result.skipped.append(test_id)
    elif outcome == "excluded":
        result.left_out[test_id] = row["line"]
    elif outcome == "failed":
        result.failed[test_id] = row
    else:
        result.failed[test_id] = {"error": "CRASH: the process died in this test", "line": "", "raised": ""}


def run_files(paths: Sequence[str], mode: str) -> list[FileResult]:
    """Return the outcomes of the files, run on two cores."""
    with ThreadPoolExecutor(NUM_WORKERS) as pool:
        return list(pool.map(lambda path: run_file(path, mode), paths))
