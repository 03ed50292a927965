"""ResNet-50 and its deeper kin, on parameters with the names of torchvision's modules.

    model = torchvision.models.resnet50().eval()
    parameters = {name: cnp.asarray(value, name=name) for name, value in convert_parameters_to_numpy(model).items()}
    scores = resnet(images, parameters, channels_last=True)

The numbers of stages and of modules in each follow from the names, so resnet101 and resnet152 are computed, too.
Reference: He et al., Deep Residual Learning for Image Recognition, 2015
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import composit.numpy as cnp
from composit.nn import batch_norm, convolution, max_pool, relu, resnet_module
from model_zoo.parameters import Arrays, Tensors, converted_parameters, numbered

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

_STATISTICS = ("running_mean", "running_var", "weight", "bias")


def convert_parameters_to_numpy(model: Any, channels_last: bool = True) -> Arrays:  # Any: a torch module
    """Return the parameters and statistics of a ResNet; with channels_last, filters are (outputs, height, width, inputs)."""
    return converted_parameters(model, channels_last)


def resnet(image: Any, parameters: Tensors, *, channels_last: bool = True) -> LazyTensor:
    """Return (n, classes) scores for (n, channels, height, width) images, normalised by running statistics as in inference.

    channels_last: how the parameters were converted, and how the images lie between the convolutions
    """
    x = cnp.moveaxis(image, 1, -1) if channels_last else image
    x = convolution(x, parameters["conv1.weight"], channels_last=channels_last, strides=(2, 2), padding=(3, 3))
    statistics = [parameters[f"bn1.{name}"] for name in _STATISTICS]
    x = relu(batch_norm(x, *statistics, channel_axis=-1 if channels_last else 1))
    x = max_pool(x, kernel_size=(3, 3), channels_last=channels_last, strides=(2, 2), padding=(1, 1))
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        for number, module in enumerate(numbered(parameters, stage)):
            strides = (1, 1) if stage == "layer1" or number else (2, 2)
            named = _of_module(parameters, module)
            x = resnet_module(x, **named, channels_last=channels_last, module_strides=strides)
    pooled = cnp.mean(x, axis=(1, 2) if channels_last else (2, 3))
    scores: LazyTensor = pooled @ parameters["fc.weight"] + parameters["fc.bias"]
    return scores


def _of_module(parameters: Tensors, module: str) -> Tensors:
    """Return the parameters of a module by the names of `resnet_module`'s arguments; None for a shortcut without convolution."""
    found: Tensors = {}
    for k in range(3):
        found[f"right_branch_conv_{k}_weight"] = parameters[f"{module}.conv{k + 1}.weight"]
        found |= {f"right_branch_bn_{k}_{name}": parameters[f"{module}.bn{k + 1}.{name}"] for name in _STATISTICS}
    found["left_branch_conv_weight"] = parameters.get(f"{module}.downsample.0.weight")
    return found | {f"left_branch_bn_{name}": parameters.get(f"{module}.downsample.1.{name}") for name in _STATISTICS}
