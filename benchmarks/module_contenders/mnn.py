"""MNN on the module that torch exports, converted by MNN's own converter.

By default MNN chooses Winograd's tiles so large that a convolution of 64 channels is wrong by 1e-3 of its largest value.
With a smaller level of the hint its error is that of a product; both are contenders, and the table prints both errors.
"""

import MNN
import numpy as np
from _tools import mnnconvert

from benchmarks.contender import Run
from benchmarks.module_workload import Arrays, ModuleWorkload, onnx_of

_WINOGRAD_LEVEL = 3  # the number of the hint WINOGRAD_MEMORY_LEVEL in Interpreter.hpp


def prepare(workload: ModuleWorkload, level: int) -> Run:
    """A session in float32 at a level of the hint: 1 for small Winograd tiles, 3 for MNN's default."""
    _, inputs = workload.built()
    source = onnx_of(workload)
    path = str(source.with_suffix(f".{level}.mnn"))
    mnnconvert(["mnnconvert", "-f", "ONNX", "--modelFile", str(source), "--MNNModel", path, "--bizCode", "benchmark"])
    network = MNN.Interpreter(path)
    network.setSessionHint(_WINOGRAD_LEVEL, level)
    session = network.createSession({"backend": "CPU", "numThread": workload.num_threads, "precision": "high"})
    arrays = [np.ascontiguousarray(each.numpy()) for each in inputs]
    given = [_tensor(array) for array in arrays]
    theirs = [network.getSessionInput(session, f"in{number}") for number in range(len(inputs))]
    outputs = [network.getSessionOutput(session, name) for name in sorted(network.getSessionOutputAll(session))]
    results = [np.zeros(each.getShape(), np.float32) for each in outputs]
    taken = [_tensor(array) for array in results]

    def run() -> Arrays:
        for into, tensor in zip(theirs, given, strict=True):
            into.copyFrom(tensor)
        network.runSession(session)
        for output, tensor in zip(outputs, taken, strict=True):
            output.copyToHostTensor(tensor)
        return [tensor.getNumpyData() for tensor in taken]

    return run


def _tensor(array: np.ndarray) -> MNN.Tensor:
    kind = MNN.Halide_Type_Int if array.dtype.kind == "i" else MNN.Halide_Type_Float
    return MNN.Tensor(array.shape, kind, array, MNN.Tensor_DimensionType_Caffe)
