"""The real and imaginary part of arrays, as copies: rows of the elementwise table run these."""

from __future__ import annotations

from typing import Any

import numpy as np

from composit.operation import Array, Dtype


def resolve_part(dtypes: tuple[Any, ...], **options: Any) -> tuple[Dtype, ...]:
    """Return the dtypes of operand and result: complex64 -> float32; a real dtype stays."""
    given = np.dtype(dtypes[0])
    return given, np.zeros((), given).real.dtype


def real_of_arrays(x: Any) -> Array:
    """Return the real part of each element."""
    return np.array(np.real(x))[()]


def imag_of_arrays(x: Any) -> Array:
    """Return the imaginary part of each element."""
    return np.array(np.imag(x))[()]
