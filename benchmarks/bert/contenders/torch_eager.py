"""torch, eager, under inference_mode."""

import torch

from benchmarks.bert.workload import Array, Workload
from benchmarks.contender import Run


def prepare(workload: Workload) -> Run:
    """The unmodified model called as a user would."""
    torch.set_num_threads(workload.num_threads)
    model, input_ids = workload.model, torch.from_numpy(workload.input_ids)

    def run() -> Array:
        with torch.inference_mode():
            output: Array = model(input_ids).last_hidden_state.numpy()
        return output

    return run
