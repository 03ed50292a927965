"""Exported libraries: what is exported in tests, and how they are built and run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

import composit as cnp

PATIENCE_S = 300


def make(folder: Path, *arguments: str) -> str:
    """What `make` says in a folder; a warning of the compiler is an error."""
    environment = {key: value for key, value in os.environ.items() if key not in ("CC", "CFLAGS", "MAKEFLAGS")}
    command = ["make", "-s", "CFLAGS=-O1 -Werror", *arguments]
    finished = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE_S, env=environment
    )
    said = finished.stdout + finished.stderr
    assert finished.returncode == 0, said[:4000]
    return said


def named(name: str, array: Any) -> Any:
    """A new input."""
    return cnp.with_name(cnp.asarray(array), name)


def perceptron() -> dict[str, Any]:
    """A perceptron: its output, gradients, and a step of training."""
    generator = np.random.default_rng(0)

    def numbers(*shape: int) -> Any:
        return generator.normal(size=shape).astype("float32")

    x, t = named("x", numbers(8, 20)), named("t", numbers(8, 10))
    weights = [
        named(name, 0.1 * numbers(*shape)) for name, shape in (("w1", (20, 32)), ("b1", (32,)), ("w2", (32, 10)))
    ]
    w1, b1, w2 = weights
    y = cnp.tanh(x @ w1 + b1) @ w2
    loss = cnp.mean((y - t) ** 2)
    gradients = cnp.chain_rule({loss: loss}, weights)
    stepped = [weight - np.float32(0.01) * gradient for weight, gradient in zip(weights, gradients, strict=True)]
    return {
        "forward": ({"y": y}, [x]),
        "gradient": (
            {"loss": loss, "gradient": dict(zip(("w1", "b1", "w2"), gradients, strict=True))},
            [x, t, *weights],
        ),
        "step": ({f"new_{each.node.label}": new for each, new in zip(weights, stepped, strict=True)}, [x, t, *weights]),
    }


def digits() -> tuple[Any, Any]:
    """The scores of a small convolutional network for digits of 8 by 8, and its images."""
    generator = np.random.default_rng(1)
    images = named("images", generator.normal(size=(4, 1, 8, 8)).astype("float32"))
    filters = [
        named(f"filters{n}", generator.normal(size=s).astype("float32") * 0.3)
        for n, s in enumerate(((8, 1, 3, 3), (16, 8, 3, 3)))
    ]
    dense = named("dense", generator.normal(size=(16 * 4, 10)).astype("float32") * 0.1)
    hidden = cnp.maximum(cnp.nn.convolution(images, filters[0], padding=1), 0)
    hidden = cnp.nn.max_pool(hidden, kernel_size=2, strides=2)
    hidden = cnp.maximum(cnp.nn.convolution(hidden, filters[1], padding=1), 0)
    hidden = cnp.nn.max_pool(hidden, kernel_size=2, strides=2)
    return cnp.reshape(hidden, (4, 64)) @ dense, images


def bert_layer(rows: int = 12, width: int = 32, heads: int = 4) -> tuple[Any, Any]:
    """A layer of BERT with small sizes."""
    generator = np.random.default_rng(2)

    def weight(*shape: int) -> Any:
        return cnp.asarray((generator.normal(size=shape) / np.sqrt(shape[0])).astype("float32"))

    def affine(x: Any, to: int) -> Any:
        return x @ weight(x.shape[-1], to) + weight(to)

    def normalized(x: Any) -> Any:
        centred = x - cnp.mean(x, axis=-1, keepdims=True)
        return centred / cnp.sqrt(cnp.mean(centred**2, axis=-1, keepdims=True) + np.float32(1e-12)) * weight(
            width
        ) + weight(width)

    x = named("tokens", generator.normal(size=(rows, width)).astype("float32"))
    queries, keys, values = (
        cnp.transpose(cnp.reshape(affine(x, width), (rows, heads, width // heads)), (1, 0, 2)) for _ in range(3)
    )
    scores = queries @ cnp.swapaxes(keys, -1, -2) * np.float32((width / heads) ** -0.5)
    mixed = cnp.reshape(cnp.transpose(cnp.nn.softmax(scores) @ values, (1, 0, 2)), (rows, width))
    attended = normalized(x + affine(mixed, width))
    return normalized(attended + affine(cnp.nn.gelu(affine(attended, 4 * width)), width)), x
