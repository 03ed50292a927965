"""`choose`: np.where without branches, for arrays of one shape and dtype.

numpy's loop of `where` jumps at each element, which costs some 10 ns where the condition is not predictable. Here the
elements' bits are combined under a mask: (x ^ y) & mask ^ y, in chunks that fit in the second-level cache. Results are
the same to the last bit. Weakness: three passes, so short or non-contiguous arrays are left to numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from composit.operation import Array, Dtype

_CHUNK = 16384  # elements
_FEWEST = 16384  # elements; numpy predicts the jumps of fewer well enough
_SIZE_TO_BITS: dict[int, Dtype] = {4: np.dtype(np.int32), 8: np.dtype(np.int64)}
_where: Callable[..., Array] = np.where


def choose(condition: Any, x: Any, y: Any) -> Array:
    """Return np.where(condition, x, y)."""
    if not (condition.__class__ is np.ndarray and condition.size >= _FEWEST and condition.dtype == np.bool):
        return _where(condition, x, y)
    dtype: Dtype = np.result_type(x, y)
    bits = _SIZE_TO_BITS.get(dtype.itemsize)
    is_of_numbers = dtype.kind in "iuf" and condition.flags.c_contiguous
    if bits is None or not (is_of_numbers and _fits(x, condition, dtype) and _fits(y, condition, dtype)):
        return _where(condition, x, y)
    return _by_bits(condition, _flat_bits(x, dtype, bits), _flat_bits(y, dtype, bits), dtype)


def _fits(x: Any, condition: Array, dtype: Dtype) -> bool:
    """Return whether x is one number, or an array of the condition's shape and the result's dtype, in C order."""
    if x.__class__ is not np.ndarray or not x.ndim:
        return np.ndim(x) == 0
    return bool(x.shape == condition.shape and x.dtype == dtype and x.dtype.isnative and x.flags.c_contiguous)


def _flat_bits(x: Any, dtype: Dtype, bits: Dtype) -> Array:
    """Return the elements as integers of their size, one or as many as the condition has."""
    return np.asarray(x, dtype).reshape(-1).view(bits)


def _by_bits(condition: Array, x: Array, y: Array, dtype: Dtype) -> Array:
    result = np.empty(condition.shape, dtype)
    chosen, target = condition.reshape(-1), result.reshape(-1).view(x.dtype)
    # Where one side is 0, one `and` does.
    is_zero = [each.size == 1 and not each[0] for each in (x, y)]
    for start in range(0, chosen.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        out = target[part]
        np.subtract(chosen[part].view(np.int8), is_zero[0], out=out)  # the mask -1 or 0, or its opposite
        x_part, y_part = x[part] if x.size > 1 else x, y[part] if y.size > 1 else y
        if is_zero[0]:
            np.bitwise_and(out, y_part, out=out)
            continue
        np.negative(out, out=out)
        if is_zero[1]:
            np.bitwise_and(out, x_part, out=out)
        else:
            np.bitwise_and(out, x_part ^ y_part, out=out)
            np.bitwise_xor(out, y_part, out=out)
    return result
