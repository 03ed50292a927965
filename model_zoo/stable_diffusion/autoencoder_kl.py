"""The decoder of Stable Diffusion's variational autoencoder, on parameters with the names of diffusers' AutoencoderKL.

    model = diffusers.AutoencoderKL.from_pretrained("CompVis/stable-diffusion-v1-4", subfolder="vae").decoder.eval()
    parameters = {name: cnp.asarray(value, name=name) for name, value in convert_parameters_to_numpy(model).items()}
    image = decoder(latents, parameters, channels_last=True)

The numbers of blocks follow from the names. Reference: Rombach et al., High-Resolution Image Synthesis with Latent Diffusion
Models, 2022
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import composit.numpy as cnp
from composit.nn import convolution, group_norm, multi_head_attention, operations, silu
from model_zoo.parameters import Arrays, Tensors, converted_parameters, numbered

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

_EPSILON = 1e-6  # of all normalisations in diffusers' AutoencoderKL


def convert_parameters_to_numpy(model: Any, channels_last: bool = True) -> Arrays:  # Any: a torch module
    """Return the parameters of a decoder; with channels_last, filters are (outputs, height, width, inputs)."""
    return converted_parameters(model, channels_last)


def interpolate(x: Any, channels_last: bool) -> LazyTensor:
    """Return images of twice the height and width, each element repeated."""
    return operations.interpolate(x, scale_factor=2.0, mode="nearest", channels_last=channels_last)


def _normed(x: Any, weight: Any, bias: Any, channels_last: bool, num_groups: int) -> LazyTensor:
    axis = -1 if channels_last else 1
    return group_norm(x, weight, bias, channel_axis=axis, num_groups=num_groups, epsilon=_EPSILON)


def attention_block(
    hidden_states: Any,
    group_norm_weight: Any,
    group_norm_bias: Any,
    query_weight: Any,
    query_bias: Any,
    key_weight: Any,
    key_bias: Any,
    value_weight: Any,
    value_bias: Any,
    output_weight: Any,
    output_bias: Any,
    channels_last: bool,
    num_groups: int = 32,
) -> LazyTensor:
    """Return hidden states plus self-attention of all their places, with one head."""
    normed = _normed(hidden_states, group_norm_weight, group_norm_bias, channels_last, num_groups)
    images = normed if channels_last else cnp.moveaxis(normed, 1, -1)
    batch_size, height, width, num_channels = images.shape
    pairs = (query_weight, query_bias, key_weight, key_bias, value_weight, value_bias, output_weight, output_bias)
    places = cnp.reshape(images, (batch_size, height * width, num_channels))
    attended = multi_head_attention(places, None, *pairs, head_size=num_channels)
    result = cnp.reshape(attended, images.shape)
    return hidden_states + (result if channels_last else cnp.moveaxis(result, -1, 1))


def resnet_block(
    hidden_states: Any,
    group_norm_0_weight: Any,
    group_norm_0_bias: Any,
    conv_0_weight: Any,
    conv_0_bias: Any,
    group_norm_1_weight: Any,
    group_norm_1_bias: Any,
    conv_1_weight: Any,
    conv_1_bias: Any,
    conv_shortcut_weight: Any,  # or None for a shortcut without convolution
    conv_shortcut_bias: Any,
    channels_last: bool,
    num_groups: int = 32,
) -> LazyTensor:
    """Return two convolutions of 3 x 3, each of normalised and activated states, plus the shortcut."""
    x = silu(_normed(hidden_states, group_norm_0_weight, group_norm_0_bias, channels_last, num_groups))
    x = convolution(x, conv_0_weight, conv_0_bias, channels_last=channels_last, padding=1)
    x = silu(_normed(x, group_norm_1_weight, group_norm_1_bias, channels_last, num_groups))
    x = convolution(x, conv_1_weight, conv_1_bias, channels_last=channels_last, padding=1)
    if conv_shortcut_weight is None:
        return hidden_states + x
    return convolution(hidden_states, conv_shortcut_weight, conv_shortcut_bias, channels_last=channels_last) + x


def decoder(latents: Any, parameters: Tensors, *, channels_last: bool = True, num_groups: int = 32) -> LazyTensor:
    """Return (n, 3, height, width) images for (n, channels, height / 2**k, width / 2**k) latents, k the number of upsamplers.

    channels_last: how the parameters were converted, and how the images lie between the convolutions
    num_groups:    of all normalisations: 32 in Stable Diffusion
    """
    block = _Block(parameters, channels_last, num_groups)
    x = cnp.moveaxis(latents, 1, -1) if channels_last else latents
    x = block.convolved(x, "conv_in")
    first, *others = numbered(parameters, "mid_block.resnets")
    x = block.resnet(x, first)
    for resnet, attention in zip(others, numbered(parameters, "mid_block.attentions"), strict=True):
        x = block.resnet(block.attention(x, attention), resnet)
    for up_block in numbered(parameters, "up_blocks"):
        for resnet in numbered(parameters, f"{up_block}.resnets"):
            x = block.resnet(x, resnet)
        for upsampler in numbered(parameters, f"{up_block}.upsamplers"):
            x = block.convolved(interpolate(x, channels_last), f"{upsampler}.conv")
    weight, bias = block.pair("conv_norm_out")
    x = block.convolved(silu(_normed(x, weight, bias, channels_last, num_groups)), "conv_out")
    return cnp.moveaxis(x, -1, 1) if channels_last else x


class _Block:
    """The parts of the decoder with their parameters by name."""

    def __init__(self, parameters: Tensors, channels_last: bool, num_groups: int) -> None:
        self._parameters = parameters
        self._form = (channels_last, num_groups)

    def pair(self, name: str) -> list[Any]:
        return [self._parameters[f"{name}.{kind}"] for kind in ("weight", "bias")]

    def convolved(self, x: Any, name: str) -> LazyTensor:
        return convolution(x, *self.pair(name), channels_last=self._form[0], padding=1)

    def resnet(self, x: Any, name: str) -> LazyTensor:
        pairs = [self.pair(f"{name}.{part}") for part in ("norm1", "conv1", "norm2", "conv2")]
        has_shortcut = f"{name}.conv_shortcut.weight" in self._parameters
        pairs.append(self.pair(f"{name}.conv_shortcut") if has_shortcut else [None, None])
        return resnet_block(x, *(each for pair in pairs for each in pair), *self._form)

    def attention(self, x: Any, name: str) -> LazyTensor:
        parts = ("group_norm", "to_q", "to_k", "to_v", "to_out.0")
        return attention_block(x, *(each for part in parts for each in self.pair(f"{name}.{part}")), *self._form)
