"""onnxruntime on the model that torch exports."""

import onnxruntime

from benchmarks.bert.onnx_model import onnx_path
from benchmarks.bert.workload import Array, Workload
from benchmarks.contender import Run


def prepare(workload: Workload) -> Run:
    """A session with all graph optimizations."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = workload.num_threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(str(onnx_path(workload)), options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: workload.input_ids}

    def run() -> Array:
        output: Array = session.run(None, feed)[0]
        return output

    return run
