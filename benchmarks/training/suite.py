"""Whole training steps (forward, backward, update): `python -m benchmarks training [--threads 1 2] [--no-memory] [--only PATTERN]`.

Each contender does five steps a turn on the same data from the same weights. The losses of 20 steps are compared first: a
contender that computes something else is an error. jax takes part where it is installed. Memory is measured by processes
of their own (memory.py), for the last number of threads alone. All of them update parameters and state in place: jax and mosaic
get them donated.

With one thread, time is that of the processor, which stands still while other programs have the core. With two it is wall time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from functools import partial

import numpy as np

from benchmarks.contender import SkipContender
from benchmarks.measure import Run, run_interleaved
from benchmarks.report import print_as_measured
from benchmarks.training.cases import Case, cases
from benchmarks.training.contenders import NAMES, OURS, prepare
from benchmarks.training.memory import peak_mib

_STEPS = 5
_TOLERANCE = 1e-4
# jax rounds Adam differently, and the LSTM at this rate swings at the end of its 20 steps: it was seen 1.4e-4 apart.
_TOLERANCE_OF_OTHERS = 1e-3


def run_training(num_threads: int, num_rounds: int, only: str, has_memory: bool) -> None:
    """Print a row per case: our time per step, the others' as multiples of it, and the memory of all if that is asked for."""
    print_as_measured(
        f"training steps, {num_threads} thread{'s' * (num_threads > 1)}: time of others as multiples of mosaic's;"
        " ! where mosaic is above its bound",
        [
            "step",
            "mosaic ms",
            *(f"{name:>20} x" for name in NAMES[1:]),
            "mosaic / fastest",
            "losses differ by",
            *([f"peak MiB: {', '.join(NAMES)}"] if has_memory else []),
        ],
        (_row(case, num_threads, num_rounds, has_memory) for case in cases() if re.search(only, case.name)),
        width=40,
    )


def _row(case: Case, num_threads: int, num_rounds: int, has_memory: bool) -> list[str]:
    steps: dict[str, Callable[[], float]] = {}
    skipped: dict[str, str] = {}
    for name in NAMES:
        try:
            steps[name] = prepare(name, case, num_threads)
        except SkipContender as reason:
            skipped[name] = str(reason)
    worst = _largest_difference(case, steps)
    runs: dict[str, Run] = {name: partial(_several, step) for name, step in steps.items()}
    clock_ns = time.process_time_ns if num_threads == 1 else time.perf_counter_ns
    timings = run_interleaved(runs, num_rounds, clock_ns=clock_ns)
    others = [name for name in steps if name != OURS]
    fastest = min(others, key=lambda name: timings.seconds(name).median)
    ratio = timings.ratio(OURS, fastest)
    return [
        case.name,
        f"{timings.seconds(OURS).median / _STEPS * 1e3:.3g}",
        *(str(timings.ratio(name, OURS)) if name in steps else skipped[name] for name in NAMES[1:]),
        f"{ratio.median:.3g}" + " !" * (ratio.median > case.most),
        f"{worst:.1e}",
        *([_peaks(case, num_threads, steps)] if has_memory else []),
    ]


def _peaks(case: Case, num_threads: int, names: Collection[str]) -> str:
    return ", ".join(f"{peak_mib(name, case, num_threads):.1f}" if name in names else "-" for name in NAMES)


def _largest_difference(case: Case, steps: dict[str, Callable[[], float]]) -> float:
    """How far our losses of 20 steps are from torch's; every contender must compute the same training."""
    found = {name: np.array([step() for _ in range(20)]) for name, step in steps.items()}
    differences = {name: float(np.max(np.abs(losses - found["torch eager"]))) for name, losses in found.items()}
    for name, difference in differences.items():
        if not difference <= (_TOLERANCE if name == OURS else _TOLERANCE_OF_OTHERS):
            raise AssertionError(
                f"{case.name}: the losses of 20 steps by {name} differ from torch's by {difference:.2e}"
            )
    return differences[OURS]


def _several(step: Callable[[], float]) -> float:
    for _ in range(_STEPS):
        loss = step()
    return loss
