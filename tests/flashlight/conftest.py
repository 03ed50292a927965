"""The model and the input of many tests; after each test torch is as it was before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.flashlight.classifier import Classifier
from tests.flashlight.torch_state import state_of_torch


@pytest.fixture
def model() -> Classifier:
    return Classifier().eval()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.linspace(-1, 1, 8).reshape(2, 4)


@pytest.fixture(autouse=True)
def torch_is_as_before() -> Iterator[None]:
    before = state_of_torch()
    yield
    assert state_of_torch() == before
