"""mosaic with an algorithm by name, or as one of the words that choose among them."""

import torch

import flashlight
import mosaic
from benchmarks.contender import Run, skip
from benchmarks.convolutions.cases import Workload
from benchmarks.module_workload import Arrays
from composit.errors import CompositError


def prepare(workload: Workload, algorithm: str) -> Run:
    """The convolution captured and compiled with the algorithm; weights are constants."""
    module, inputs = workload.built()
    with torch.inference_mode(), flashlight.tracer.trace():
        output = module(*inputs)
    try:
        model = mosaic.compile(
            output, inputs=list(inputs), num_threads=workload.num_threads, algorithms={"conv2d": algorithm}
        )
    except CompositError as error:
        skip(str(error).splitlines()[0][:160])
    arrays = [each.numpy() for each in inputs]

    def run() -> Arrays:
        return [model(*arrays)]

    return run
