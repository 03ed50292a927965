"""numpy.linalg: the names of this folder, and those that differ from a function of numpy with the same name.

For example np.linalg.cross takes vectors of length 3 only, np.cross also vectors of length 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from composit.errors import NoRuleError, ParameterError, ShapeError
from composit.numpy.arguments.normalizing import TensorLike, handle_of
from composit.numpy.calls.declarations import rule_for
from composit.numpy.indexing.diagonals import diagonal as _diagonal
from composit.numpy.indexing.diagonals import trace as _trace
from composit.numpy.linalg.decompositions import cholesky, eig, eigh, eigvals, eigvalsh, qr, svd, svdvals
from composit.numpy.linalg.matrix_chains import multi_dot
from composit.numpy.linalg.norms import cond, matrix_norm, norm, vector_norm
from composit.numpy.linalg.pseudo_inverses import matrix_rank, pinv
from composit.numpy.linalg.solving import det, inv, lstsq, matrix_power, slogdet, solve, tensorinv, tensorsolve
from composit.numpy.manipulation.reshaping import swapaxes
from composit.numpy.products import matrix_products
from composit.numpy.products.vector_products import cross as _cross

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "LinAlgError",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]

LinAlgError = np.linalg.LinAlgError


@rule_for(np.linalg.matmul)
def matmul(x1: TensorLike, x2: TensorLike, /) -> LazyTensor:
    """Return the matrix product. See np.linalg.matmul."""
    return matrix_products.matmul(x1, x2)


@rule_for(np.linalg.tensordot)
def tensordot(x1: TensorLike, x2: TensorLike, /, *, axes: Any = 2) -> LazyTensor:
    """Return the sums of products over pairs of axes. See np.linalg.tensordot."""
    return matrix_products.tensordot(x1, x2, axes)


@rule_for(np.linalg.vecdot)
def vecdot(x1: TensorLike, x2: TensorLike, /, *, axis: SupportsIndex = -1) -> LazyTensor:
    """Return the dot products of vectors along an axis, the first conjugated. See np.linalg.vecdot."""
    return matrix_products.vecdot(x1, x2, axis=axis)


@rule_for(np.linalg.outer)
def outer(x1: TensorLike, x2: TensorLike, /) -> LazyTensor:
    """Return the products of all pairs of elements of two vectors. See np.linalg.outer."""
    x, y = handle_of(x1), handle_of(x2)
    if x.ndim != 1 or y.ndim != 1:
        raise ShapeError(
            f"Input arrays must be one-dimensional, but they are x1.ndim={x.ndim} and x2.ndim={y.ndim}.: outer was given"
            f" shapes {x.shape} and {y.shape}; flatten them with ravel first"
        )
    return matrix_products.outer(x, y)


@rule_for(np.linalg.cross)
def cross(x1: TensorLike, x2: TensorLike, /, *, axis: SupportsIndex = -1) -> LazyTensor:
    """Return the cross products of vectors of length 3 along an axis. See np.linalg.cross."""
    x, y = handle_of(x1), handle_of(x2)
    if x.shape[axis] != 3 or y.shape[axis] != 3:
        raise ShapeError(
            "Both input arrays must be (arrays of) 3-dimensional vectors, but they are "
            f"{x.shape[axis]} and {y.shape[axis]} dimensional instead.: cross was given shapes {x.shape} and {y.shape} "
            f"and axis {axis}; pad the vectors, or use composit.numpy.cross"
        )
    return _cross(x, y, axis=axis)


@rule_for(np.linalg.diagonal)
def diagonal(x: TensorLike, /, *, offset: int = 0) -> LazyTensor:
    """Return the diagonal of each matrix. See np.linalg.diagonal."""
    return _diagonal(x, offset, -2, -1)


@rule_for(np.linalg.trace)
def trace(x: TensorLike, /, *, offset: int = 0, dtype: Any = None) -> LazyTensor:
    """Return the sum along the diagonal of each matrix. See np.linalg.trace."""
    if dtype is not None and np.dtype(dtype).kind not in "biufcO":
        raise NoRuleError(f"trace: sums in {dtype}")
    return _trace(x, offset, -2, -1, dtype)


@rule_for(np.linalg.matrix_transpose)
def matrix_transpose(x: TensorLike, /) -> LazyTensor:
    """Return each matrix transposed. See np.linalg.matrix_transpose."""
    tensor = handle_of(x)
    if tensor.ndim < 2:
        raise ParameterError(
            f"Input array must be at least 2-dimensional, but it is {tensor.ndim}: matrix_transpose was given shape "
            f"{tensor.shape}; the last two axes are swapped"
        )
    return swapaxes(tensor, -1, -2)
