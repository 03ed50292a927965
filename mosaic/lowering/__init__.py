"""From operations to definitions and tiled kernels: one function per operation class, registered by class.

Importing this package registers every family. An operation without a lowering becomes an island: numpy runs
it between compiled regions (`mosaic/numpy_islands.py`).
"""

from mosaic.lowering import (
    compositions,
    convolutions,
    creation,
    elementwise,
    indexing,
    linalg,
    movement,
    pooling,
    reductions,
    scans,
    scatters,
    unfolding,
    window_products,
    writes,
)
from mosaic.lowering.program import lower_program
from mosaic.lowering.registry import has_lowering, lower

__all__ = [
    "compositions",
    "convolutions",
    "creation",
    "elementwise",
    "has_lowering",
    "indexing",
    "linalg",
    "lower",
    "lower_program",
    "movement",
    "pooling",
    "reductions",
    "scans",
    "scatters",
    "unfolding",
    "window_products",
    "writes",
]
