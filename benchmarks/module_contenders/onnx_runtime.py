"""onnxruntime on the module that torch exports."""

import onnxruntime

from benchmarks.contender import Run
from benchmarks.module_workload import Arrays, ModuleWorkload, onnx_of


def prepare(workload: ModuleWorkload) -> Run:
    """A session with all graph optimizations."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = workload.num_threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    _, inputs = workload.built()
    path = str(onnx_of(workload))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {f"in{number}": each.numpy() for number, each in enumerate(inputs)}

    def run() -> Arrays:
        outputs: Arrays = session.run(None, feed)
        return outputs

    return run
