"""torch, eager, under inference_mode."""

import torch

from benchmarks.contender import Run
from benchmarks.models.workload import Arrays, Workload, arrays_of


def prepare(workload: Workload) -> Run:
    """The unmodified model called as a user would."""
    module, inputs = workload.built()

    def run() -> Arrays:
        with torch.inference_mode():
            return arrays_of(module(*inputs))

    return run
