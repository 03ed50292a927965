"""The table's rows, by family: each module registers the torch operations that it spells in composit.numpy."""

from flashlight.operations import (
    activations,
    attention,
    creation,
    elementwise,
    indexing,
    linalg,
    movement,
    normalization,
    random,
    reductions,
)

__all__ = [
    "activations",
    "attention",
    "creation",
    "elementwise",
    "indexing",
    "linalg",
    "movement",
    "normalization",
    "random",
    "reductions",
]
