"""The decoder of Stable Diffusion's autoencoder as a function, against diffusers' module: values and gradients."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
from model_zoo.stable_diffusion.autoencoder_kl import (
    attention_block,
    convert_parameters_to_numpy,
    decoder,
    interpolate,
    resnet_block,
)
from tests.sampling import one_in, only

pytest.importorskip("torch")
pytest.importorskip("diffusers")

import torch
from diffusers.models.autoencoders import vae

from tests.model_zoo.comparing import as_tensors, assert_close, assert_gradients_agree, seeded

# The configuration of CompVis/stable-diffusion-v1-4: vae/config.json.
REAL = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "norm_num_groups": 32}
TINY = {"block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4}


def _model(size: dict[str, Any], dtype: Any) -> Any:
    blocks = ("UpDecoderBlock2D",) * len(size["block_out_channels"])
    return seeded(lambda: vae.Decoder(in_channels=4, out_channels=3, up_block_types=blocks, **size), dtype)


def _latents(batch: int, side: int, dtype: Any) -> Any:
    return np.random.default_rng(0).normal(size=(batch, 4, side, side)).astype(dtype)


TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-12}


@pytest.mark.parametrize(
    ("dtype", "channels_last", "backend"), one_in(3, product(TOLERANCES, [False, True], ["numpy", "mosaic"])), ids=str
)
def test_a_tiny_decoder_is_diffusers(dtype: Any, channels_last: bool, backend: str) -> None:
    model = _model(TINY, dtype)
    latents = _latents(2, 3, np.float32 if dtype == torch.float32 else np.float64)
    parameters = as_tensors(convert_parameters_to_numpy(model, channels_last))
    image = decoder(cnp.asarray(latents), parameters, channels_last=channels_last, num_groups=4)
    assert_close(cnp.evaluate(image, backend=backend), model(torch.from_numpy(latents)), TOLERANCES[dtype])


@pytest.mark.parametrize("backend", only(["numpy"], ["numpy", "mosaic"]))
def test_gradients_of_a_tiny_decoder_are_diffusers(backend: str) -> None:
    model, latents = _model(TINY, torch.float64), _latents(1, 3, np.float64)
    parameters = as_tensors(convert_parameters_to_numpy(model))
    image = decoder(cnp.asarray(latents), parameters, num_groups=4)
    assert_gradients_agree(image, parameters, model(torch.from_numpy(latents)), model, backend, channels_last=True)


def test_the_blocks_take_their_parameters_by_position() -> None:
    model = _model(TINY, torch.float64)
    parameters = convert_parameters_to_numpy(model, channels_last=False)
    x = np.random.default_rng(0).normal(size=(1, 16, 3, 3))

    def named(prefix: str, parts: str) -> list[Any]:
        return [parameters.get(f"{prefix}.{part}.{kind}") for part in parts.split() for kind in ("weight", "bias")]

    given = named("up_blocks.1.resnets.0", "norm1 conv1 norm2 conv2 conv_shortcut")
    expected = model.up_blocks[1].resnets[0](torch.from_numpy(x), None)
    assert_close(cnp.evaluate(resnet_block(x, *given, False, 4)), expected, 1e-12)
    given = named("mid_block.attentions.0", "group_norm to_q to_k to_v to_out.0")
    expected = model.mid_block.attentions[0](torch.from_numpy(x))
    assert_close(cnp.evaluate(attention_block(x, *given, channels_last=False, num_groups=4)), expected, 1e-12)
    expected = torch.nn.functional.interpolate(torch.from_numpy(x), scale_factor=2.0)
    assert_close(cnp.evaluate(interpolate(x, channels_last=False)), expected, 0)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_stable_diffusions_decoder_is_diffusers(backend: str) -> None:
    model = _model(REAL, torch.float32)
    assert sum(each.numel() for each in model.parameters()) == 49_490_179
    latents = _latents(1, 8, np.float32)
    parameters = as_tensors(convert_parameters_to_numpy(model))
    with torch.inference_mode():
        expected = model(torch.from_numpy(latents))
    assert_close(cnp.evaluate(decoder(cnp.asarray(latents), parameters), backend=backend), expected, 1e-4)
