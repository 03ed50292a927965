"""torch, eager, under inference_mode."""

import torch

from benchmarks.contender import Run
from benchmarks.module_workload import Arrays, ModuleWorkload, arrays_of


def prepare(workload: ModuleWorkload) -> Run:
    """The unmodified model called as a user would."""
    module, inputs = workload.built()

    def run() -> Arrays:
        with torch.inference_mode():
            return arrays_of(module(*inputs))

    return run
