"""Complex arrays as C sees them: a complex number is two neighbouring real numbers, so an array of them is a real array.

complex64[3, 4] is float32[3, 4, 2]. Both are names of the same memory, so arrays cross the border without a copy.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

PART_DTYPES: Final[dict[np.dtype[Any], np.dtype[Any]]] = {
    np.dtype(np.complex64): np.dtype(np.float32),
    np.dtype(np.complex128): np.dtype(np.float64),
}
"""The dtype of both parts, for each complex dtype that C computes with."""


def stored_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of a buffer that holds such elements."""
    return PART_DTYPES.get(dtype, dtype)


def stored_count(num_elements: int, dtype: np.dtype[Any]) -> int:
    """Return how many elements of `stored_dtype` hold so many elements."""
    return num_elements * 2 if dtype in PART_DTYPES else num_elements


def as_stored(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the elements of an array as a flat array of what its buffer holds."""
    flat = array.reshape(-1)
    return flat.view(PART_DTYPES[flat.dtype]) if flat.dtype in PART_DTYPES else flat


def as_typed(array: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return an array in elements of `dtype`: pairs along the last axis, which are neighbours, become complex numbers."""
    if dtype not in PART_DTYPES or array.dtype == dtype:
        return array
    return array.view(dtype)[..., 0]
