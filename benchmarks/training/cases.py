"""Training steps: a model by name, first weights, data, and an optimizer. The models are in with_mosaic, with_torch and with_jax."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from examples import digits_cnn, digits_vit, lstm

Parameters = dict[str, Any]  # Any: arrays or tensors by name


@dataclass(frozen=True, slots=True)
class Case:
    """A training step.

    model:   "mlp", "cnn", "vit" or "lstm"
    is_adam: Adam, else plain SGD
    most:    mosaic may take this many times what the fastest other takes
    """

    name: str
    model: str
    parameters: Parameters
    images: Any
    labels: Any
    is_adam: bool = True
    rate: float = 1e-3
    most: float = 1.0


def cases() -> list[Case]:
    """Return all steps; the same numbers in each process."""
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(64, 784)).astype(np.float32)
    small = rng.random((64, 8, 8)).astype(np.float32)
    large = rng.random((64, 28, 28)).astype(np.float32)
    labels = rng.integers(0, 10, 64)
    mlp = _layers([784, 256, 128, 10], rng)
    cnn = digits_cnn.initial_parameters(28, (32, 64), 128, seed=0)
    vit = digits_vit.initial_parameters(8, 2, 64, 4, seed=0)
    return [
        Case("MLP 784-256-128-10, SGD", "mlp", mlp, flat, labels, is_adam=False, rate=1e-2),
        Case("MLP 784-256-128-10, Adam", "mlp", mlp, flat, labels),
        Case("ViT 4 layers of 64, 16 patches, Adam", "vit", vit, small, labels),
        Case("CNN 3x3 of 32 and 64, 28x28, Adam", "cnn", cnn, large, labels, rate=1e-4, most=1.5),
        Case(
            "LSTM 2 layers of 128, 28 rows of 28, Adam",
            "lstm",
            lstm.initial_parameters(28, 128, 2, seed=0),
            large,
            labels,
        ),
    ]


def _layers(sizes: list[int], rng: np.random.Generator) -> Parameters:
    parameters: Parameters = {}
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        parameters[f"weight {number}"] = (rng.normal(size=(inputs, outputs)) / inputs**0.5).astype(np.float32)
        parameters[f"bias {number}"] = np.zeros(outputs, np.float32)
    return parameters
