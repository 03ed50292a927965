"""Training steps of composit, compiled by mosaic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import composit.numpy as cnp
from benchmarks.training.cases import Case, Parameters
from composit.nn import compile_step, losses, optimizers, relu, value_and_grad
from examples import digits_cnn, digits_vit, lstm
from mosaic import MosaicBackend


def prepare(case: Case, num_threads: int) -> Callable[[], float]:
    """Return a function that does one step and returns its loss."""
    optimizer = optimizers.adam(case.rate) if case.is_adam else optimizers.sgd(case.rate)
    names, model = list(case.parameters), MODELS[case.model]

    def loss(parameters: Parameters, images: Any, labels: Any) -> Any:
        return losses.cross_entropy(model(parameters, images), labels)

    def training_step(parameters: Parameters, state: Any, images: Any, labels: Any) -> Any:
        value, slopes = value_and_grad(loss)(parameters, images, labels)
        stepped, state = optimizer.update([parameters[k] for k in names], [slopes[k] for k in names], state)
        return dict(zip(names, stepped, strict=True)), state, value

    # As in jax and torch, the new parameters and moments are written into the memory of the old ones.
    compiled = compile_step(training_step, backend=MosaicBackend(num_threads=num_threads), donate=(0, 1))
    parameters = {name: value.copy() for name, value in case.parameters.items()}
    kept: list[Any] = [parameters, optimizer.init([cnp.asarray(parameters[name]) for name in names])]

    def step() -> float:
        kept[0], kept[1], value = compiled(kept[0], kept[1], case.images, case.labels)
        return float(value)

    return step


def _mlp(p: Parameters, x: Any) -> Any:
    for number in (0, 1):
        x = relu(x @ p[f"weight {number}"] + p[f"bias {number}"])
    return x @ p["weight 2"] + p["bias 2"]


MODELS: Mapping[str, Callable[[Parameters, Any], Any]] = {
    "mlp": _mlp,
    "cnn": digits_cnn.convolutional_network,
    "vit": partial(digits_vit.vision_transformer, patch_size=2, num_layers=4, num_heads=4),
    "lstm": lstm.recurrent_network,
}
