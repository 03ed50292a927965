"""diag, diagflat, tril, triu and vander, composed of operations defined elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply, as_tensor, leaf
from composit.errors import NoRuleError, ShapeError
from composit.numpy.arguments.normalizing import (
    TensorLike,
    handle_of,
    integer,
    new_handle,
    whole,
)
from composit.numpy.calls.declarations import rule_for
from composit.numpy.creation.from_nothing import Eye, Tri
from composit.numpy.elementwise.casting import astype, in_dtype
from composit.numpy.elementwise.conditional import Where
from composit.numpy.indexing.diagonals import diagonal
from composit.numpy.manipulation.broadcasting import broadcast_to
from composit.numpy.manipulation.joining import concatenate
from composit.numpy.manipulation.reshaping import ravel
from composit.numpy.rearranging.padding import pad
from composit.numpy.reductions import reduce as reductions

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor


__all__ = ["diag", "diagflat", "tril", "triu", "vander"]


# Masks have no serial number, so that two masks with equal parameters are equal nodes, and tril(x) equals tril(x).
_NO_SERIAL = b""


def _where(mask: Any, chosen: Any, otherwise: Any) -> LazyTensor:
    return apply(Where(), mask, chosen, otherwise)


@rule_for(np.tril)
def tril(m: TensorLike, k: int = 0) -> LazyTensor:
    """Return the elements on and below a diagonal, zeros elsewhere. See np.tril."""
    tensor = _matrix(m, "tril")
    mask = leaf(Tri(tensor.shape[-2], tensor.shape[-1], whole(k), np.dtype(bool), _NO_SERIAL))
    return _where(mask, tensor, np.zeros((), tensor.dtype)[()])


@rule_for(np.triu)
def triu(m: TensorLike, k: int = 0) -> LazyTensor:
    """Return the elements on and above a diagonal, zeros elsewhere. See np.triu."""
    tensor = _matrix(m, "triu")
    mask = leaf(Tri(tensor.shape[-2], tensor.shape[-1], whole(k) - 1, np.dtype(bool), _NO_SERIAL))
    return _where(mask, np.zeros((), tensor.dtype)[()], tensor)


def _matrix(m: TensorLike, function: str) -> LazyTensor:
    tensor = handle_of(m)
    if tensor.dtype.kind not in "biufcmM":
        raise NoRuleError(f"{function}: elements that are no numbers")
    if tensor.ndim == 0:
        raise ShapeError(f"{function}: a tensor of rank 0 was given; expected one axis or more; expand_dims it")
    return broadcast_to(tensor, (tensor.shape[0], tensor.shape[0])) if tensor.ndim == 1 else tensor


@rule_for(np.diag)
def diag(v: TensorLike, k: int = 0) -> LazyTensor:
    """Return a vector as the diagonal of a matrix, or the diagonal of a matrix as a vector. See np.diag."""
    tensor = as_tensor(v)
    if tensor.dtype.kind not in "biufcmM":
        raise NoRuleError("diag: elements that are no numbers")
    if tensor.ndim == 2:
        return diagonal(tensor, k)
    if tensor.ndim != 1:
        raise ShapeError(f"Input must be 1- or 2-d.: diag was given shape {tensor.shape}; use diagonal for more axes")
    k = whole(k)
    size = tensor.shape[0] + abs(k)
    # Element (i, j) of the diagonal is entry j - max(k, 0) of the vector, so a padded row vector broadcasts to it.
    row = pad(tensor, (max(k, 0), max(-k, 0)))
    mask = leaf(Eye(size, size, k, np.dtype(bool), _NO_SERIAL))
    return in_dtype(_where(mask, row, np.zeros((), tensor.dtype)[()]), tensor.dtype)


@rule_for(np.diagflat)
def diagflat(v: TensorLike, k: int = 0) -> LazyTensor:
    """Return all elements as the diagonal of a matrix. See np.diagflat."""
    return diag(ravel(v), k)


@rule_for(np.vander)
def vander(x: TensorLike, N: int | None = None, increasing: bool = False) -> LazyTensor:
    """Return the powers of the elements as columns. See np.vander.

    Derivative:  that of the cumulative products that compute it
    """
    tensor = handle_of(x)
    columns = tensor.size if N is None else integer(N)
    if tensor.ndim != 1 or tensor.dtype.kind not in "biufc" or columns < 1:
        raise NoRuleError("vander: x is no vector of numbers, or there are no columns")
    dtype = np.promote_types(tensor.dtype, int)
    values = tensor if tensor.dtype == dtype else astype(tensor, dtype)
    powers = [broadcast_to(dtype.type(1), (tensor.size, 1))]
    if columns > 1:
        repeated = broadcast_to(values[:, None], (tensor.size, columns - 1))
        powers.append(reductions.cumprod(repeated, axis=1))
    result = concatenate(powers, 1)
    return result if increasing else new_handle(result[:, ::-1])
