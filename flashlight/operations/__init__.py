"""The table's rows, by family: each module registers the torch operations that it spells in composit.numpy."""

from flashlight.operations import (
    activations,
    attention,
    creation,
    dropout,
    elementwise,
    indexing,
    matrix_products,
    movement,
    normalization,
    reductions,
)

__all__ = [
    "activations",
    "attention",
    "creation",
    "dropout",
    "elementwise",
    "indexing",
    "matrix_products",
    "movement",
    "normalization",
    "reductions",
]
