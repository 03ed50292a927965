"""composit: the model captured by flashlight, compiled by mosaic."""

import torch

import flashlight
import mosaic
from benchmarks.bert.workload import Array, Workload
from benchmarks.contender import Run


def prepare(workload: Workload) -> Run:
    """The unmodified model, captured and compiled; the token numbers are its input."""
    input_ids = torch.from_numpy(workload.input_ids)
    with torch.inference_mode(), flashlight.tracer.trace():
        output = workload.model(input_ids).last_hidden_state
    model = mosaic.compile(output, inputs=[input_ids], num_threads=workload.num_threads)

    def run() -> Array:
        result: Array = model(workload.input_ids)
        return result

    return run
