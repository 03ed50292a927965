"""One process that captures and compiles BERT-base and says, as JSON, how long that took and how much memory it keeps."""

import gc
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import transformers.models.bert.modeling_bert  # noqa: F401  # its import is no part of what is measured

import flashlight
import mosaic
from benchmarks.bert.workload import Sizes, Workload
from benchmarks.resident import resident_mib, settled_mib


def _seconds(work: Callable[[], Any]) -> tuple[float, Any]:  # Any: what the work returns
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _capture(workload: Workload, input_ids: torch.Tensor) -> Any:  # Any: a torch tensor that carries its graph
    with torch.inference_mode(), flashlight.tracer.trace():
        return workload.model(input_ids).last_hidden_state


def _forward(workload: Workload, input_ids: torch.Tensor) -> None:
    with torch.inference_mode():
        workload.model(input_ids)


def _load_torch(num_threads: int) -> None:
    """Run a model of no size, so that the pages of torch's own code count as imported."""
    workload = Workload(Sizes(layers=1, hidden=64, heads=2, intermediate=64, vocabulary=8), 1, num_threads)
    _forward(workload, torch.from_numpy(workload.input_ids))


def _compiled(num_threads: int, figures: dict[str, float]) -> mosaic.CompiledModel:
    """The compiled model alone: the torch model and the graph are gone when this returns."""
    workload = Workload(Sizes(), batch=1, num_threads=num_threads)
    input_ids = torch.from_numpy(workload.input_ids)
    parameters = list(workload.model.parameters())
    figures["weights_mib"] = sum(each.numel() * each.element_size() for each in parameters) / 2**20
    _forward(workload, input_ids)
    figures["forward_seconds"], _ = _seconds(lambda: _forward(workload, input_ids))
    _capture(workload, input_ids)
    figures["capture_seconds"], output = _seconds(lambda: _capture(workload, input_ids))
    start = time.perf_counter()
    model = mosaic.compile(output, inputs=[input_ids], num_threads=num_threads)
    figures["compile_seconds"] = time.perf_counter() - start
    return model


def probe(num_threads: int) -> dict[str, float]:
    """The figures of one process."""
    torch.set_num_threads(num_threads)
    _load_torch(num_threads)
    import_mib = resident_mib()
    figures: dict[str, float] = {}
    model = _compiled(num_threads, figures)
    gc.collect()
    for _ in range(3):
        model(np.zeros((1, Sizes().sequence), np.int64))
    buffers = model.buffers
    figures["growth_mib"] = resident_mib() - import_mib
    # What torch and the graph freed after compiling stays with glibc, which may use it for something else.
    return figures | {
        "trimmed_growth_mib": settled_mib() - import_mib,
        "arena_mib": buffers.arena_bytes / 2**20,
        "without_reuse_mib": buffers.bytes_without_reuse / 2**20,
        "least_mib": buffers.lower_bound_bytes / 2**20,
        "kernels": len(model.kernels),
        "functions": len({kernel.function for kernel in model.kernels}),
    }


if __name__ == "__main__":
    print(json.dumps(probe(int(sys.argv[1]))))
