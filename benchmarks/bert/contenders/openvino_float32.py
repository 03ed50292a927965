"""OpenVINO on the model that torch exports, pinned to float32 (its default would round to bfloat16)."""

import openvino

from benchmarks.bert.onnx_model import onnx_path
from benchmarks.bert.workload import Array, Workload
from benchmarks.contender import Run


def prepare(workload: Workload) -> Run:
    """A model compiled for latency."""
    compiled = openvino.Core().compile_model(
        str(onnx_path(workload)),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": workload.num_threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        },
    )

    def run() -> Array:
        output: Array = compiled(workload.input_ids)[0]
        return output

    return run
