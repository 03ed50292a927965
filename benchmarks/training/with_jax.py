"""The same steps in jax: loss, gradients and update are one function under jax.jit, whose parameters and state are donated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.training.cases import Case, Parameters


def prepare(case: Case, num_threads: int) -> Callable[[], float]:
    """Return a function that does one step and returns its loss; jax takes as many threads as there are cores to run on."""
    model, update = _MODELS[case.model], _adam if case.is_adam else _sgd

    def loss_of(parameters: Parameters, images: Any, labels: Any) -> Any:
        scores = jax.nn.log_softmax(model(parameters, images))
        return -jnp.mean(jnp.take_along_axis(scores, labels[:, None], axis=1))

    def training_step(parameters: Parameters, state: Any, images: Any, labels: Any) -> Any:
        value, slopes = jax.value_and_grad(loss_of)(parameters, images, labels)
        return *update(parameters, slopes, state, case.rate), value

    compiled = jax.jit(training_step, donate_argnums=(0, 1))
    images, labels = jnp.array(case.images), jnp.array(case.labels)
    zeros = {name: jnp.zeros(value.shape, value.dtype) for name, value in case.parameters.items()}
    state = (jnp.float32(0), zeros, jax.tree.map(jnp.copy, zeros)) if case.is_adam else None
    kept: list[Any] = [{name: jnp.array(value) for name, value in case.parameters.items()}, state]

    def step() -> float:
        kept[0], kept[1], value = compiled(kept[0], kept[1], images, labels)
        jax.block_until_ready(kept)
        return float(value)

    return step


def _sgd(parameters: Parameters, slopes: Parameters, state: Any, rate: float) -> tuple[Parameters, Any]:
    return jax.tree.map(lambda p, g: p - rate * g, parameters, slopes), state


def _adam(parameters: Parameters, slopes: Parameters, state: Any, rate: float) -> tuple[Parameters, Any]:
    count, means, squares = state
    count = count + 1
    means = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, means, slopes)
    squares = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, squares, slopes)
    pace, root = rate / (1 - 0.9**count), jnp.sqrt(1 - 0.999**count)
    stepped = jax.tree.map(lambda p, m, v: p - pace * m / (jnp.sqrt(v) / root + 1e-8), parameters, means, squares)
    return stepped, (count, means, squares)


def _mlp(p: Parameters, x: Any) -> Any:
    for number in (0, 1):
        x = jax.nn.relu(x @ p[f"weight {number}"] + p[f"bias {number}"])
    return x @ p["weight 2"] + p["bias 2"]


def _cnn(p: Parameters, images: Any) -> Any:
    x = images[..., None]
    for name in ("first", "second"):
        # Channels last: XLA's convolution on the CPU moves them there in any case.
        filters = jnp.transpose(p[f"{name} filters"], (2, 3, 1, 0))
        x = jax.lax.conv_general_dilated(x, filters, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jax.nn.relu(x + p[f"{name} bias"])
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    flat = jnp.transpose(x, (0, 3, 1, 2)).reshape(len(x), -1)
    x = jax.nn.relu(flat @ p["hidden weight"] + p["hidden bias"])
    return x @ p["scores weight"] + p["scores bias"]


def _vit(p: Parameters, images: Any) -> Any:
    batch = images.shape[0]
    patches = images.reshape(batch, 4, 2, 4, 2).transpose(0, 1, 3, 2, 4).reshape(batch, 16, 4)
    x = patches @ p["patch weight"] + p["patch bias"] + p["places"]

    def norm(x: Any, name: str) -> Any:
        centred = x - jnp.mean(x, axis=-1, keepdims=True)
        scale = jax.lax.rsqrt(jnp.mean(centred * centred, axis=-1, keepdims=True) + 1e-5)
        return centred * scale * p[f"{name} norm weight"] + p[f"{name} norm bias"]

    def linear(x: Any, name: str) -> Any:
        return x @ p[f"{name} weight"] + p[f"{name} bias"]

    for k in range(4):
        normed = norm(x, f"{k} attention")
        query, key, value = (
            linear(normed, f"{k} {name}").reshape(batch, 16, 4, 16).transpose(0, 2, 1, 3)
            for name in ("query", "key", "value")
        )
        weights = jax.nn.softmax(query @ key.swapaxes(-1, -2) * 0.25, axis=-1)
        x = x + linear((weights @ value).transpose(0, 2, 1, 3).reshape(batch, 16, 64), f"{k} output")
        wide = jax.nn.gelu(linear(norm(x, f"{k} feedforward"), f"{k} wide"), approximate=False)
        x = x + linear(wide, f"{k} narrow")
    return linear(norm(x, "last").mean(1), "scores")


def _lstm(p: Parameters, images: Any) -> Any:
    x = jnp.swapaxes(images, 0, 1)
    for layer in (0, 1):
        # As in ours, what the input gives to the gates is one product for all steps.
        given = x @ p[f"weight_ih_l{layer}"].T + p[f"bias_ih_l{layer}"] + p[f"bias_hh_l{layer}"]
        zeros = jnp.zeros((x.shape[1], p[f"weight_hh_l{layer}"].shape[1]), x.dtype)
        (hidden, _), x = jax.lax.scan(_lstm_step(p[f"weight_hh_l{layer}"].T), (zeros, zeros), given)
    return hidden @ p["scores weight"] + p["scores bias"]


def _lstm_step(weight: Any) -> Callable[[Any, Any], Any]:
    def step(state: Any, given: Any) -> Any:
        hidden, cell = state
        update, forget, new, output = jnp.split(given + hidden @ weight, 4, axis=-1)
        cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(update) * jnp.tanh(new)
        hidden = jax.nn.sigmoid(output) * jnp.tanh(cell)
        return (hidden, cell), hidden

    return step


_MODELS: Mapping[str, Callable[[Parameters, Any], Any]] = {"mlp": _mlp, "cnn": _cnn, "vit": _vit, "lstm": _lstm}
