"""The rows of the table by family: functions that build the graphs of torch operations with composit.numpy."""

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
