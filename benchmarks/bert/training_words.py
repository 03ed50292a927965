"""One training step of a BERT classifier for any namespace that speaks numpy: loss and Adam's update, without derivatives.

What frameworks have functions for (softmax, gelu, layer norm, cross-entropy) comes with the namespace, as users write it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.bert.workload import Sizes

Weights = Mapping[str, Any]  # Any: arrays or tensors of some framework


@dataclass(frozen=True, slots=True)
class Words:
    """A framework's functions. `xp` has numpy's names; the losses' mean is over the batch."""

    xp: Any
    softmax: Callable[[Any], Any]
    gelu: Callable[[Any], Any]
    layer_norm: Callable[[Any, Any, Any], Any]
    cross_entropy: Callable[[Any, Any], Any]


def shapes(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight; matrices are (inputs, outputs)."""
    width, inner = sizes.hidden, sizes.intermediate
    found: dict[str, tuple[int, ...]] = {
        "words": (sizes.vocabulary, width),
        "places": (sizes.sequence, width),
        "first norm weight": (width,),
        "first norm bias": (width,),
        "scores weight": (width, 2),
        "scores bias": (2,),
    }
    for number in range(sizes.layers):
        pairs = {**dict.fromkeys(("query", "key", "value", "output"), (width, width))}
        for name, shape in {**pairs, "wide": (width, inner), "narrow": (inner, width)}.items():
            found |= {f"{number} {name} weight": shape, f"{number} {name} bias": shape[1:]}
        for name in ("attention norm", "feedforward norm"):
            found |= {f"{number} {name} weight": (width,), f"{number} {name} bias": (width,)}
    return found


def loss(words: Words, weights: Weights, ids: Any, labels: Any, sizes: Sizes) -> Any:
    """Return the mean cross-entropy of two classes, scored from the first token's last hidden state."""
    x = _norm(words, words.xp.take(weights["words"], ids, axis=0) + weights["places"], weights, "first norm")
    for number in range(sizes.layers):
        x = _layer(words, weights, x, number, sizes)
    return words.cross_entropy(_linear(x[:, 0], weights, "scores"), labels)


def _layer(words: Words, weights: Weights, x: Any, k: int, sizes: Sizes) -> Any:
    xp, (batch, length, width) = words.xp, x.shape

    def heads_of(name: str) -> Any:
        split = xp.reshape(_linear(x, weights, f"{k} {name}"), (batch, length, sizes.heads, width // sizes.heads))
        return xp.transpose(split, (0, 2, 1, 3))

    query, key, value = heads_of("query"), heads_of("key"), heads_of("value")
    scores = (query @ xp.swapaxes(key, -1, -2)) * (1 / math.sqrt(width // sizes.heads))
    context = xp.reshape(xp.transpose(words.softmax(scores) @ value, (0, 2, 1, 3)), (batch, length, width))
    x = _norm(words, x + _linear(context, weights, f"{k} output"), weights, f"{k} attention norm")
    wide = words.gelu(_linear(x, weights, f"{k} wide"))
    return _norm(words, x + _linear(wide, weights, f"{k} narrow"), weights, f"{k} feedforward norm")


def _linear(x: Any, weights: Weights, name: str) -> Any:
    return x @ weights[f"{name} weight"] + weights[f"{name} bias"]


def _norm(words: Words, x: Any, weights: Weights, name: str) -> Any:
    return words.layer_norm(x, weights[f"{name} weight"], weights[f"{name} bias"])
