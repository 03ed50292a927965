"""ncnn's convolution layer, of all its algorithms or of a named one, on one image after the other, as ncnn has no batches."""

import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path

import ncnn
import numpy as np

from benchmarks.contender import Run, skip
from benchmarks.convolutions.cases import Workload
from benchmarks.module_workload import Arrays

_WINOGRAD = ("use_winograd_convolution", "use_winograd23_convolution", "use_winograd43_convolution")
_ALGORITHMS: Mapping[str, Mapping[str, bool]] = {
    "any": {},
    "winograd": {"use_sgemm_convolution": False},
    "gemm": {"use_winograd_convolution": False},
    "direct": {"use_winograd_convolution": False, "use_sgemm_convolution": False},
}
"""Options that leave one algorithm: ncnn takes Winograd's where it can, then the product, then the loops."""
_HALVES = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage", "use_bf16_packed")


def prepare(workload: Workload, algorithm: str) -> Run:
    """A network of one layer in float32."""
    case = workload.convolution
    if algorithm == "winograd" and (case.kernel, case.stride, case.dilation, case.groups) != (3, 1, 1, 1):
        skip("its Winograd algorithms are for 3x3 with stride 1")
    if algorithm != "any" and case.groups > 1:
        skip("its layer for groups has one algorithm")
    module, inputs = workload.built()
    filters, bias = (each.detach().numpy() for each in module.parameters())
    network = ncnn.Net()
    options = {**dict.fromkeys(_HALVES, False), **_ALGORITHMS[algorithm], "num_threads": workload.num_threads}
    for name, value in options.items():
        setattr(network.opt, name, value)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.bin"
        weights.write_bytes(struct.pack("<I", 0) + filters.tobytes() + bias.tobytes())  # 0: raw float32 follows
        network.load_param_mem(_description(workload, filters.size))
        network.load_model(str(weights))
    images = [ncnn.Mat(image).clone() for image in inputs[0].numpy()]  # a Mat does not keep the array it is made of

    def run() -> Arrays:
        return [np.stack([_convolved(network, image) for image in images])]

    return run


def _convolved(network: ncnn.Net, image: ncnn.Mat) -> np.ndarray:
    extractor = network.create_extractor()
    extractor.input("in0", image)
    return np.array(extractor.extract("out0")[1], copy=False)


def _description(workload: Workload, num_weights: int) -> str:
    """Return the network in ncnn's words; the numbers are the layer's parameters in its documentation."""
    case = workload.convolution
    layer = "Convolution" if case.groups == 1 else "ConvolutionDepthWise"
    parameters = {
        0: case.outputs,
        1: case.kernel,
        2: case.dilation,
        3: case.stride,
        4: case.padding,
        5: 1,  # has a bias
        6: num_weights,
        **({7: case.groups} if case.groups > 1 else {}),
    }
    given = " ".join(f"{number}={value}" for number, value in parameters.items())
    return f"7767517\n2 2\nInput in0 0 1 in0\n{layer} convolution 1 1 in0 out0 {given}\n"
