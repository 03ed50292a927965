"""What compiling BERT-base costs: seconds from nothing and from the cache, memory that stays, the arena's size.

Each figure is the median of fresh processes, with the least and the largest beside it. A compilation is the first of its
process: it begins with torch's weights in memory and the graph captured, and ends when the weights are packed in memory
that this process never touched. Imports are not counted. Memory is what is resident once torch's model and the graph are
deleted, over what was resident after the imports.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from statistics import median

from benchmarks.report import print_table


def run_compiling(num_threads: int, num_processes: int = 5) -> None:
    """Runs pairs of processes, the first with an empty cache and the second with what it left."""
    cold: list[dict[str, float]] = []
    warm: list[dict[str, float]] = []
    for _ in range(num_processes):
        with tempfile.TemporaryDirectory() as cache:
            os.chmod(cache, 0o700)
            cold.append(_probe(num_threads, cache))
            warm.append(_probe(num_threads, cache))
    rows = [
        ["compile, nothing cached", _median(cold, "compile_seconds", "s"), "under 5 s"],
        ["compile, from the cache", _median(warm, "compile_seconds", "s"), "under 0.5 s"],
        ["capture, as multiple of torch's forward", f"{_capture_multiple(warm):.2f}", ""],
        ["kernels run / distinct functions", f"{warm[0]['kernels']:.0f} / {warm[0]['functions']:.0f}", ""],
        ["arena", _median(warm, "arena_mib", "MiB"), f"1.1x of {warm[0]['least_mib']:.2f} MiB"],
        ["intermediates without reuse", _median(warm, "without_reuse_mib", "MiB"), ""],
        ["weights", _median(warm, "weights_mib", "MiB"), ""],
        ["memory over the imports, nothing cached", _median(cold, "growth_mib", "MiB"), "weights + 16 MiB"],
        ["memory over the imports, from the cache", _median(warm, "growth_mib", "MiB"), "weights + 16 MiB"],
        ["the same after malloc_trim", _median(warm, "trimmed_growth_mib", "MiB"), "weights + 16 MiB"],
    ]
    print_table(f"compiling BERT-base, batch 1, {num_threads} thread(s)", ["what", "measured", "aim"], rows)


def _probe(num_threads: int, cache: str) -> dict[str, float]:
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.bert.probe", str(num_threads)],
        env=os.environ | {"COMPOSIT_CACHE_DIR": cache},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return figures


def _median(figures: Sequence[dict[str, float]], name: str, unit: str) -> str:
    values = sorted(each[name] for each in figures)
    spread = f" ({values[0]:.2f} to {values[-1]:.2f})" if values[0] != values[-1] else ""
    return f"{median(values):.2f} {unit}{spread}"


def _capture_multiple(figures: Sequence[dict[str, float]]) -> float:
    return median(each["capture_seconds"] / each["forward_seconds"] for each in figures)
