"""The same steps in torch, eager and by torch.compile; Adam and SGD are torch's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from benchmarks.training.cases import Case, Parameters


def prepare(case: Case, num_threads: int, *, is_compiled: bool) -> Callable[[], float]:
    """Return a function that does one step and returns its loss."""
    torch.set_num_threads(num_threads)
    torch._dynamo.reset()  # else it takes the next case for the last one at other sizes
    parameters = {name: torch.tensor(value, requires_grad=True) for name, value in case.parameters.items()}
    kind = torch.optim.Adam if case.is_adam else torch.optim.SGD
    optimizer = kind(parameters.values(), lr=case.rate)
    images, labels, model = torch.tensor(case.images), torch.tensor(case.labels), MODELS[case.model]

    def loss_of(parameters: Parameters) -> Any:
        return nn.functional.cross_entropy(model(parameters, images), labels)

    loss_function = torch.compile(loss_of, dynamic=False) if is_compiled else loss_of

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_function(parameters)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


prepare_eager = partial(prepare, is_compiled=False)
prepare_compiled = partial(prepare, is_compiled=True)


def _mlp(p: Parameters, x: Any) -> Any:
    for number in (0, 1):
        x = torch.relu(x @ p[f"weight {number}"] + p[f"bias {number}"])
    return x @ p["weight 2"] + p["bias 2"]


def _cnn(p: Parameters, images: Any) -> Any:
    x = images.unsqueeze(1)
    for name in ("first", "second"):
        x = nn.functional.conv2d(x, p[f"{name} filters"], p[f"{name} bias"], padding=1)
        x = nn.functional.max_pool2d(torch.relu(x), 2)
    x = torch.relu(x.flatten(1) @ p["hidden weight"] + p["hidden bias"])
    return x @ p["scores weight"] + p["scores bias"]


def _vit(p: Parameters, images: Any) -> Any:
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


def _lstm(p: Parameters, images: Any) -> Any:
    weights = [p[f"{name}_l{layer}"] for layer in (0, 1) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    return _last_hidden(images, weights) @ p["scores weight"] + p["scores bias"]


@torch.compiler.disable  # type: ignore[untyped-decorator]  # as torch.compile treats modules of torch.nn.LSTM
def _last_hidden(images: Any, weights: list[Any]) -> Any:
    """Return the last hidden state of the second layer, by the function behind torch.nn.LSTM."""
    zeros = images.new_zeros(2, len(images), weights[1].shape[1])
    has_biases, num_layers, dropout, is_training, is_bidirectional, batch_first = True, 2, 0.0, True, False, True
    options = has_biases, num_layers, dropout, is_training, is_bidirectional, batch_first
    _, hidden, _ = torch.lstm(images, (zeros, zeros), weights, *options)
    return hidden[-1]


MODELS: Mapping[str, Callable[[Parameters, Any], Any]] = {"mlp": _mlp, "cnn": _cnn, "vit": _vit, "lstm": _lstm}
