"""torch's own convolution by im2col and one product per image, which it runs where oneDNN is switched off."""

from typing import Any

import torch

from benchmarks.contender import Run, skip
from benchmarks.convolutions.cases import Workload
from benchmarks.module_workload import Arrays


def prepare(workload: Workload) -> Run:
    """`thnn_conv2d`, as torch names it."""
    module, (image,) = workload.built()
    case = workload.convolution
    if case.groups > 1 or case.dilation > 1:
        skip("it has neither groups nor dilation")
    filters, bias = (each.detach() for each in module.parameters())
    sides, strides, pads = ([number] * 2 for number in (case.kernel, case.stride, case.padding))

    convolve: Any = torch._C._nn.thnn_conv2d  # type: ignore[attr-defined]  # torch's stubs leave it out

    def run() -> Arrays:
        with torch.inference_mode():
            output = convolve(image, filters, sides, bias, strides, pads)
            return [output.numpy()]

    return run
