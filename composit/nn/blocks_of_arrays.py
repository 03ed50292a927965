"""`in_blocks`: a function of arrays, called on parts of them that fit in the second-level cache with its temporaries.

A formula of ten steps on arrays of 50 MB moves each of them through memory ten times; on blocks only the first step does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np

from composit.operation import Array, Axes, Dtype, Shape

# Two arrays of such a block fit in 1 MiB. Smaller blocks spend more time on calls (measured from 32 KiB to 1 MiB).
_BLOCK_BYTES = 1 << 19
_ROWS_OF_BLAS = 16  # that its product kernel computes together; it is slow with a rest
_LINE_BYTES = 64
_FEW_BYTES = 1 << 16  # below, asking for the address takes longer than is gained

Index = tuple[slice, ...]


def in_blocks(function: Callable[..., object], axes: Axes, *arrays: Array, times: int = 1) -> None:
    """Call the function on all blocks of the arrays, operands and results alike; it fills the results.

    axes:  the function reduces along them, so no block is cut there
    times: blocks are so many times larger than usual, for a function of many calls

    Pre:  the arrays broadcast to the last one; results have all its axes. Along `axes` they may be shorter
    """
    whole, most_bytes = arrays[-1], times * _BLOCK_BYTES
    if whole.nbytes <= most_bytes:
        function(*arrays)
        return
    aligned = [array if array.ndim == whole.ndim else np.broadcast_to(array, whole.shape) for array in arrays]
    cuts = _cuts(whole.shape, axes, whole.itemsize, most_bytes)
    if all(len(along) == 1 for along in cuts[1:]):
        # Slices of the first axis alone take a fifth of the time of indices with all axes.
        for cut in cuts[0]:
            function(*[array if len(array) == 1 else array[cut] for array in aligned])
        return
    for index in product(*cuts):
        function(*(_part(array, index) for array in aligned))


def aligned_like(array: Array) -> Array:
    """Return new memory of the shape, dtype and order of an array: aligned, if that is C order."""
    if array.flags.c_contiguous:
        return aligned_empty(array.shape, array.dtype)
    return np.empty_like(array, subok=False)  # a pass over arrays of different orders is far slower


def aligned_empty(shape: Shape, dtype: Dtype) -> Array:
    """Return new memory in C order, which begins on a cache line if it is large.

    numpy's own begins 16 bytes after one: each vector of 64 bytes then lies in two lines, and a pass over a block in the
    second-level cache takes a fifth longer. Results are numpy's; temporaries that are read and written many times come from here.
    """
    num_bytes = math.prod(shape) * dtype.itemsize
    if num_bytes < _FEW_BYTES:
        return np.empty(shape, dtype)
    memory = np.empty(num_bytes + _LINE_BYTES, np.uint8)
    start = -memory.ctypes.data % _LINE_BYTES
    return memory[start : start + num_bytes].view(dtype).reshape(shape)


def _cuts(shape: Shape, axes: Axes, itemsize: int, most_bytes: int) -> list[list[slice]]:
    """Return the slices of blocks along each axis, cut along as many of the first axes that are not reduced as it takes."""
    num_bytes = math.prod(shape) * itemsize
    cuts: list[list[slice]] = []
    for axis, length in enumerate(shape):
        step = length
        if axis not in axes and num_bytes > most_bytes:
            num_bytes //= length
            step = max(1, most_bytes // num_bytes)
            if step > 4 * _ROWS_OF_BLAS:
                step -= step % _ROWS_OF_BLAS
            num_bytes *= step
        cuts.append([slice(start, start + step) for start in range(0, length, step)])
    return cuts


def _part(array: Array, index: Index) -> Array:
    return array[tuple(slice(None) if n == 1 else cut for n, cut in zip(array.shape, index, strict=True))]
