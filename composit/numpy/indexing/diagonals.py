"""`diagonal`, whose result is a view, and `trace`, the sums along diagonals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from composit.errors import NoRuleError, ShapeError
from composit.handle import make_tensor
from composit.numpy.arguments.normalizing import (
    AxisLike,
    TensorLike,
    handle_of,
    normalize_axis,
    whole,
)
from composit.numpy.calls.declarations import rule_for
from composit.numpy.manipulation.reshaping import moveaxis, reshape
from composit.numpy.views.view_operations import DiagonalView
from composit.storage import mark_view

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["diagonal", "trace"]


@rule_for(np.diagonal)
def diagonal(a: TensorLike, offset: int = 0, axis1: AxisLike = 0, axis2: AxisLike = 1) -> LazyTensor:
    """Return the diagonals over two axes, as the last axis of a view. See np.diagonal."""
    tensor = handle_of(a)
    if tensor.ndim < 2:
        raise ShapeError(f"diag requires an array of at least two dimensions: diagonal was given shape {tensor.shape}")
    first, second = normalize_axis(axis1, tensor.ndim, "axis1"), normalize_axis(axis2, tensor.ndim, "axis2")
    if first == second:
        raise ShapeError(f"axis1 and axis2 cannot be the same: diagonal was given axis {first} twice; name two axes")
    return diagonal_view(tensor, DiagonalView(whole(offset, num_bits=32), first, second))


def diagonal_view(tensor: Any, view: DiagonalView) -> LazyTensor:
    """Return the diagonals, marked as a view of the tensor: the reshape that computes them may be a copy."""
    result = _elements_of(tensor, view)
    shown = make_tensor(result.node, result.output_index)
    mark_view(shown, tensor, view)
    return shown


def _elements_of(tensor: Any, view: DiagonalView) -> LazyTensor:
    offset, first, second = view.offset, view.axis1, view.axis2
    moved = moveaxis(tensor, (first, second), (-2, -1))
    rows, columns = moved.shape[-2:]
    start = offset if offset >= 0 else -offset * columns
    length = max(min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns), 0)
    flat = reshape(moved, (*moved.shape[:-2], rows * columns))
    # In the flattened matrix the elements of a diagonal are columns + 1 apart.
    start = start if length else 0
    elements: LazyTensor = flat[..., start : start + length * (columns + 1) : columns + 1][..., :length]
    return elements


@rule_for(np.trace)
def trace(a: TensorLike, offset: int = 0, axis1: AxisLike = 0, axis2: AxisLike = 1, dtype: Any = None) -> LazyTensor:
    """Return the sums along the diagonals over two axes. See np.trace."""
    if dtype is not None and np.dtype(dtype).kind not in "biufcO":
        raise NoRuleError(f"trace: sums in {dtype}, for which np.trace takes what np.sum does not")
    sums: LazyTensor = diagonal(handle_of(a), offset, axis1, axis2).sum(axis=-1, dtype=dtype)
    return sums
