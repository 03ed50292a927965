"""Decompositions of matrices, systems of equations, determinants and inverses."""

from __future__ import annotations

import numpy as np

import composit.numpy as cnp
from composit import nn
from composit.apply import apply, apply_several
from composit.handle import TensorHandle
from composit.nn.gradient_flow import straight_through
from composit.nn.operations.indefinite_factors import LDL, LDLSolve
from composit.nn.operations.matrix_functions import LU, CholeskyErrors, matrix_exponential, permutation_of
from composit.numpy.linalg.solving import Solve, SolveTriangular
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, constant_of
from flashlight.table import Call, register

_SOLVE, _SOLVE_TRIANGULAR = Solve(), SolveTriangular()


def _transposed(x: LazyTensor) -> LazyTensor:
    return cnp.swapaxes(x, -1, -2)


def _adjoint(x: LazyTensor) -> LazyTensor:
    return cnp.conjugate(_transposed(x)) if x.dtype.kind == "c" else _transposed(x)


def _errors_of_factors(factors: LazyTensor) -> LazyTensor:
    """Return torch's error codes: the place of the first 0 on the diagonal of U, counted from 1, and 0 if there is none.

    They are computed where somebody uses them; a matrix without inverse or factor raises when numpy evaluates that.
    """
    diagonal = cnp.diagonal(factors, axis1=-2, axis2=-1)
    if not diagonal.shape[-1]:
        return cnp.zeros(diagonal.shape[:-1], np.int32)
    is_zero = diagonal == 0
    place = cnp.where(cnp.any(is_zero, axis=-1), cnp.argmax(is_zero, axis=-1) + 1, 0)
    return cast(place, np.dtype(np.int32))


def _factors_of_determinant(call: Call, x: LazyTensor) -> list[LazyTensor]:
    """Return the factors that torch keeps for the derivative of a determinant.

    It saves a copy by factorising the transposed matrix where that lies in memory as LAPACK wants it, and asks the same question again
    in the backward pass.
    """
    is_turned = call.arguments[0].is_contiguous() and x.dtype.kind != "c"
    return _lu(_transposed(x) if is_turned else x)


@register(aten._linalg_det)
def _determinant(call: Call, x: LazyTensor) -> list[LazyTensor]:
    return [cnp.linalg.det(x), *_factors_of_determinant(call, x)]


@register(aten._linalg_slogdet)
def _sign_and_log_determinant(call: Call, x: LazyTensor) -> list[LazyTensor]:
    sign, logarithm = cnp.linalg.slogdet(x)
    return [sign, logarithm, *_factors_of_determinant(call, x)]


@register(aten.linalg_inv_ex)
def _inverse(call: Call, x: LazyTensor, *, check_errors: bool = False) -> list[LazyTensor]:
    return [cnp.linalg.inv(x), _errors_of_factors(_lu(x)[0])]


@register(aten.inverse)
def _plain_inverse(call: Call, x: LazyTensor) -> LazyTensor:
    return cnp.linalg.inv(x)


def _solved(a: LazyTensor, b: LazyTensor, operation: Solve = _SOLVE) -> LazyTensor:
    """Return the solution x of a x = b, for matrices b in stacks that broadcast."""
    outer = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if 0 in (a.shape[-1], b.shape[-1], *outer):
        return cnp.zeros((*outer, a.shape[-1], b.shape[-1]), b.dtype)
    return apply(operation, cnp.broadcast_to(a, (*outer, *a.shape[-2:])), cnp.broadcast_to(b, (*outer, *b.shape[-2:])))


def _solved_from(a: LazyTensor, b: LazyTensor, left: bool, operation: Solve = _SOLVE) -> LazyTensor:
    if left:
        return _solved(a, b, operation)
    return _transposed(_solved(_transposed(a), _transposed(b), operation))


@register(aten._linalg_solve_ex)
def _solve(
    call: Call, a: LazyTensor, b: LazyTensor, *, left: bool = True, check_errors: bool = False
) -> list[LazyTensor]:
    # torch takes b as a vector, or as a stack of vectors of the shape of the stack of matrices.
    is_vector = b.ndim == 1 or (a.ndim - 1 == b.ndim and b.shape == a.shape[:-1])
    matrices = cnp.expand_dims(b, -1) if is_vector else b
    solution = _solved_from(a, matrices, left or is_vector)
    factors, pivots = _lu(a if left else _transposed(a))
    return [cnp.squeeze(solution, -1) if is_vector else solution, factors, pivots, _errors_of_factors(factors)]


def _triangle(x: LazyTensor, upper: bool, unitriangular: bool) -> LazyTensor:
    """Return the triangle that is read, in which other elements count as 0."""
    kept = cnp.triu(x, 1 if unitriangular else 0) if upper else cnp.tril(x, -1 if unitriangular else 0)
    return kept + np.eye(x.shape[-1], dtype=x.dtype) if unitriangular else kept


@register(aten.linalg_solve_triangular)
def _solve_triangular(
    call: Call, a: LazyTensor, b: LazyTensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> LazyTensor:
    return _solved_from(_triangle(a, upper, unitriangular), b, left, _SOLVE_TRIANGULAR)


@register(aten.triangular_solve)
def _old_solve_triangular(
    call: Call,
    b: LazyTensor,
    a: LazyTensor,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
) -> list[LazyTensor]:
    triangle = _triangle(a, upper, unitriangular)
    solution = _solved(_transposed(triangle) if transpose else triangle, b, _SOLVE_TRIANGULAR)
    return [solution, cnp.broadcast_to(a, call.result_types[1][1])]


def _cholesky_factor(x: LazyTensor, upper: bool) -> LazyTensor:
    if not x.size:
        return x
    x = _with_symmetric_gradient(x)
    return _adjoint(cnp.linalg.cholesky(_adjoint(x))) if upper else cnp.linalg.cholesky(x)


def _with_symmetric_gradient(x: LazyTensor) -> LazyTensor:
    """Return x itself, with a gradient that is shared by both triangles, as in torch; numpy's goes to the one that is read."""
    symmetric = (x + _adjoint(x)) / 2
    return cnp.add(nn.stop_gradient(x), symmetric - nn.stop_gradient(symmetric))


@register(aten.linalg_cholesky_ex)
def _cholesky_with_errors(
    call: Call, x: LazyTensor, *, upper: bool = False, check_errors: bool = False
) -> list[LazyTensor]:
    return [_cholesky_factor(x, upper), apply(CholeskyErrors(), _adjoint(x) if upper else x)]


@register(aten.cholesky)
def _cholesky(call: Call, x: LazyTensor, upper: bool = False) -> LazyTensor:
    return _cholesky_factor(x, upper)


@register(aten.cholesky_solve)
def _cholesky_solve(call: Call, b: LazyTensor, factor: LazyTensor, upper: bool = False) -> LazyTensor:
    # torch's gradient fills the triangle that is not read, too.
    triangle = straight_through(_triangle(factor, upper, False), factor)
    lower = _adjoint(triangle) if upper else triangle
    return _solved(_adjoint(lower), _solved(lower, b, _SOLVE_TRIANGULAR), _SOLVE_TRIANGULAR)


@register(aten.cholesky_inverse)
def _cholesky_inverse(call: Call, factor: LazyTensor, upper: bool = False) -> LazyTensor:
    identity = cnp.asarray(np.eye(factor.shape[-1], dtype=factor.dtype))
    return cnp.broadcast_to(_cholesky_solve(call, identity, factor, upper), call.shape)


@register(aten.linalg_qr)
def _qr(call: Call, x: LazyTensor, mode: str = "reduced") -> list[LazyTensor]:
    if mode == "r":
        dtype, shape = call.result_types[0]
        return [cnp.zeros(shape, dtype), cnp.linalg.qr(x, mode="r")]
    q, r = cnp.linalg.qr(x, mode=mode)
    return [q, r]


@register(aten._linalg_eigh)
def _hermitian_eigenvectors(call: Call, x: LazyTensor, UPLO: str = "L", compute_v: bool = True) -> list[LazyTensor]:
    x = _with_symmetric_gradient(x)
    if not compute_v:
        dtype, shape = call.result_types[1]
        return [cnp.linalg.eigvalsh(x, UPLO), cnp.zeros(shape, dtype)]
    values, vectors = cnp.linalg.eigh(x, UPLO)
    return [values, vectors]


@register(aten.linalg_eig)
def _eigenvectors(call: Call, x: LazyTensor) -> list[LazyTensor]:
    # Of complex matrices numpy's results are complex, too; those of real ones depend on the values.
    values, vectors = cnp.linalg.eig(cast(x, call.dtype))
    return [values, vectors]


@register(aten._linalg_eigvals)
def _eigenvalues(call: Call, x: LazyTensor) -> LazyTensor:
    return cnp.linalg.eigvals(cast(x, call.dtype))


@register(aten._linalg_svd)
def _svd(
    call: Call, x: LazyTensor, full_matrices: bool = False, compute_uv: bool = True, *, driver: str | None = None
) -> list[LazyTensor]:
    if not compute_uv:
        left, right = (cnp.zeros(*call.result_types[at][::-1]) for at in (0, 2))
        return [left, cnp.linalg.svdvals(x), right]
    left, values, right = cnp.linalg.svd(x, full_matrices=False)
    if full_matrices and x.shape[-1] != x.shape[-2]:
        # The further vectors are chosen, not determined: they have no derivative.
        full = [nn.stop_gradient(each) for each in cnp.linalg.svd(x, full_matrices=True)]
        shared = min(x.shape[-2:])
        left = cnp.concatenate([left, full[0][..., :, shared:]], axis=-1)
        right = cnp.concatenate([right, full[2][..., shared:, :]], axis=-2)
    return [left, values, right]


@register(aten.linalg_pinv.atol_rtol_tensor)
def _pseudo_inverse(
    call: Call,
    x: LazyTensor,
    *,
    atol: LazyTensor | None = None,
    rtol: LazyTensor | None = None,
    hermitian: bool = False,
) -> LazyTensor:
    if not x.size:
        return cnp.zeros(call.shape, call.dtype)
    if hermitian:
        # The lower triangle is read; torch's gradient fills both, as that of any matrix.
        x = straight_through(cnp.tril(x) + _adjoint(cnp.tril(x, -1)), x)
    resolution = float(np.finfo(x.dtype).eps) * max(x.shape[-2:])
    relative = (resolution if atol is None else 0.0) if rtol is None else constant_of(rtol)
    absolute = 0.0 if atol is None else constant_of(atol)
    if absolute == 0 and isinstance(relative, float):
        return cnp.linalg.pinv(x, relative)
    return _pseudo_inverse_by_svd(x, 0.0 if atol is None else atol, relative if rtol is None else rtol)


def _pseudo_inverse_by_svd(x: LazyTensor, atol: LazyTensor | float, rtol: LazyTensor | float | None) -> LazyTensor:
    left, values, right = cnp.linalg.svd(x, full_matrices=False)
    largest = cnp.max(values, axis=-1, keepdims=True)
    bounds = [
        cnp.expand_dims(each, -1) if isinstance(each, TensorHandle) and each.ndim else each for each in (atol, rtol)
    ]
    is_kept = values > cnp.maximum(bounds[0], bounds[1] * largest)
    inverse = cnp.where(is_kept, 1 / cnp.where(is_kept, values, 1), 0)
    return (_adjoint(right) * cnp.expand_dims(inverse, -2)) @ _adjoint(left)


@register(aten.linalg_lstsq)
def _least_squares(
    call: Call, a: LazyTensor, b: LazyTensor, rcond: float | None = None, *, driver: str | None = None
) -> list[LazyTensor]:
    is_vector = a.ndim - 1 == b.ndim
    matrices = cnp.expand_dims(b, -1) if is_vector else b
    resolution = float(np.finfo(a.dtype).eps) * max(a.shape[-2:])
    solution = cnp.linalg.pinv(a, resolution if rcond is None else rcond) @ matrices
    (_, residuals), (_, rank), (_, values) = call.result_types[1:]
    squares = cnp.square(cnp.absolute(a @ solution - matrices))
    # torch leaves out what its driver does not compute.
    return [
        cnp.squeeze(solution, -1) if is_vector else solution,
        cnp.reshape(cnp.sum(squares, axis=-2), residuals)
        if 0 not in residuals
        else cnp.zeros(residuals, squares.dtype),
        cnp.reshape(cast(cnp.linalg.matrix_rank(a), np.dtype(np.int64)), rank)
        if 0 not in rank
        else cnp.zeros(rank, np.int64),
        cnp.linalg.svdvals(a) if 0 not in values else cnp.zeros(values, squares.dtype),
    ]


def _lu(x: LazyTensor, pivot: bool = True) -> list[LazyTensor]:
    factors, pivots = apply_several(LU(pivot), x)
    return [factors, pivots]


@register(aten.linalg_lu_factor_ex)
def _lu_factor(call: Call, x: LazyTensor, *, pivot: bool = True, check_errors: bool = False) -> list[LazyTensor]:
    factors, pivots = _lu(x, pivot)
    return [factors, pivots, _errors_of_factors(factors)]


@register(aten.linalg_lu)
def _lu_decomposition(call: Call, x: LazyTensor, *, pivot: bool = True) -> list[LazyTensor]:
    factors, pivots = _lu(x, pivot)
    _, lower, upper = _unpacked(factors, pivots)
    if not pivot:
        return [cnp.zeros((0,), x.dtype), lower, upper]
    return [permutation_of(pivots, x.shape[-2], x.dtype), lower, upper]


def _unpacked(factors: LazyTensor, pivots: LazyTensor) -> tuple[LazyTensor, LazyTensor, LazyTensor]:
    rows, columns = factors.shape[-2:]
    shared = min(rows, columns)
    lower = cnp.tril(factors[..., :, :shared], -1) + np.eye(rows, shared, dtype=factors.dtype)
    return permutation_of(pivots, rows, factors.dtype), lower, cnp.triu(factors[..., :shared, :])


@register(aten.lu_unpack)
def _lu_unpack(
    call: Call, factors: LazyTensor, pivots: LazyTensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> list[LazyTensor]:
    parts = _unpacked(factors, pivots)
    wanted = (unpack_pivots, unpack_data, unpack_data)
    empty = [cnp.zeros(shape, dtype) for dtype, shape in call.result_types]
    return [part if is_wanted else none for part, is_wanted, none in zip(parts, wanted, empty, strict=True)]


@register(aten.linalg_lu_solve)
def _lu_solve(
    call: Call, factors: LazyTensor, pivots: LazyTensor, b: LazyTensor, *, left: bool = True, adjoint: bool = False
) -> LazyTensor:
    permutation, *triangles = _unpacked(factors, pivots)
    lower, upper = (cnp.conjugate(each) if adjoint and each.dtype.kind == "c" else each for each in triangles)
    # x A = b is A^T x^T = b^T, and A = P L U, so A^T x = b begins with U^T and ends with P.
    columns = b if left else _transposed(b)
    if adjoint == left:
        solution = _solved(_transposed(upper), columns, _SOLVE_TRIANGULAR)
        solution = permutation @ _solved(_transposed(lower), solution, _SOLVE_TRIANGULAR)
    else:
        solution = _solved(lower, _transposed(permutation) @ columns, _SOLVE_TRIANGULAR)
        solution = _solved(upper, solution, _SOLVE_TRIANGULAR)
    return solution if left else _transposed(solution)


@register(aten.linalg_ldl_factor_ex)
def _indefinite_factors(
    call: Call, x: LazyTensor, *, hermitian: bool = False, check_errors: bool = False
) -> list[LazyTensor]:
    return list(apply_several(LDL(hermitian), x))


@register(aten.linalg_ldl_solve)
def _solve_by_indefinite_factors(
    call: Call, factors: LazyTensor, pivots: LazyTensor, b: LazyTensor, *, hermitian: bool = False
) -> LazyTensor:
    return apply(LDLSolve(hermitian), factors, pivots, b)


@register(aten.linalg_matrix_exp)
def _matrix_exponential(call: Call, x: LazyTensor) -> LazyTensor:
    return matrix_exponential(x)


@register(aten.linalg_householder_product)
def _householder_product(call: Call, vectors: LazyTensor, factors: LazyTensor) -> LazyTensor:
    return _product_of_reflections(vectors, factors, vectors.shape[-1])


def _product_of_reflections(vectors: LazyTensor, factors: LazyTensor, columns: int) -> LazyTensor:
    """Return the first columns of the product of the reflections 1 - factor v v*, with v below the diagonal, 1 on it."""
    rows = vectors.shape[-2]
    columns_of_v = cnp.tril(vectors, -1) + np.eye(rows, vectors.shape[-1], dtype=vectors.dtype)
    product = cnp.broadcast_to(
        cnp.asarray(np.eye(rows, columns, dtype=vectors.dtype)), (*vectors.shape[:-2], rows, columns)
    )
    for number in reversed(range(factors.shape[-1])):
        v = columns_of_v[..., number : number + 1]
        factor = factors[..., number : number + 1, None]
        product = product - factor * (v @ (_adjoint(v) @ product))
    return product


@register(aten.ormqr)
def _times_reflections(
    call: Call, vectors: LazyTensor, factors: LazyTensor, other: LazyTensor, left: bool = True, transpose: bool = False
) -> LazyTensor:
    product = _product_of_reflections(vectors, factors, vectors.shape[-2])
    product = _adjoint(product) if transpose else product
    return product @ other if left else other @ product


@register(aten.geqrf)
def _raw_qr(call: Call, x: LazyTensor) -> list[LazyTensor]:
    packed, factors = cnp.linalg.qr(x, mode="raw")
    return [_transposed(packed), factors]


@register(aten.linalg_cross)
def _cross(call: Call, x: LazyTensor, y: LazyTensor, *, dim: int = -1) -> LazyTensor:
    x, y = (cnp.broadcast_to(cast(each, call.dtype), call.shape) for each in (x, y))
    return cnp.linalg.cross(x, y, axis=dim)
