"""Models captured and compiled, beside their peers: `python -m benchmarks models [--threads 1 2] [--only PATTERN] [--contenders NAME ...]`.

First what capturing and compiling takes, measured by one process per model (probe.py); then a block per model with all
contenders, each in a process of its own, and the summary. Contenders prepare from nothing: our cache is empty as well.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence

from benchmarks.contender import Contender
from benchmarks.contest import Plan, Team, contest, print_result, print_summary
from benchmarks.models.cases import CASES
from benchmarks.models.probe import Figures, measured
from benchmarks.models.workload import Workload
from benchmarks.report import print_as_measured

_HERE = "benchmarks.module_contenders"
OURS = "mosaic"
PEERS = (
    Contender("torch eager", f"{_HERE}.torch_eager"),
    Contender("torch.compile", f"{_HERE}.torch_compile"),
    Contender("oneDNN, packed", f"{_HERE}.torch_onednn"),
    Contender("onnxruntime", f"{_HERE}.onnx_runtime"),
    Contender("OpenVINO", f"{_HERE}.openvino_float32"),
    Contender("MNN", f"{_HERE}.mnn", arguments=(1,)),
)


def run_models(num_threads: int, num_rounds: int, only: str, names: Sequence[str] | None, has_memory: bool) -> None:
    """Print a row per model on capturing and compiling, a block per model with everybody's times, and the summary."""
    models = [name for name in CASES if re.search(only, name)]
    print_as_measured(
        f"models captured and compiled, {num_threads} thread{'s' * (num_threads > 1)}; MiB beyond weights and outputs",
        ["model", "islands", "kernels", "capture / forward", "MiB: capture, forward, kept", "compile s"],
        ([name, *_costs(measured(Workload(name, num_threads)))] for name in models),
        width=24,
    )
    with tempfile.TemporaryDirectory() as cache:
        os.chmod(cache, 0o700)  # else mosaic would not trust it
        ours = Contender(OURS, f"{_HERE}.composit_mosaic", {"COMPOSIT_CACHE_DIR": cache})
        wanted = [ours, *(each for each in PEERS if names is None or each.name in names)]
        plan = Plan([each.name for each in wanted], [OURS], num_rounds, has_memory)
        results = []
        for name in models:
            with Team(wanted) as team:  # one process per model and contender: a model's weights are large
                result = contest(team, CASES[name], Workload(name, num_threads), plan)
            print_result(result)
            results.append(result)
    print_summary(f"models, {num_threads} thread{'s' * (num_threads > 1)}, float32", results)


def _costs(figures: Figures) -> list[str]:
    islands = ", ".join(f"{count} {name}" for name, count in figures.islands.items())
    return [
        islands or "none",
        str(figures.num_kernels),
        f"{figures.capture_multiple:.2f}",
        f"{figures.capture_peak_mib:.1f}, {figures.forward_peak_mib:.1f}, {figures.kept_mib:.1f}",
        f"{figures.compile_seconds:.1f}",
    ]
