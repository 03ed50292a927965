"""The decoder of Stable Diffusion's variational autoencoder, on parameters with the names of diffusers' AutoencoderKL.

    model = diffusers.AutoencoderKL.from_pretrained("CompVis/stable-diffusion-v1-4", subfolder="vae").decoder.eval()
    parameters = {name: cnp.asarray(value, name=name) for name, value in convert_parameters_to_numpy(model).items()}
    image = decoder(latents, parameters, channels_last=True)

The numbers of blocks follow from the names. Reference: Rombach et al., High-Resolution Image Synthesis with Latent Diffusion
Models, 2022
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import composit.numpy as cnp
from composit.nn import convolution, group_norm, multi_head_attention, operations, silu
from model_zoo.parameters import Arrays, Tensors, converted_parameters, numbered

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

_EPSILON = 1e-6  # of all normalisations in diffusers' AutoencoderKL
_KINDS = ("weight", "bias")
# What the arguments of the two blocks are called in diffusers' modules.
_RESNET_PARTS = {"group_norm_0": "norm1", "conv_0": "conv1", "group_norm_1": "norm2", "conv_1": "conv2"}
_ATTENTION_PARTS = {"group_norm": "group_norm", "query": "to_q", "key": "to_k", "value": "to_v", "output": "to_out.0"}
_NO_SHORTCUT = {"conv_shortcut_weight": None, "conv_shortcut_bias": None}


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
    change = cnp.reshape(attended, images.shape)
    result: LazyTensor = hidden_states + (change if channels_last else cnp.moveaxis(change, -1, 1))
    return result


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
    shortcut = hidden_states
    if conv_shortcut_weight is not None:
        shortcut = convolution(hidden_states, conv_shortcut_weight, conv_shortcut_bias, channels_last=channels_last)
    result: LazyTensor = shortcut + x
    return result


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
        self._form: dict[str, Any] = {"channels_last": channels_last, "num_groups": num_groups}

    def pair(self, name: str) -> list[Any]:
        return [self._parameters[f"{name}.{kind}"] for kind in _KINDS]

    def convolved(self, x: Any, name: str) -> LazyTensor:
        return convolution(x, *self.pair(name), channels_last=self._form["channels_last"], padding=1)

    def named(self, name: str, parts: Mapping[str, str]) -> Tensors:
        """Return parameters by the names of a function's arguments; `parts` has them by those of its parts."""
        pairs = {ours: self.pair(f"{name}.{theirs}") for ours, theirs in parts.items()}
        return {f"{ours}_{kind}": each for ours, pair in pairs.items() for kind, each in zip(_KINDS, pair, strict=True)}

    def resnet(self, x: Any, name: str) -> LazyTensor:
        has_shortcut = f"{name}.conv_shortcut.weight" in self._parameters
        shortcut = self.named(name, {"conv_shortcut": "conv_shortcut"}) if has_shortcut else _NO_SHORTCUT
        return resnet_block(x, **self.named(name, _RESNET_PARTS), **shortcut, **self._form)

    def attention(self, x: Any, name: str) -> LazyTensor:
        return attention_block(x, **self.named(name, _ATTENTION_PARTS), **self._form)
