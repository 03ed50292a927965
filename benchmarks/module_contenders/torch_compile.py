"""torch.compile with its default compiler (inductor) and weights frozen for inference."""

from collections.abc import Callable
from typing import Any

import torch
import torch._inductor.config as inductor_config

from benchmarks.contender import Run, has_cpp_compiler, skip
from benchmarks.module_workload import Arrays, ModuleWorkload, arrays_of


def prepare(workload: ModuleWorkload) -> Run:
    """The model compiled with constant weights folded and packed (`freezing`)."""
    if not has_cpp_compiler():
        skip("inductor needs a C++ compiler (g++)")
    module, inputs = workload.built()
    inductor_config.freezing = True
    torch._dynamo.reset()  # else a worker's later workloads count as recompilations of the first, and are given up
    compiled: Callable[..., Any] = torch.compile(module, dynamic=False)  # Any: what the model returns

    def run() -> Arrays:
        with torch.no_grad():
            return arrays_of(compiled(*inputs))

    return run
