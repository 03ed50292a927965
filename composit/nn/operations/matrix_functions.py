"""Functions of matrices that numpy lacks: the LU decomposition with pivots, and the exponential.

Sources: Golub and Van Loan, Matrix Computations, 3.4 (LU with partial pivoting); Higham, The Scaling and Squaring Method for the
Matrix Exponential Revisited, 2005 (with the approximant of degree 13 for every norm).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.numpy.arguments.normalizing import TensorLike, handle_of
from composit.numpy.linalg.matrix_arguments import (
    MatrixAlgorithm,
    check_matrices,
    check_square,
    inexact_dtype,
    matrices_shape,
)
from composit.operation import Array, Dtype, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["matrix_exponential"]


@dataclass(frozen=True, slots=True)
class LU(MatrixAlgorithm):
    """x = P L U, as LAPACK packs it: U in the upper triangle, L below the diagonal, and the rows swapped, counted from 1.

    pivot: whether rows are swapped; without, P is the identity

    Shapes:      (..., m, n) -> (..., m, n), (..., min(m, n))
    Derivative:  with K = L^-1 P^T dx U^-1: dL = L tril(K, -1), dU = triu(K) U; for the columns beyond m and the rows beyond n, as left
    Reference:   torch.linalg.lu_factor
    """

    pivot: bool
    num_results_of_class = 2

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        check_matrices("lu", x)
        outer, rows, columns = matrices_shape(x)
        return tensor_type(x.shape, inexact_dtype("lu", x)), tensor_type((*outer, min(rows, columns)), np.int32)

    def evaluate(self, *operands: Array) -> Results:
        (x,) = operands
        (kind, places) = self.result_types(tensor_type(x.shape, x.dtype))
        factors = x.astype(kind.dtype).reshape(-1, *x.shape[-2:])
        pivots = np.zeros((len(factors), places.shape[-1]), np.int32)
        with np.errstate(all="ignore"):
            for matrix, swaps in zip(factors, pivots, strict=True):
                _factorize(matrix, swaps, self.pivot)
        return factors.reshape(x.shape), pivots.reshape(places.shape)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g, _), (factors, pivots) = context.xp, context.cotangents, context.results
        rows, columns = xp.shape(factors)[-2:]
        shared = min(rows, columns)
        lower = xp.tril(factors[..., :, :shared], -1) + np.eye(rows, shared, dtype=factors.dtype)
        upper = xp.triu(factors[..., :shared, :])
        permutation = xp.apply(Permutation(rows, factors.dtype), pivots)
        return [
            permutation @ _lu_cotangent(xp, xp.tril(g[..., :, :shared], -1), xp.triu(g[..., :shared, :]), lower, upper)
        ]


def _factorize(matrix: Array, swaps: Array, pivot: bool) -> None:
    for column in range(len(swaps)):
        chosen = column + int(np.argmax(np.abs(matrix[column:, column]))) if pivot else column
        swaps[column] = chosen + 1
        if chosen != column:
            matrix[[column, chosen]] = matrix[[chosen, column]]
        if matrix[column, column] != 0 or not pivot:
            matrix[column + 1 :, column] /= matrix[column, column]
            rest = matrix[column + 1 :, column + 1 :]
            rest -= np.outer(matrix[column + 1 :, column], matrix[column, column + 1 :])


def _lu_cotangent(xp: Any, of_lower: Any, of_upper: Any, lower: Any, upper: Any) -> Any:
    """Return the cotangent of L U, from those of L (rows, shared) and U (shared, columns)."""
    shared = xp.shape(lower)[-1]
    square_lower, square_upper = lower[..., :shared, :], upper[..., :, :shared]
    of_k = _product(xp, square_lower, of_lower[..., :shared, :])
    below, above = of_k, of_upper[..., :, :shared] @ _swapped(xp, square_upper)
    rest_of_lower, rest_of_upper = of_lower[..., shared:, :], of_upper[..., :, shared:]
    below = below - rest_of_upper @ _swapped(xp, upper[..., :, shared:])
    above = above - _product(xp, lower[..., shared:, :], rest_of_lower)
    k = xp.tril(below, -1) + xp.triu(above)
    inner = _solved(xp, square_upper, k)
    full = xp.concatenate([_left_solved(xp, square_lower, inner), _solved(xp, square_upper, rest_of_lower)], axis=-2)
    right = _left_solved(xp, square_lower, rest_of_upper)
    if xp.shape(right)[-1]:
        return xp.concatenate([full, right], axis=-1)
    return full


def _swapped(xp: Any, x: Any) -> Any:
    return xp.swapaxes(x, -1, -2)


def _product(xp: Any, x: Any, y: Any) -> Any:
    return _swapped(xp, x) @ y


def _left_solved(xp: Any, lower: Any, y: Any) -> Any:
    """Return (L^T)^-1 y."""
    return xp.linalg.solve(_swapped(xp, lower), y)


def _solved(xp: Any, upper: Any, y: Any) -> Any:
    """Return y (U^T)^-1."""
    return _swapped(xp, xp.linalg.solve(upper, _swapped(xp, y)))


@dataclass(frozen=True, slots=True)
class Permutation(MatrixAlgorithm):
    """The matrix P of x = P L U, from the rows that were swapped, counted from 1.

    Shapes:  (..., k) -> (..., rows, rows)
    """

    rows: int
    dtype: Dtype
    no_derivative = "a permutation is chosen by integers"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type((*operand_types[0].shape[:-1], self.rows, self.rows), self.dtype),)

    def evaluate(self, *operands: Array) -> Results:
        (pivots,) = operands
        swaps = pivots.reshape(math.prod(pivots.shape[:-1]), pivots.shape[-1])
        result = np.zeros((len(swaps), self.rows, self.rows), self.dtype)
        for matrix, row in zip(result, swaps, strict=True):
            order = np.arange(self.rows)
            for place, chosen in enumerate(row - 1):
                order[[place, chosen]] = order[[chosen, place]]
            matrix[order, np.arange(self.rows)] = 1
        return result.reshape(*pivots.shape[:-1], self.rows, self.rows)


def permutation_of(pivots: TensorLike, rows: int, dtype: Dtype) -> LazyTensor:
    """Return the matrix P of x = P L U, from the pivots of `LU`."""
    return apply(Permutation(rows, dtype), handle_of(pivots))


@dataclass(frozen=True, slots=True)
class CholeskyErrors(MatrixAlgorithm):
    """The order of the first leading part of each matrix that is not positive definite, 0 where the whole is.

    Shapes:      (..., n, n) -> (...)
    Reference:   torch.linalg.cholesky_ex
    """

    no_derivative = "an error code is an integer"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        check_square("cholesky", x)
        inexact_dtype("cholesky", x)
        return (tensor_type(x.shape[:-2], np.int32),)

    def evaluate(self, *operands: Array) -> Results:
        (x,) = operands
        matrices = x.reshape(math.prod(x.shape[:-2]), *x.shape[-2:])
        orders = [_first_indefinite_order(matrix) for matrix in matrices]
        return np.array(orders, np.int32).reshape(x.shape[:-2])


def _first_indefinite_order(matrix: Array) -> int:
    good, bad = 0, len(matrix) + 1
    order = len(matrix)
    while bad - good > 1:
        if _is_definite(matrix[:order, :order]):
            good = order
        else:
            bad = order
        order = (good + bad) // 2
    return bad if bad <= len(matrix) else 0


def _is_definite(matrix: Array) -> bool:
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True


# The coefficients of the approximant of degree 13, and the largest 1-norm for which it is exact in float64.
_PADE = (
    64764752532480000.0,
    32382376266240000.0,
    7771770303897600.0,
    1187353796428800.0,
    129060195264000.0,
    10559470521600.0,
    670442572800.0,
    33522128640.0,
    1323241920.0,
    40840800.0,
    960960.0,
    16380.0,
    182.0,
    1.0,
)
_LARGEST_NORM = 5.371920351148152


@dataclass(frozen=True, slots=True)
class MatrixExponential(MatrixAlgorithm):
    """exp of square matrices.

    Derivative:  the upper right block of exp([[x^T, g], [0, x^T]])
    Reference:   torch.linalg.matrix_exp; Al-Mohy and Higham, 2009, for the derivative
    """

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        check_square("matrix_exponential", x)
        return (tensor_type(x.shape, inexact_dtype("matrix_exponential", x)),)

    def evaluate(self, *operands: Array) -> Results:
        (x,) = operands
        if not x.size:
            return x.copy()
        wide = x.astype(np.result_type(x.dtype, np.float64), copy=False)
        norm = float(np.abs(wide).sum(axis=-2).max())
        squarings = max(0, math.ceil(math.log2(norm / _LARGEST_NORM))) if norm > _LARGEST_NORM and norm < np.inf else 0
        result = _approximant(wide / 2.0**squarings)
        for _ in range(squarings):
            result = result @ result
        return result.astype(inexact_dtype("matrix_exponential", tensor_type(x.shape, x.dtype)), copy=False)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        transposed, length = xp.swapaxes(x, -1, -2), xp.shape(x)[-1]
        upper = xp.concatenate([transposed, g], axis=-1)
        block = xp.concatenate([upper, xp.concatenate([xp.zeros_like(g), transposed], axis=-1)], axis=-2)
        return [xp.apply(self, block)[..., :length, length:]]


def _approximant(x: Array) -> Array:
    b, identity = _PADE, np.eye(x.shape[-1], dtype=x.dtype)
    x2 = x @ x
    x4 = x2 @ x2
    x6 = x4 @ x2
    odd = x @ (x6 @ (b[13] * x6 + b[11] * x4 + b[9] * x2) + b[7] * x6 + b[5] * x4 + b[3] * x2 + b[1] * identity)
    even = x6 @ (b[12] * x6 + b[10] * x4 + b[8] * x2) + b[6] * x6 + b[4] * x4 + b[2] * x2 + b[0] * identity
    return np.linalg.solve(even - odd, even + odd)


def matrix_exponential(x: TensorLike) -> LazyTensor:
    """Return exp(x) of square matrices.

    Shapes:      (..., n, n) -> (..., n, n)
    Dtype:       that of x; integers become float64
    Derivative:  by x
    Raises:      LinAlgError: x is no stack of square matrices
    Reference:   torch.linalg.matrix_exp, scipy.linalg.expm
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(matrix_exponential([[0.0, 1.0], [0.0, 0.0]]))
        array([[1., 1.],
               [0., 1.]])
    """
    return apply(MatrixExponential(), handle_of(x))
