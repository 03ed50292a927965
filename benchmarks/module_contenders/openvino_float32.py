"""OpenVINO on the module that torch exports, pinned to float32 (its default would round to bfloat16)."""

import openvino

from benchmarks.contender import Run
from benchmarks.module_workload import Arrays, ModuleWorkload, onnx_of


def prepare(workload: ModuleWorkload) -> Run:
    """A model compiled for latency; arrays are shared with it, not copied."""
    return prepare_as(workload, "f32")


def prepare_as(workload: ModuleWorkload, precision: str) -> Run:
    """The same with another precision of its arithmetic."""
    _, inputs = workload.built()
    compiled = openvino.Core().compile_model(
        str(onnx_of(workload)),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": workload.num_threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        },
    )
    feed = {f"in{number}": each.numpy() for number, each in enumerate(inputs)}
    names = [port.get_any_name() for port in compiled.outputs]

    def run() -> Arrays:
        outputs = compiled(feed, share_inputs=True, share_outputs=True)
        return [outputs[name] for name in names]

    return run
