"""Index arrays for diagonals and triangles of matrices (diag_indices, tril_indices, ...), `unravel_index`.

numpy makes the positions at the call. Of a tensor only its shape is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from composit.errors import NoRuleError
from composit.numpy.arguments.normalizing import TensorLike, handle_of
from composit.numpy.calls.declarations import rule_for, without_rule

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "diag_indices",
    "diag_indices_from",
    "mask_indices",
    "ravel_multi_index",
    "tril_indices",
    "tril_indices_from",
    "triu_indices",
    "triu_indices_from",
    "unravel_index",
]

diag_indices = without_rule(np.diag_indices)
mask_indices = without_rule(np.mask_indices)
ravel_multi_index = without_rule(np.ravel_multi_index)
tril_indices = without_rule(np.tril_indices)
triu_indices = without_rule(np.triu_indices)
unravel_index = without_rule(np.unravel_index)


@rule_for(np.diag_indices_from)
def diag_indices_from(arr: TensorLike) -> tuple[LazyTensor, ...]:
    """Return the positions of the main diagonal of an array of this shape. See np.diag_indices_from."""
    shape = handle_of(arr).shape
    if len(shape) < 2 or len(set(shape)) != 1:
        raise NoRuleError(f"diag_indices_from: shape {shape}")
    positions: tuple[LazyTensor, ...] = diag_indices(shape[0], len(shape))
    return positions


def _matrix_shape(arr: TensorLike) -> tuple[int, int]:
    shape = handle_of(arr).shape
    if len(shape) != 2:
        raise NoRuleError(f"indices of a triangle: shape {shape}")
    return shape[0], shape[1]


@rule_for(np.tril_indices_from)
def tril_indices_from(arr: TensorLike, k: int = 0) -> tuple[LazyTensor, ...]:
    """Return the positions on and below a diagonal of a matrix of this shape. See np.tril_indices_from."""
    rows, columns = _matrix_shape(arr)
    positions: tuple[LazyTensor, ...] = tril_indices(rows, k=k, m=columns)
    return positions


@rule_for(np.triu_indices_from)
def triu_indices_from(arr: TensorLike, k: int = 0) -> tuple[LazyTensor, ...]:
    """Return the positions on and above a diagonal of a matrix of this shape. See np.triu_indices_from."""
    rows, columns = _matrix_shape(arr)
    positions: tuple[LazyTensor, ...] = triu_indices(rows, k=k, m=columns)
    return positions
