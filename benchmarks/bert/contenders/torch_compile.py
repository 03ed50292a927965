"""torch.compile with its default compiler (inductor) and weights frozen for inference."""

from collections.abc import Callable
from typing import Any

import torch
import torch._inductor.config as inductor_config

from benchmarks.bert.workload import Array, Workload
from benchmarks.contender import Run, has_cpp_compiler, skip


def prepare(workload: Workload) -> Run:
    """The model compiled with constant weights folded and packed (`freezing`)."""
    if not has_cpp_compiler():
        skip("inductor needs a C++ compiler (g++)")
    torch.set_num_threads(workload.num_threads)
    inductor_config.freezing = True
    compiled: Callable[..., Any] = torch.compile(workload.model)  # Any: what the model returns
    input_ids = torch.from_numpy(workload.input_ids)

    def run() -> Array:
        with torch.no_grad():
            output: Array = compiled(input_ids).last_hidden_state.numpy()
        return output

    return run
