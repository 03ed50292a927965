"""Tiny models of transformers, as their code is: swapped in place and converted whole."""

from __future__ import annotations

import copy

import pytest
import torch

import flashlight
from tests.sampling import only

transformers = pytest.importorskip("transformers")

_NEAR = {"rtol": 1e-4, "atol": 1e-5}
_SHAPE = (2, 3, 32, 32)


def _resnet() -> torch.nn.Module:
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic", num_labels=3
    )
    return transformers.ResNetForImageClassification(config)


def _mobilenet() -> torch.nn.Module:
    config = transformers.MobileNetV1Config(image_size=32, depth_multiplier=0.25, min_depth=4, num_labels=3)
    return transformers.MobileNetV1ForImageClassification(config)


def _vit() -> torch.nn.Module:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    return transformers.ViTForImageClassification(
        transformers.ViTConfig(image_size=32, patch_size=8, num_labels=3, **sizes)
    )


@pytest.mark.parametrize("make", only([_vit], [_resnet, _mobilenet, _vit]))
def test_models_of_transformers_run_swapped_and_converted(make: object) -> None:
    torch.manual_seed(7)
    model = make().eval()  # type: ignore[operator]  # a function
    twin = copy.deepcopy(model)
    x = torch.randn(_SHAPE)
    with torch.no_grad():
        expected = twin(x).logits
    converted = flashlight.convert(model, {"conv2d": "default"}, _SHAPE)
    torch.testing.assert_close(converted(x).logits, expected, **_NEAR)
    flashlight.swap_conv2d(model)
    flashlight.swap_operation("linear", model)
    torch.testing.assert_close(model(x).logits, expected, **_NEAR)
    for each in (model, twin):
        each(x, labels=torch.tensor([0, 2])).loss.backward()
    for own, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert (own.grad is None) == (theirs.grad is None)
        if own.grad is not None:
            torch.testing.assert_close(own.grad, theirs.grad, **_NEAR)
