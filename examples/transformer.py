"""Blocks of a transformer, which the vision transformer and the model of characters share; norms come before what they norm."""

from __future__ import annotations

from typing import Any

import numpy as np

from composit.nn import layers, operations
from examples.training import Parameters


def initial_affine(rng: np.random.Generator, name: str, num_inputs: int, num_outputs: int) -> Parameters:
    """Return a weight of normal numbers with deviation 1 / sqrt(inputs), and a bias of zeros."""
    weight = (rng.normal(size=(num_inputs, num_outputs)) / num_inputs**0.5).astype(np.float32)
    return {f"{name} weight": weight, f"{name} bias": np.zeros(num_outputs, np.float32)}


def initial_norm(name: str, width: int) -> Parameters:
    """Return a weight of ones and a bias of zeros."""
    return {f"{name} norm weight": np.ones(width, np.float32), f"{name} norm bias": np.zeros(width, np.float32)}


def initial_blocks(rng: np.random.Generator, width: int, num_layers: int) -> Parameters:
    """Return the parameters of `blocks`."""
    parameters: Parameters = {}
    for number in range(num_layers):
        for name in ("query", "key", "value", "output"):
            parameters |= initial_affine(rng, f"{number} {name}", width, width)
        for name in ("attention", "feedforward"):
            parameters |= initial_norm(f"{number} {name}", width)
        parameters |= initial_affine(rng, f"{number} wide", width, 2 * width)
        parameters |= initial_affine(rng, f"{number} narrow", 2 * width, width)
    return parameters


def normed(parameters: Parameters, name: str, x: Any) -> Any:
    """Return x with mean 0 and variance 1 along the last axis, times a weight, plus a bias."""
    return layers.layer_norm(x, parameters[f"{name} norm weight"], parameters[f"{name} norm bias"])


def affine(parameters: Parameters, name: str, x: Any) -> Any:
    """Return x @ weight + bias."""
    return x @ parameters[f"{name} weight"] + parameters[f"{name} bias"]


def blocks(parameters: Parameters, tokens: Any, *, num_layers: int, num_heads: int, causal: bool = False) -> Any:
    """Return (batch, tokens, width) after self-attention and two linear layers, `num_layers` times, each added to its input.

    causal: whether a token sees only those before it
    """
    p = parameters
    head_size = tokens.shape[-1] // num_heads
    for k in range(num_layers):
        pairs = [p[f"{k} {name} {kind}"] for name in ("query", "key", "value", "output") for kind in ("weight", "bias")]
        x = normed(p, f"{k} attention", tokens)
        tokens = tokens + layers.multi_head_attention(x, None, *pairs, head_size=head_size, causal=causal)
        wide = operations.gelu(affine(p, f"{k} wide", normed(p, f"{k} feedforward", tokens)))
        tokens = tokens + affine(p, f"{k} narrow", wide)
    return tokens
