"""Whole training steps (forward, backward, update): `python -m benchmarks training [--threads 1 2] [--only PATTERN]`.

Each contender does five steps a turn on the same data from the same weights. The losses of 20 steps are compared first: a
contender that computes something else is an error. jax takes part where it is installed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

import composit.numpy as cnp
from benchmarks.measure import Run, run_interleaved
from benchmarks.report import print_as_measured
from composit.nn import compile_step, losses, optimizers, value_and_grad
from examples import digits_cnn, digits_vit

Parameters = dict[str, Any]  # Any: arrays or tensors by name
_STEPS = 5
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Case:
    """A model, written for composit and for torch, its data, and the optimizer.

    torch_model: of the same parameters, as torch tensors by name
    """

    name: str
    parameters: Parameters
    model: Callable[[Parameters, Any], Any]
    torch_model: Callable[[Parameters, Any], Any]
    images: Any
    labels: Any
    is_adam: bool = True
    rate: float = 1e-3


def run_training(num_threads: int, num_rounds: int, only: str) -> None:
    """Print a row per case: our time per step, and the others' as multiples of it."""
    torch.set_num_threads(num_threads)
    header = ["step", "mosaic ms", "torch eager x", "torch.compile x", "largest difference of losses"]
    cases = [case for case in _cases() if re.search(only, case.name)]
    print_as_measured(
        f"training steps, {num_threads} thread{'s' * (num_threads > 1)}: time of others as multiples of mosaic's",
        header,
        (_row(case, num_rounds) for case in cases),
    )


def _row(case: Case, num_rounds: int) -> list[str]:
    found: dict[str, list[float]] = {}
    runs: dict[str, Run] = {}
    for name, make in _CONTENDERS.items():
        step = make(case)
        found[name] = [step() for _ in range(20)]
        runs[name] = partial(_several, step)
    ours = np.array(found["mosaic"])
    worst = max(float(np.max(np.abs(np.array(others) - ours))) for others in found.values())
    if worst > _TOLERANCE:
        raise AssertionError(f"{case.name}: the losses of 20 steps differ by {worst:.2e}")
    timings = run_interleaved(runs, num_rounds)
    others = [str(timings.ratio(name, "mosaic")) for name in list(runs)[1:]]
    return [case.name, f"{timings.seconds('mosaic').median / _STEPS * 1e3:.3g}", *others, f"{worst:.1e}"]


def _several(step: Callable[[], float]) -> float:
    for _ in range(_STEPS):
        loss = step()
    return loss


def _with_mosaic(case: Case) -> Callable[[], float]:
    optimizer = optimizers.adam(case.rate) if case.is_adam else optimizers.sgd(case.rate)
    names = list(case.parameters)

    def loss(parameters: Parameters, images: Any, labels: Any) -> Any:
        return losses.cross_entropy(case.model(parameters, images), labels)

    def training_step(parameters: Parameters, state: Any, images: Any, labels: Any) -> Any:
        value, slopes = value_and_grad(loss)(parameters, images, labels)
        stepped, state = optimizer.update([parameters[k] for k in names], [slopes[k] for k in names], state)
        return dict(zip(names, stepped, strict=True)), state, value

    compiled = compile_step(training_step)
    kept: list[Any] = [case.parameters, optimizer.init([cnp.asarray(case.parameters[name]) for name in names])]

    def step() -> float:
        kept[0], kept[1], value = compiled(kept[0], kept[1], case.images, case.labels)
        return float(value)

    return step


def _with_torch(case: Case, *, is_compiled: bool) -> Callable[[], float]:
    torch._dynamo.reset()  # else it takes the next case for the last one at other sizes
    parameters = {name: torch.tensor(value, requires_grad=True) for name, value in case.parameters.items()}
    kind = torch.optim.Adam if case.is_adam else torch.optim.SGD
    optimizer = kind(parameters.values(), lr=case.rate)
    images, labels = torch.tensor(case.images), torch.tensor(case.labels)

    def loss_of(parameters: Parameters) -> Any:
        return nn.functional.cross_entropy(case.torch_model(parameters, images), labels)

    loss_function = torch.compile(loss_of, dynamic=False) if is_compiled else loss_of

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_function(parameters)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


_CONTENDERS: Mapping[str, Callable[[Case], Callable[[], float]]] = {
    "mosaic": _with_mosaic,
    "torch eager": partial(_with_torch, is_compiled=False),
    "torch.compile": partial(_with_torch, is_compiled=True),
}


def _cases() -> list[Case]:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(64, 784)).astype(np.float32)
    small = rng.random((64, 8, 8)).astype(np.float32)
    large = rng.random((64, 28, 28)).astype(np.float32)
    labels = rng.integers(0, 10, 64)
    layers = _layers([784, 256, 128, 10], rng)
    cnn = digits_cnn.initial_parameters(28, (32, 64), 128, seed=0)
    vit = digits_vit.initial_parameters(8, 2, 64, 4, seed=0)
    vit_model = partial(digits_vit.vision_transformer, patch_size=2, num_layers=4, num_heads=4)
    return [
        Case("MLP 784-256-128-10, SGD", layers, _mlp, _torch_mlp, flat, labels, is_adam=False, rate=1e-2),
        Case("MLP 784-256-128-10, Adam", layers, _mlp, _torch_mlp, flat, labels),
        Case("ViT 4 layers of 64, 16 patches, Adam", vit, vit_model, _torch_vit, small, labels),
        Case(
            "CNN 3x3 of 32 and 64, 28x28, Adam",
            cnn,
            digits_cnn.convolutional_network,
            _torch_cnn,
            large,
            labels,
            rate=1e-4,
        ),
    ]


def _layers(sizes: list[int], rng: np.random.Generator) -> Parameters:
    parameters: Parameters = {}
    for number, (num_inputs, num_outputs) in enumerate(pairwise(sizes)):
        parameters[f"weight {number}"] = (rng.normal(size=(num_inputs, num_outputs)) / num_inputs**0.5).astype(
            np.float32
        )
        parameters[f"bias {number}"] = np.zeros(num_outputs, np.float32)
    return parameters


def _mlp(p: Parameters, x: Any) -> Any:
    for number in (0, 1):
        x = cnp.maximum(x @ p[f"weight {number}"] + p[f"bias {number}"], 0)
    return x @ p["weight 2"] + p["bias 2"]


def _torch_mlp(p: Parameters, x: Any) -> Any:
    for number in (0, 1):
        x = torch.relu(x @ p[f"weight {number}"] + p[f"bias {number}"])
    return x @ p["weight 2"] + p["bias 2"]


def _torch_cnn(p: Parameters, images: Any) -> Any:
    x = images.unsqueeze(1)
    for name in ("first", "second"):
        x = nn.functional.conv2d(x, p[f"{name} filters"], p[f"{name} bias"], padding=1)
        x = nn.functional.max_pool2d(torch.relu(x), 2)
    x = torch.relu(x.flatten(1) @ p["hidden weight"] + p["hidden bias"])
    return x @ p["scores weight"] + p["scores bias"]


def _torch_vit(p: Parameters, images: Any) -> Any:
    batch = images.shape[0]
    patches = images.reshape(batch, 4, 2, 4, 2).permute(0, 1, 3, 2, 4).reshape(batch, 16, 4)
    x = patches @ p["patch weight"] + p["patch bias"] + p["places"]

    def norm(x: Any, name: str) -> Any:
        return nn.functional.layer_norm(x, (64,), p[f"{name} norm weight"], p[f"{name} norm bias"])

    def linear(x: Any, name: str) -> Any:
        return x @ p[f"{name} weight"] + p[f"{name} bias"]

    for k in range(4):
        normed = norm(x, f"{k} attention")
        heads = [
            linear(normed, f"{k} {name}").reshape(batch, 16, 4, 16).transpose(1, 2)
            for name in ("query", "key", "value")
        ]
        context = nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).reshape(batch, 16, 64)
        x = x + linear(context, f"{k} output")
        x = x + linear(nn.functional.gelu(linear(norm(x, f"{k} feedforward"), f"{k} wide")), f"{k} narrow")
    return linear(norm(x, "last").mean(1), "scores")
