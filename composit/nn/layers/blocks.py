"""Blocks of known networks: feedforward of transformers, and the residual module of ResNet-50."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from composit.nn.arguments import floating
from composit.nn.layers.normalization import batch_norm
from composit.nn.operations.activations import gelu, relu
from composit.nn.operations.convolution import convolution
from composit.numpy.arguments.normalizing import TensorLike

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["feedforward", "resnet_module"]


def feedforward(
    hidden_states: TensorLike,
    intermediate_weight: TensorLike,
    intermediate_bias: TensorLike,
    output_weight: TensorLike,
    output_bias: TensorLike,
) -> LazyTensor:
    """Return gelu(hidden_states @ intermediate_weight + intermediate_bias) @ output_weight + output_bias.

    Shapes:      (..., n), (n, k), (k,), (k, m), (m,) -> (..., m)
    Derivative:  by all operands
    Raises:      ShapeError: the contracted lengths differ
    Reference:   Vaswani et al., Attention Is All You Need, 2017, with gelu as in BERT
    Example:
        >>> import composit.numpy as cnp
        >>> import numpy as np
        >>> feedforward(np.ones((2, 3)), np.ones((3, 8)), np.ones(8), np.ones((8, 3)), np.ones(3)).shape
        (2, 3)
    """
    states = floating("feedforward", hidden_states, "hidden_states")
    inner = gelu(states @ floating("feedforward", intermediate_weight, "intermediate_weight") + intermediate_bias)
    result: LazyTensor = inner @ floating("feedforward", output_weight, "output_weight") + output_bias
    return result


@dataclass(frozen=True, slots=True)
class _Normalized:
    """A convolution's filters, and the statistics, weight and bias of the batch normalisation behind it."""

    filters: TensorLike
    mean: TensorLike
    variance: TensorLike
    weight: TensorLike
    bias: TensorLike

    def of(self, x: TensorLike, channels_last: bool, strides: tuple[int, ...], padding: tuple[int, ...]) -> LazyTensor:
        """Return the normalised convolution of x."""
        convolved: LazyTensor = convolution(
            x, self.filters, channels_last=channels_last, strides=strides, padding=padding
        )
        axis = -1 if channels_last else 1
        return batch_norm(convolved, self.mean, self.variance, self.weight, self.bias, channel_axis=axis)


def resnet_module(
    x: TensorLike,
    right_branch_conv_0_weight: TensorLike,
    right_branch_bn_0_running_mean: TensorLike,
    right_branch_bn_0_running_var: TensorLike,
    right_branch_bn_0_weight: TensorLike,
    right_branch_bn_0_bias: TensorLike,
    right_branch_conv_1_weight: TensorLike,
    right_branch_bn_1_running_mean: TensorLike,
    right_branch_bn_1_running_var: TensorLike,
    right_branch_bn_1_weight: TensorLike,
    right_branch_bn_1_bias: TensorLike,
    right_branch_conv_2_weight: TensorLike,
    right_branch_bn_2_running_mean: TensorLike,
    right_branch_bn_2_running_var: TensorLike,
    right_branch_bn_2_weight: TensorLike,
    right_branch_bn_2_bias: TensorLike,
    left_branch_conv_weight: TensorLike | None,
    left_branch_bn_running_mean: Any,  # as the right branch has, or None
    left_branch_bn_running_var: Any,  # as the right branch has, or None
    left_branch_bn_weight: Any,  # as the right branch has, or None
    left_branch_bn_bias: Any,  # as the right branch has, or None
    channels_last: bool,
    module_strides: tuple[int, int] = (1, 1),
) -> LazyTensor:
    """Return the bottleneck module of ResNet: 1x1, 3x3 and 1x1 convolutions beside a shortcut, normalised as in inference.

    module_strides: of the 3x3 convolution and of the shortcut
    left_branch:    None for a shortcut without convolution

    Shapes:      x (n, channels, height, width), or (n, height, width, channels) with channels_last; filters as for `convolution`
    Derivative:  by all operands
    Raises:      ShapeError: shapes do not fit
    Reference:   He et al., Deep Residual Learning for Image Recognition, 2015; strides as in torchvision's resnet50
    Example:
        >>> import numpy as np
        >>> def layer(n, m, k):
        ...     return [np.ones((m, n, k, k)), np.zeros(m), np.ones(m), np.ones(m), np.zeros(m)]
        >>> parameters = [*layer(4, 2, 1), *layer(2, 2, 3), *layer(2, 4, 1), *[None] * 5]
        >>> resnet_module(np.ones((1, 4, 6, 6)), *parameters, False).shape
        (1, 4, 6, 6)
    """
    first = _Normalized(
        right_branch_conv_0_weight,
        right_branch_bn_0_running_mean,
        right_branch_bn_0_running_var,
        right_branch_bn_0_weight,
        right_branch_bn_0_bias,
    )
    second = _Normalized(
        right_branch_conv_1_weight,
        right_branch_bn_1_running_mean,
        right_branch_bn_1_running_var,
        right_branch_bn_1_weight,
        right_branch_bn_1_bias,
    )
    third = _Normalized(
        right_branch_conv_2_weight,
        right_branch_bn_2_running_mean,
        right_branch_bn_2_running_var,
        right_branch_bn_2_weight,
        right_branch_bn_2_bias,
    )
    left: TensorLike = x
    if left_branch_conv_weight is not None:
        shortcut = _Normalized(
            left_branch_conv_weight,
            left_branch_bn_running_mean,
            left_branch_bn_running_var,
            left_branch_bn_weight,
            left_branch_bn_bias,
        )
        left = shortcut.of(x, channels_last, module_strides, (0, 0))
    right = relu(first.of(x, channels_last, (1, 1), (0, 0)))
    right = relu(second.of(right, channels_last, module_strides, (1, 1)))
    return relu(floating("resnet_module", left) + third.of(right, channels_last, (1, 1), (0, 0)))
