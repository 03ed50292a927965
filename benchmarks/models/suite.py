"""Models captured and compiled, beside torch: `python -m benchmarks models [--threads 1 2] [--only PATTERN]`.

Each contender runs in a process of its own; the outputs are compared with eager torch's before anything is timed. What
capturing and compiling takes is measured by one process more per model (probe.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

import numpy as np

from benchmarks.contender import Contender, SkipContender
from benchmarks.measure import run_interleaved
from benchmarks.models.cases import CASES
from benchmarks.models.probe import Figures, measured
from benchmarks.models.workload import Workload
from benchmarks.module_workload import Arrays
from benchmarks.report import print_as_measured
from benchmarks.worker import Worker

_HERE = "benchmarks.module_contenders"
OURS, EAGER = "mosaic", "torch eager"
CONTENDERS = (
    Contender(OURS, f"{_HERE}.composit_mosaic"),
    Contender(EAGER, f"{_HERE}.torch_eager"),
    Contender("torch.compile", f"{_HERE}.torch_compile"),
)
_TOLERANCE = 1e-4  # of the largest value of an output


def run_models(num_threads: int, num_rounds: int, only: str) -> None:
    """Print a row per model: islands and kernels, capturing and compiling, our time and the others' as multiples of it."""
    print_as_measured(
        f"models, {num_threads} thread{'s' * (num_threads > 1)}; MiB beyond weights and outputs;"
        " ! where a transformer is slower than the fastest of torch",
        [
            "model",
            "islands",
            "kernels",
            "capture / forward",
            "MiB: capture, forward, kept",
            "compile s",
            "mosaic ms",
            *(f"{contender.name:>20} x" for contender in CONTENDERS[1:]),
            "mosaic / fastest    ",
            "error  ",
        ],
        _rows([name for name in CASES if re.search(only, name)], num_threads, num_rounds),
        width=20,
    )


def _rows(names: Sequence[str], num_threads: int, num_rounds: int) -> Iterator[Sequence[str]]:
    for name in names:
        workload = Workload(name, num_threads)
        yield [name, *_costs(measured(workload)), *_times(workload, num_rounds)]


def _costs(figures: Figures) -> list[str]:
    islands = ", ".join(f"{count} {name}" for name, count in figures.islands.items())
    return [
        islands or "none",
        str(figures.num_kernels),
        f"{figures.capture_multiple:.2f}",
        f"{figures.capture_peak_mib:.1f}, {figures.forward_peak_mib:.1f}, {figures.kept_mib:.1f}",
        f"{figures.compile_seconds:.1f}",
    ]


def _times(workload: Workload, num_rounds: int) -> list[str]:
    skipped: dict[str, str] = {}
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for contender in CONTENDERS:
            try:
                workers[contender.name] = stack.enter_context(Worker(contender, workload))
            except SkipContender as reason:
                skipped[contender.name] = str(reason)
        error = largest_error(workload.name, {name: worker.output() for name, worker in workers.items()})
        timings = run_interleaved({name: worker.run for name, worker in workers.items()}, num_rounds)
    fastest = min((name for name in workers if name != OURS), key=lambda name: timings.seconds(name).median)
    ratio = timings.ratio(OURS, fastest)
    is_slower = ratio.median > 1 and not CASES[workload.name].is_convolutional
    return [
        f"{timings.seconds(OURS).median * 1e3:.1f}",
        *(skipped.get(each.name) or str(timings.ratio(each.name, OURS)) for each in CONTENDERS[1:]),
        f"{ratio}" + " !" * is_slower,
        f"{error:.0e}",
    ]


def largest_error(name: str, outputs: Mapping[str, Arrays]) -> float:
    """Return the largest difference of our outputs from eager torch's, as a part of an output's largest value.

    Raises: AssertionError: a contender's outputs differ by more than rounding explains
    """
    errors = {
        contender: max(
            float(np.max(np.abs(ours - theirs)) / np.max(np.abs(theirs)))
            for ours, theirs in zip(arrays, outputs[EAGER], strict=True)
        )
        for contender, arrays in outputs.items()
    }
    wrong = {each: error for each, error in errors.items() if not error <= _TOLERANCE}
    if wrong:
        raise AssertionError(f"{name}: outputs differ from torch's by more than {_TOLERANCE} of their scale: {wrong}")
    return errors[OURS]
