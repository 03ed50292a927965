"""Products of several matrices in the cheapest order: multi_dot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.errors import LinearAlgebraError, ParameterError
from composit.numpy.arguments.normalizing import TensorLike, handle_of
from composit.numpy.calls.declarations import rule_for
from composit.numpy.manipulation.reshaping import expand_dims, ravel
from composit.numpy.products.matrix_products import dot

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["multi_dot"]


@rule_for(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[TensorLike], *, out: None = None) -> LazyTensor:
    """Return the product of matrices, multiplied in the order that takes the fewest steps. See np.linalg.multi_dot.

    A vector is a row at the start and a column at the end.
    """
    tensors = [handle_of(array) for array in arrays]
    if len(tensors) < 2:
        raise ParameterError(
            f"Expecting at least two arrays.: multi_dot was given {len(tensors)}; a single matrix is its own product"
        )
    if len(tensors) == 2:
        return dot(*tensors)
    first, last = tensors[0].ndim, tensors[-1].ndim
    if first == 1:
        tensors[0] = expand_dims(tensors[0], 0)
    if last == 1:
        tensors[-1] = expand_dims(tensors[-1], 1)
    for tensor in tensors:
        _check_matrix(tensor)
    lengths = (*(tensor.shape[0] for tensor in tensors), tensors[-1].shape[1])
    result = _product(tensors, _splits(lengths), 0, len(tensors) - 1)
    if first == last == 1:
        product: LazyTensor = result[0, 0]
        return product
    return ravel(result) if 1 in (first, last) else result


def _check_matrix(tensor: Any) -> None:
    if tensor.ndim != 2:
        raise LinearAlgebraError(
            f"{tensor.ndim}-dimensional array given. Array must be two-dimensional: multi_dot was given shape"
            f" {tensor.shape}; only the first and the last operand may be vectors"
        )


def _product(tensors: Sequence[LazyTensor], splits: dict[tuple[int, int], int], start: int, end: int) -> LazyTensor:
    if start == end:
        return tensors[start]
    middle = splits[start, end]
    return dot(_product(tensors, splits, start, middle), _product(tensors, splits, middle + 1, end))


@lru_cache(maxsize=256)
def _splits(lengths: tuple[int, ...]) -> dict[tuple[int, int], int]:
    """Return the cheapest split of each run: splits[i, j] = k means (matrices i..k) times (matrices k+1..j).

    Matrix i has the shape (lengths[i], lengths[i + 1]). The first of equally cheap splits is taken, as in numpy.

    Reference: Cormen et al., Introduction to Algorithms, section 15.2
    """
    count = len(lengths) - 1
    costs = {(i, i): 0 for i in range(count)}
    splits = {}
    for width in range(1, count):
        for start in range(count - width):
            end = start + width
            found = {
                middle: costs[start, middle]
                + costs[middle + 1, end]
                + lengths[start] * lengths[middle + 1] * lengths[end + 1]
                for middle in range(start, end)
            }
            splits[start, end] = min(found, key=found.__getitem__)
            costs[start, end] = found[splits[start, end]]
    return splits
