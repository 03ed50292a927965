"""One case after another, each run by all contenders in rounds: a block of lines per case, and a summary of all.

A contender's process serves all cases, so that its libraries are imported once. Outputs are compared with float64 before
anything is timed. A contender whose error is larger than the case allows is listed as wrong, and is no peer to compare with.

With one thread, time is what the processor worked for the contender's process: it stands still while other programs have the
core. With more threads it is wall time.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from benchmarks.contender import Contender, SkipContender
from benchmarks.measure import Clock, Interval, Run, Timings, run_interleaved
from benchmarks.module_workload import Arrays, ModuleWorkload, expected_outputs, export_onnx
from benchmarks.report import print_table
from benchmarks.worker import Worker

_SECONDS_PER_TURN = 4e-3  # asking a worker takes 0.05 ms
_TIMES_TOO_SLOW = 8.0  # a contender as slow as that is run once


@dataclass(frozen=True, slots=True)
class Bound:
    """Our time over the fastest peer's: what it must be, and what we aim at; infinite where nothing is asked."""

    must: float = math.inf
    aim: float = math.inf


class Case(Protocol):
    """What a suite measures in one block."""

    @property
    def name(self) -> str:
        """The title of its block."""

    @property
    def bound(self) -> Bound:
        """What the summary compares the ratio with."""

    @property
    def tolerance(self) -> float:
        """The largest error that counts as right, as a part of an output's largest value."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One contender at one case. error: its largest, as a part of an output's largest value."""

    seconds: Interval
    ratio: Interval
    error: float
    preparing_seconds: float
    mib: float | None
    is_right: bool


@dataclass(frozen=True, slots=True)
class Result:
    """A case with all its contenders, by name; ratios are their time over that of `ours`."""

    case: Case
    ours: str
    standings: Mapping[str, Standing]
    timings: Timings
    ratio_to_fastest: Interval | None
    fastest: str
    skipped: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """Who takes part in a case, and how often.

    ours: those of the names that are ours; the first is compared with the fastest of the others
    """

    names: Sequence[str]
    ours: Sequence[str]
    num_rounds: int
    has_memory: bool


class Team:
    """The workers of a suite's contenders, started when first asked for. Use as a context: they end with it."""

    def __init__(self, contenders: Sequence[Contender]) -> None:
        self._contenders = contenders
        self._workers: dict[str, Worker] = {}
        self._absent: dict[str, str] = {}

    def prepared(self, workload: object, names: Container[str]) -> tuple[dict[str, Worker], dict[str, str]]:
        """Return the workers among the named that have prepared the workload, and why the others have not."""
        ready: dict[str, Worker] = {}
        skipped = {name: reason for name, reason in self._absent.items() if name in names}
        for contender in self._contenders:
            if contender.name in self._absent or contender.name not in names:
                continue
            try:
                ready[contender.name] = self._worker(contender, workload)
            except SkipContender as reason:
                skipped[contender.name] = str(reason)
                if "is not installed" in str(reason):
                    self._absent[contender.name] = str(reason)
        return ready, skipped

    def _worker(self, contender: Contender, workload: object) -> Worker:
        worker = self._workers.get(contender.name)
        if worker is not None and worker.is_alive:
            worker.prepare(workload)
            return worker
        return self._workers.setdefault(contender.name, Worker(contender, workload))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for worker in self._workers.values():
            worker.__exit__(kind, error, traceback)


def contest(team: Team, case: Case, workload: ModuleWorkload, plan: Plan) -> Result:
    """Measure a case.

    Raises: AssertionError: our outputs are wrong
    """
    with tempfile.TemporaryDirectory() as folder:
        path = export_onnx(workload, Path(folder) / "module.onnx")
        workers, skipped = team.prepared(workload.exported(path), plan.names)
        expected = expected_outputs(workload)
        errors = _errors(workers, expected, skipped)
        workers = {name: workers[name] for name in errors}
        wrong = {name: error for name, error in errors.items() if not error <= case.tolerance}
        if set(plan.ours) & set(wrong):
            raise AssertionError(f"{case.name}: largest errors as parts of the largest value: {wrong}")
        timings = _timed(workers, workload.num_threads, plan.num_rounds)
        memory = {name: worker.largest_mib() for name, worker in workers.items()} if plan.has_memory else {}
    ours = plan.ours[0]
    standings = {
        name: Standing(
            timings.seconds(name),
            timings.ratio(name, ours),
            errors[name],
            workers[name].preparing_seconds,
            memory.get(name),
            name not in wrong,
        )
        for name in workers
    }
    peers = [name for name in workers if name not in wrong and name not in plan.ours]
    fastest = min(peers, key=lambda name: standings[name].seconds.median, default="")
    ratio = timings.ratio(ours, fastest) if fastest else None
    return Result(case, ours, standings, timings, ratio, fastest, skipped)


def _errors(workers: Mapping[str, Worker], expected: Arrays, skipped: dict[str, str]) -> dict[str, float]:
    """Return the largest error of each; whose process dies joins the skipped."""
    errors = {}
    for name, worker in workers.items():
        try:
            errors[name] = largest_error(worker.output(), expected)
        except SkipContender as reason:
            skipped[name] = str(reason)
    return errors


def largest_error(outputs: Arrays, expected: Arrays) -> float:
    """Return the largest difference, as a part of an output's largest value; infinite where a shape differs or a NaN stands."""
    if [each.shape for each in outputs] != [each.shape for each in expected]:
        return math.inf
    errors = [
        float(np.max(np.abs(one - other), initial=0.0) / max(float(np.max(np.abs(other), initial=0.0)), 1e-30))
        for one, other in zip(outputs, expected, strict=True)
    ]
    return max((math.inf if math.isnan(error) else error for error in errors), default=0.0)


def _timed(workers: Mapping[str, Worker], num_threads: int, num_rounds: int) -> Timings:
    """Seconds per run: several runs a turn where one is short; those that are far slower than the rest ran once."""

    def processor_ns() -> int:
        return sum(worker.processor_ns() for worker in workers.values())  # all but one of them sleep

    clock_ns = processor_ns if num_threads == 1 else time.perf_counter_ns
    once = {name: min(_seconds(worker.run, clock_ns) for _ in range(2)) for name, worker in workers.items()}
    most = _TIMES_TOO_SLOW * min(once.values())
    times = {name: max(1, round(_SECONDS_PER_TURN / taken)) for name, taken in once.items() if taken <= most}

    def turn(worker: Worker, number: int) -> Run:
        return lambda: worker.run(number)

    runs = {name: turn(workers[name], number) for name, number in times.items()}
    taken = run_interleaved(runs, num_rounds, warmups=1, clock_ns=clock_ns).name_to_seconds
    return Timings(
        {
            name: tuple(each / times[name] for each in taken[name]) if name in times else (seconds,) * num_rounds
            for name, seconds in once.items()
        }
    )


def _seconds(run: Run, clock_ns: Clock) -> float:
    start_ns = clock_ns()
    run()
    return (clock_ns() - start_ns) * 1e-9


def print_result(result: Result) -> None:
    """Print a block: a line per contender, the fastest first, and who is left out."""
    order = sorted(result.standings, key=lambda name: result.standings[name].seconds.median)
    rows = []
    for name in order:
        standing = result.standings[name]
        rows.append(
            [
                name,
                f"{standing.seconds.median * 1e3:.4g}",
                "" if name == result.ours else str(standing.ratio),
                f"{standing.error:.0e}" + " wrong" * (not standing.is_right),
                f"{standing.preparing_seconds:.1f}",
                "" if standing.mib is None else f"{standing.mib:.0f}",
            ]
        )
    print_table(result.case.name, ["contender", "ms", f"time / {result.ours}'s", "error", "prepared in s", "MiB"], rows)
    for name, reason in result.skipped.items():
        print(f"  {name} left out: {reason}")
    print(flush=True)


def print_summary(title: str, results: Sequence[Result]) -> None:
    """Print our time over the fastest peer's, a line per case; ! where it is above what it must be."""
    rows = []
    for each in results:
        ratio, bound = each.ratio_to_fastest, each.case.bound
        is_missed = ratio is not None and ratio.median > bound.must
        rows.append(
            [
                each.case.name,
                f"{each.standings[each.ours].seconds.median * 1e3:.4g}",
                f"{ratio}" + " !" * is_missed,
                each.fastest,
                *(f"{limit:.2f}" if math.isfinite(limit) else "" for limit in (bound.must, bound.aim)),
            ]
        )
    print_table(title, ["case", "mosaic ms", "mosaic / fastest peer", "fastest peer", "must", "aim"], rows)
