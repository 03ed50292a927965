"""oneDNN's convolution as torch.compile calls it: filters reordered once, into the order it chooses for this image."""

from typing import Any

import torch

from benchmarks.contender import Run
from benchmarks.convolutions.cases import Workload
from benchmarks.module_workload import Arrays


def prepare(workload: Workload) -> Run:
    """The primitive on an image whose channels come first, as all contenders get it and deliver it: it has them last itself."""
    module, (image,) = workload.built()
    case = workload.convolution
    pads, strides, dilations = ([number] * 2 for number in (case.padding, case.stride, case.dilation))
    plain, bias = (each.detach() for each in module.parameters())
    reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight  # torch's stubs have fewer arguments than it takes
    packed = reorder(plain.to_mkldnn(), pads, strides, dilations, case.groups, list(image.shape))
    convolve = torch.ops.mkldnn._convolution_pointwise.default

    def run() -> Arrays:
        with torch.inference_mode():
            output = convolve(image, packed, bias, pads, strides, dilations, case.groups, "none", [], "")
            return [output.contiguous().numpy()]

    return run
