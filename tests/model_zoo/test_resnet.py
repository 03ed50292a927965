"""ResNet as a function, against a torch module of the paper's network: values and gradients, tiny and ResNet-50."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
from model_zoo.resnet import convert_parameters_to_numpy, resnet
from tests.sampling import one_in

pytest.importorskip("torch")

import torch

from tests.model_zoo import torch_resnet
from tests.model_zoo.comparing import as_tensors, assert_close, assert_gradients_agree, seeded


def _tiny(dtype: Any) -> Any:
    return seeded(lambda: torch_resnet.resnet((2, 1, 1, 1), width=4, num_classes=5), dtype)


def _images(batch: int, side: int, dtype: Any) -> Any:
    return np.random.default_rng(0).normal(size=(batch, 3, side, side)).astype(dtype)


TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-12}


@pytest.mark.parametrize(
    ("dtype", "channels_last", "backend"), one_in(3, product(TOLERANCES, [False, True], ["numpy", "mosaic"])), ids=str
)
def test_a_tiny_resnet_is_torchs(dtype: Any, channels_last: bool, backend: str) -> None:
    model = _tiny(dtype)
    images = _images(2, 33, np.float32 if dtype == torch.float32 else np.float64)
    parameters = as_tensors(convert_parameters_to_numpy(model, channels_last))
    scores = resnet(cnp.asarray(images), parameters, channels_last=channels_last)
    assert_close(cnp.evaluate(scores, backend=backend), model(torch.from_numpy(images)), TOLERANCES[dtype])


@pytest.mark.parametrize(("channels_last", "backend"), one_in(4, product([False, True], ["numpy", "mosaic"])), ids=str)
def test_gradients_of_a_tiny_resnet_are_torchs(channels_last: bool, backend: str) -> None:
    model, images = _tiny(torch.float64), _images(2, 33, np.float64)
    parameters = as_tensors(convert_parameters_to_numpy(model, channels_last))
    scores = resnet(cnp.asarray(images), parameters, channels_last=channels_last)
    assert_gradients_agree(scores, parameters, model(torch.from_numpy(images)), model, backend, channels_last)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_resnet_50_is_torchs(backend: str) -> None:
    model = seeded(torch_resnet.resnet, torch.float32)
    # The number that torchvision's documentation gives for resnet50.
    assert sum(each.numel() for each in model.parameters()) == 25_557_032
    images = _images(1, 224, np.float32)
    scores = resnet(cnp.asarray(images), as_tensors(convert_parameters_to_numpy(model)), channels_last=True)
    with torch.inference_mode():
        assert_close(cnp.evaluate(scores, backend=backend), model(torch.from_numpy(images)), 1e-4)
