"""Checks that Python integers among the operands fit the dtype of a computation. May import operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from composit.operation import Dtype, TensorType

# The range that a Python int must be in, one entry per operand; None where any value will do.
Bounds: TypeAlias = tuple[tuple[int, int] | None, ...]


def integer_bounds(types: Sequence[TensorType], dtypes: Sequence[Dtype]) -> Bounds | None:
    """Return the bounds of the Python ints among operands of these types, or None if nothing has to be checked."""
    # numpy compares integers of any size. A bool result means a comparison or a logical function.
    if dtypes[-1].kind == "b" or all(value_type.weak is not int for value_type in types):
        return None
    bounds = tuple(
        (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)) if value_type.weak is int and dtype.kind in "iu" else None
        for value_type, dtype in zip(types, dtypes, strict=False)
    )
    return bounds if any(bounds) else None


def check_python_ints(operands: Sequence[object], bounds: Bounds, results: Sequence[TensorType]) -> None:
    """Raise numpy's OverflowError for a Python int that does not fit the integer dtype of the computation."""
    for operand, bound in zip(operands, bounds, strict=True):
        if bound is not None and type(operand) is int and not bound[0] <= operand <= bound[1]:
            raise OverflowError(f"Python integer {operand} out of bounds for {results[0].dtype}")
