"""composit: the model captured by flashlight, compiled by mosaic."""

import torch

import flashlight
import mosaic
from benchmarks.contender import Run
from benchmarks.module_workload import Arrays, ModuleWorkload


def prepare(workload: ModuleWorkload) -> Run:
    """The unmodified model, captured and compiled with its inputs as inputs; weights are constants."""
    module, inputs = workload.built()
    with torch.inference_mode(), flashlight.tracer.trace():
        output = module(*inputs)
    model = mosaic.compile(output, inputs=list(inputs), num_threads=workload.num_threads)
    arrays = [each.numpy() for each in inputs]

    def run() -> Arrays:
        results = model(*arrays)
        return results if isinstance(results, tuple) else (results,)

    return run
