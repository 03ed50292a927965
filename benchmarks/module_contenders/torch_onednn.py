"""oneDNN through torch: weights packed once by oneDNN, blocked layouts between its layers, plain ones at the borders."""

import torch
from torch.utils.mkldnn import to_mkldnn

from benchmarks.contender import Run, skip
from benchmarks.module_workload import Arrays, ModuleWorkload, arrays_of


def prepare(workload: ModuleWorkload) -> Run:
    """The module converted by `to_mkldnn`, layer by layer."""
    module, inputs = workload.built()
    packed = to_mkldnn(module)

    def run() -> Arrays:
        with torch.inference_mode():
            output = packed(*(each.to_mkldnn() if each.is_floating_point() else each for each in inputs))
            outputs = output if isinstance(output, tuple) else (output,)
            return arrays_of(tuple(each.to_dense() if each.is_mkldnn else each for each in outputs))

    try:
        run()
    except (RuntimeError, NotImplementedError, ValueError) as error:
        skip(f"oneDNN's tensors cannot run it: {str(error).splitlines()[0][:100]}")
    return run
