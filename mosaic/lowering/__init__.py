"""From operations to definitions and tiled kernels: one function per operation class, registered by class.

Importing this package registers every family. An operation without a lowering becomes an island: numpy runs
it between compiled regions (`mosaic/numpy_islands.py`).
"""

from mosaic.lowering import (
    complex_elementwise,
    complex_movement,
    compositions,
    convolution,
    creation,
    elementwise,
    fences,
    indexing,
    lattices,
    linalg,
    movement,
    numpy_convolve,
    pooling,
    reductions,
    reinterpreting,
    scans,
    scatters,
    selection,
    sorting,
    steps,
    unfolding,
    writes,
)
from mosaic.lowering.complex_registry import has_any_lowering
from mosaic.lowering.program import lower_program
from mosaic.lowering.registry import lower

__all__ = [
    "complex_elementwise",
    "complex_movement",
    "compositions",
    "convolution",
    "creation",
    "elementwise",
    "fences",
    "has_any_lowering",
    "indexing",
    "lattices",
    "linalg",
    "lower",
    "lower_program",
    "movement",
    "numpy_convolve",
    "pooling",
    "reductions",
    "reinterpreting",
    "scans",
    "scatters",
    "selection",
    "sorting",
    "steps",
    "unfolding",
    "writes",
]
