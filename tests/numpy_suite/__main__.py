"""`python -m tests.numpy_suite`: run numpy's test-suite on composit.numpy and print what passes."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.numpy_suite import recording, reports, running
from tests.numpy_suite.long_tests import LONG_TESTS

REFERENCE = Path(__file__).with_name("reference_counts.json")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.numpy_suite", description=__doc__)
    parser.add_argument("files", nargs="*", help="files of numpy's tests, lib/tests/test_io.py; all without any")
    parser.add_argument("--strict-at-call", action="store_true", help="run each test inside cnp.strict()")
    parser.add_argument(
        "--prepared",
        action="store_true",
        help="run prepared programs for all reads and evaluations; nothing is recorded",
    )
    parser.add_argument(
        "--reference", action="store_true", help="run with numpy itself, which shows that the suite runs"
    )
    parser.add_argument("--last", action="store_true", help="report the last run's outcomes, run nothing")
    parser.add_argument("--failures", action="store_true", help="print each failing test with its error")
    parser.add_argument(
        "--group-by-error", action="store_true", help="print the causes of failure, most frequent first"
    )
    parser.add_argument("--update", action="store_true", help="record the outcomes in recorded.json")
    parser.add_argument(
        "--update-fallbacks",
        action="store_true",
        help="run the sample that the tests run, and record how many calls rules decline, in sampled_fallbacks.json",
    )
    parser.add_argument("--debug", metavar="ID", help="run one file or test id under pytest here, with tracebacks")
    return parser


def _debug(test_id: str, mode: str) -> int:
    with tempfile.TemporaryDirectory() as directory:
        arguments = running.command([test_id], mode, "-q", "--tb=short", "--no-header", f"--basetemp={directory}/tmp")
        return subprocess.run(arguments, cwd=directory, env=running.environment(), check=False).returncode


def main() -> int:
    """Run what the arguments say and return the exit status."""
    arguments = _parser().parse_args()
    mode = "reference" if arguments.reference else "strict" if arguments.strict_at_call else "lazy"
    mode = "prepared" if arguments.prepared else mode
    if arguments.debug:
        return _debug(arguments.debug, mode)
    paths = arguments.files or running.all_files()
    if arguments.update_fallbacks:
        long_tests = [test_id for test_id in LONG_TESTS if test_id.partition("::")[0] in paths]
        long_results = running.run_tests(long_tests, mode) if long_tests else []
        recording.update_fallbacks(running.run_sample(paths, mode, recording.SAMPLE_ONE_IN), long_results)
        return 0
    results = [running.read_result(path, mode) for path in paths] if arguments.last else running.run_files(paths, mode)
    if mode == "reference" and not arguments.files:
        counts = {result.path: len(result.passed) for result in results}
        REFERENCE.write_text(json.dumps(counts, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    reference = json.loads(REFERENCE.read_text(encoding="utf-8")) if REFERENCE.exists() else {}
    if arguments.update and mode not in ("reference", "prepared"):
        recording.update(results, mode)
    if arguments.failures:
        print("\n".join(reports.failures(results)))
    if arguments.group_by_error:
        print("\n".join(reports.by_error(results)))
    print("\n".join(reports.table(results, reference)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
