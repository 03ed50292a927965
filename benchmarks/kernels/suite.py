"""Kernels beside the peers': `python -m benchmarks kernels [--threads 1 2] [--only PATTERN] [--contenders NAME ...]`.

A block of lines per kernel, and in the end our time over the fastest peer's with what it must be. Elementwise kernels of
1e7 elements, softmax and layer norm are at the limit of memory: who writes its result past the caches is ahead there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmarks.contender import Contender
from benchmarks.contest import Plan, Team, contest, print_result, print_summary
from benchmarks.kernels.cases import Workload, cases

_MODULES = "benchmarks.module_contenders"
_HERE = "benchmarks.kernels.contenders"
OURS = "mosaic"
CONTENDERS = (
    Contender(OURS, f"{_MODULES}.composit_mosaic"),
    Contender("torch eager", f"{_MODULES}.torch_eager"),
    Contender("torch.compile", f"{_MODULES}.torch_compile"),
    Contender("oneDNN, packed", f"{_MODULES}.torch_onednn"),
    Contender("onnxruntime", f"{_MODULES}.onnx_runtime"),
    Contender("OpenVINO", f"{_MODULES}.openvino_float32"),
    Contender("MNN", f"{_MODULES}.mnn", arguments=(1,)),
    Contender("jax.jit", f"{_HERE}.jax_jit"),
    Contender("numba", f"{_HERE}.numba_jit"),
    Contender("plain C", f"{_HERE}.plain_c"),
)


def run_kernels(num_threads: int, num_rounds: int, only: str, names: Sequence[str] | None, has_memory: bool) -> None:
    """Print a block per kernel whose name matches, and the summary."""
    wanted = [each for each in CONTENDERS if names is None or each.name in names or each.name == OURS]
    plan = Plan([each.name for each in wanted], [OURS], num_rounds, has_memory)
    results = []
    with Team(wanted) as team:
        for case in cases():
            if re.search(only, case.name):
                result = contest(team, case, Workload(case, num_threads), plan)
                print_result(result)
                results.append(result)
    print_summary(f"kernels, {num_threads} thread{'s' * (num_threads > 1)}, float32", results)
