"""BERT's forward pass in numpy's words, for any namespace that speaks them: numpy, jax.numpy, composit.numpy."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.bert.workload import Sizes

_EPSILON = 1e-12  # BertConfig.layer_norm_eps


def forward(xp: Any, erf: Callable[[Any], Any], weights: Mapping[str, Any], input_ids: Any, sizes: Sizes) -> Any:
    """The last hidden state, (batch, sequence, hidden). `xp` is any numpy-like namespace, hence Any."""
    hidden = _embed(xp, weights, input_ids, sizes)
    for number in range(sizes.layers):
        prefix = f"encoder.layer.{number}."
        layer = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        hidden = _layer(xp, erf, layer, hidden, sizes)
    return hidden


def _embed(xp: Any, weights: Mapping[str, Any], input_ids: Any, sizes: Sizes) -> Any:
    words = xp.take(weights["embeddings.word_embeddings.weight"], input_ids, axis=0)
    positions = weights["embeddings.position_embeddings.weight"][: sizes.sequence]
    types = weights["embeddings.token_type_embeddings.weight"][0]
    return _layer_norm(xp, words + types + positions, weights, "embeddings.LayerNorm")


def _layer(xp: Any, erf: Callable[[Any], Any], weights: Mapping[str, Any], hidden: Any, sizes: Sizes) -> Any:
    attended = _attention(xp, weights, hidden, sizes)
    projected = _linear(xp, attended, weights, "attention.output.dense")
    hidden = _layer_norm(xp, projected + hidden, weights, "attention.output.LayerNorm")
    inner = _linear(xp, hidden, weights, "intermediate.dense")
    activated = inner * 0.5 * (1.0 + erf(inner * (1 / math.sqrt(2))))
    outer = _linear(xp, activated, weights, "output.dense")
    return _layer_norm(xp, outer + hidden, weights, "output.LayerNorm")


def _attention(xp: Any, weights: Mapping[str, Any], hidden: Any, sizes: Sizes) -> Any:
    head_size = sizes.hidden // sizes.heads
    batch = hidden.shape[0]

    def heads_of(name: str) -> Any:
        flat = _linear(xp, hidden, weights, f"attention.self.{name}")
        return xp.transpose(xp.reshape(flat, (batch, sizes.sequence, sizes.heads, head_size)), (0, 2, 1, 3))

    query, key, value = heads_of("query"), heads_of("key"), heads_of("value")
    scores = xp.matmul(query, xp.transpose(key, (0, 1, 3, 2))) * (1 / math.sqrt(head_size))
    shifted = xp.exp(scores - xp.max(scores, axis=-1, keepdims=True))
    mixed = xp.matmul(shifted / xp.sum(shifted, axis=-1, keepdims=True), value)
    return xp.reshape(xp.transpose(mixed, (0, 2, 1, 3)), (batch, sizes.sequence, sizes.hidden))


def _linear(xp: Any, x: Any, weights: Mapping[str, Any], name: str) -> Any:
    return xp.matmul(x, xp.transpose(weights[f"{name}.weight"])) + weights[f"{name}.bias"]


def _layer_norm(xp: Any, x: Any, weights: Mapping[str, Any], name: str) -> Any:
    centered = x - xp.mean(x, axis=-1, keepdims=True)
    variance = xp.mean(centered * centered, axis=-1, keepdims=True)
    return centered / xp.sqrt(variance + _EPSILON) * weights[f"{name}.weight"] + weights[f"{name}.bias"]
