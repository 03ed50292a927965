"""One process that captures and compiles a model and says, as JSON, what that took: `python -m benchmarks.models.probe`.

The memory of a capture is the largest resident size while it runs, over what was resident with the model and its weights
loaded and used once, without the outputs; the same is measured for torch's own forward, which has activations too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

import flashlight
import mosaic
from benchmarks.measure import run_interleaved
from benchmarks.models.workload import Workload
from benchmarks.module_workload import arrays_of
from benchmarks.resident import forget_largest, largest_mib, settled_mib

_NUM_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one process.

    islands: operations that numpy runs between regions of machine code, and how many times each
    capture_multiple: the time of a capture over that of torch's own forward
    *_mib: memory beyond weights and outputs, at its largest during the call, and after a capture
    """

    islands: Mapping[str, int]
    num_kernels: int
    capture_multiple: float
    compile_seconds: float
    capture_peak_mib: float
    forward_peak_mib: float
    kept_mib: float


def measured(workload: Workload) -> Figures:
    """Return the figures of a new process whose cache of compiled programs is empty."""
    command = [sys.executable, "-m", __name__, workload.name, str(workload.num_threads)]
    with tempfile.TemporaryDirectory() as cache:
        os.chmod(cache, 0o700)
        finished = subprocess.run(
            command + ["--small"] * workload.is_small,
            env=os.environ | {"COMPOSIT_CACHE_DIR": cache},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return Figures(**json.loads(finished.stdout.splitlines()[-1]))


def islands_of(model: mosaic.CompiledModel) -> dict[str, int]:
    """Return the operations that run through numpy between regions of machine code, and how many times each."""
    lines = [line for line in model.explain().splitlines() if ": numpy island, because" in line]
    return Counter(line.split(" ")[1].rsplit("/", 1)[-1] for line in lines)


def _probe(workload: Workload) -> Figures:
    module, inputs = workload.built()

    def forward() -> Any:
        with torch.inference_mode():
            return module(*inputs)

    def capture() -> Any:
        with torch.inference_mode(), flashlight.tracer.trace():
            return module(*inputs)

    timings = run_interleaved({"forward": forward, "capture": capture}, _NUM_ROUNDS, warmups=1)
    forward_peak, _, _ = _memory(forward)
    capture_peak, kept, output = _memory(capture)
    start = time.perf_counter()
    model = mosaic.compile(output, inputs=list(inputs), num_threads=workload.num_threads)
    compile_seconds = time.perf_counter() - start
    multiple = timings.ratio("capture", "forward").median
    return Figures(islands_of(model), len(model.kernels), multiple, compile_seconds, capture_peak, forward_peak, kept)


def _memory(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return the largest size while it runs and that after it, without what it returns, and what it returns."""
    before = settled_mib()
    forget_largest()
    output = work()
    peak = largest_mib()
    outputs = sum(array.nbytes for array in arrays_of(output)) / 2**20
    return peak - before - outputs, settled_mib() - before - outputs, output


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("num_threads", type=int)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    print(json.dumps(asdict(_probe(Workload(given.name, given.num_threads, given.small)))))
