"""Derivatives of decompositions, as functions of `xp`: numpy, or composit.numpy where derivatives are to be lazy.

Source: M. B. Giles, Collected Matrix Derivative Results for Forward and Reverse Mode Algorithmic Differentiation
(2008), for Cholesky, eigh and svd; S. F. Walter and L. Lehmann, Algorithmic Differentiation of Linear Algebra
Functions (2010), for QR; extended to complex matrices, with LAPACK's choices: a real diagonal in R and in L. Known
weaknesses: singular values and eigenvalues that nearly coincide make the derivatives of their vectors large, and NaN if
they are equal; derivatives of the values themselves are in spectral_matrices.py.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from composit.derivative_types import ArrayOrTensor, Namespace
from composit.numpy.linalg.matrix_formulas import (
    adjoint,
    conjugated,
    diagonal_part,
    divided_by_differences,
    hermitian_part,
    meant_by_lower_triangle,
    on_read_triangle,
    scaled_columns,
    total,
)
from composit.numpy.linalg.spectral_matrices import HermitianFromEigenvalues, MatrixFromSingularValues

# A basis is orthonormal but for this many rounding errors per column.
_ROUNDINGS = 10


def cholesky(xp: Namespace, g: ArrayOrTensor, result: ArrayOrTensor, upper: bool) -> ArrayOrTensor:
    """Return the cotangent of x = L L*; it is zero in the triangle of x that numpy does not read."""
    lower, of_lower = (adjoint(xp, result), xp.swapaxes(g, -1, -2)) if upper else (result, conjugated(xp, g))
    inner = xp.tril(xp.matmul(adjoint(xp, lower), of_lower))
    inner = inner - diagonal_part(xp, inner) / 2
    inverse = xp.linalg.inv(lower)
    outer = xp.matmul(adjoint(xp, inverse), xp.matmul(inner, inverse))
    return conjugated(xp, on_read_triangle(xp, hermitian_part(xp, outer), "U" if upper else "L"))


def eigh(
    xp: Namespace,
    x: ArrayOrTensor,
    of_values: ArrayOrTensor | None,
    of_vectors: ArrayOrTensor | None,
    values: ArrayOrTensor,
    vectors: ArrayOrTensor,
    triangle: Literal["L", "U"],
) -> ArrayOrTensor:
    """Return the cotangent of x = V diag(w) V*; of_values or of_vectors may be None."""
    parts = []
    if of_values is not None:
        parts.append(xp.apply(HermitianFromEigenvalues(triangle), x, vectors, values, of_values))
    if of_vectors is not None:
        back = adjoint(xp, vectors)
        inner = divided_by_differences(xp, xp.matmul(back, conjugated(xp, of_vectors)), values)
        parts.append(xp.matmul(vectors, xp.matmul(inner, back)))
    return conjugated(xp, on_read_triangle(xp, hermitian_part(xp, total(parts)), triangle))


def eig(
    xp: Namespace,
    of_values: ArrayOrTensor | None,
    of_vectors: ArrayOrTensor | None,
    values: ArrayOrTensor,
    vectors: ArrayOrTensor,
) -> ArrayOrTensor:
    """Return the cotangent of x = V diag(w) V^-1; of_values or of_vectors may be None.

    The columns of V are LAPACK's: of length 1, and their largest element is real.
    """
    back = adjoint(xp, vectors)
    parts = []
    if of_vectors is not None:
        projected = xp.matmul(back, _with_fixed_phase(xp, conjugated(xp, of_vectors), vectors))
        # Eigenvectors have length 1, so the component of the cotangent along the vector is removed.
        along = xp.real(xp.diagonal(projected, axis1=-2, axis2=-1))
        across = projected - scaled_columns(xp, xp.matmul(back, vectors), along)
        inner = divided_by_differences(xp, across, xp.conjugate(values))
        parts.append(xp.matmul(inner, back))
    if of_values is not None:
        parts.append(xp.expand_dims(_of_distinct(xp, conjugated(xp, of_values), values), -1) * back)
    return conjugated(xp, xp.linalg.solve(back, total(parts)))


def _with_fixed_phase(xp: Namespace, g: ArrayOrTensor, vectors: ArrayOrTensor) -> ArrayOrTensor:
    """Return the cotangent of eigenvectors of any phase, from that of vectors whose largest element is real.

    A change dv of a vector is turned by -Im(dv[k]) / v[k], with k the place of its largest element.
    """
    if vectors.dtype.kind != "c" or 0 in xp.shape(vectors):
        return g
    turning = -xp.imag(xp.sum(xp.conjugate(g) * vectors, axis=-2, keepdims=True))
    lengths = xp.abs(vectors)
    rows = xp.reshape(xp.arange(xp.shape(vectors)[-2]), (-1, 1))
    is_largest = rows == xp.argmax(lengths, axis=-2, keepdims=True)
    return g + xp.where(is_largest, -1j * turning / xp.where(is_largest, xp.real(vectors), 1), 0)


def _of_distinct(xp: Namespace, g: ArrayOrTensor, values: ArrayOrTensor) -> ArrayOrTensor:
    """Return the cotangents of eigenvalues, NaN where equal eigenvalues have different ones.

    Only symmetric functions of equal eigenvalues have a derivative.
    """
    differences = xp.expand_dims(g, -2) - xp.expand_dims(g, -1)
    clashes = divided_by_differences(xp, differences, values)
    return xp.where(xp.any(xp.isnan(clashes), axis=-1), math.nan, g)


def singular_values(
    xp: Namespace,
    x: ArrayOrTensor,
    g: ArrayOrTensor,
    decomposition: tuple[ArrayOrTensor, ArrayOrTensor, ArrayOrTensor],
    hermitian: bool = False,
) -> ArrayOrTensor:
    """Return the cotangent of x = U diag(s) V* from that of s."""
    return conjugated(xp, xp.apply(MatrixFromSingularValues(hermitian), x, *decomposition, g))


def svd(
    xp: Namespace,
    x: ArrayOrTensor,
    cotangents: tuple[ArrayOrTensor | None, ArrayOrTensor | None, ArrayOrTensor | None],
    results: tuple[ArrayOrTensor, ArrayOrTensor, ArrayOrTensor],
    hermitian: bool,
) -> ArrayOrTensor:
    """Return the cotangent of x = U diag(s) V* with as many columns as singular values; entries may be None.

    A pair of singular vectors of a complex matrix is determined up to a phase. The cotangent is right for functions
    that do not depend on it.
    """
    of_left, of_values, of_right = (None if g is None else conjugated(xp, g) for g in cotangents)
    left, values, right = results
    parts = []
    if of_values is not None:
        parts.append(xp.apply(MatrixFromSingularValues(hermitian), x, left, values, right, of_values))
    if of_left is not None:
        parts.append(xp.matmul(_of_left_vectors(xp, of_left, left, values), right))
        if left.dtype.kind == "c":
            phases = xp.imag(xp.sum(conjugated(xp, left) * of_left, axis=-2)) / values
            parts.append(xp.matmul(scaled_columns(xp, left, 1j * phases), right))
    if of_right is not None:
        # x* = V diag(s) U*: V are the left vectors of the adjoint.
        turned = _of_left_vectors(xp, adjoint(xp, of_right), adjoint(xp, right), values)
        parts.append(xp.matmul(left, adjoint(xp, turned)))
    return conjugated(xp, total(parts))


def _of_left_vectors(xp: Namespace, g: ArrayOrTensor, left: ArrayOrTensor, values: ArrayOrTensor) -> ArrayOrTensor:
    """Return the contribution of the left vectors' cotangent, before it is multiplied by V* from the right."""
    projected = xp.matmul(adjoint(xp, left), g)
    turned = adjoint(xp, projected)
    depends = xp.abs(projected) + xp.abs(turned)
    turns = divided_by_differences(xp, projected - turned, values * values, depends)
    across = g - xp.matmul(left, projected)
    return xp.matmul(left, scaled_columns(xp, turns, values)) + scaled_columns(xp, across, 1 / values)


def of_determined_columns(xp: Namespace, g: ArrayOrTensor, basis: ArrayOrTensor, count: int) -> ArrayOrTensor:
    """Return the cotangent of the first columns of an orthonormal basis, from that of all columns.

    The others span what is orthogonal to the first, and are chosen by LAPACK. A function of that space, such as a
    projection, has a derivative, since the space turns with the first columns. A function of the choice has none: NaN.
    """
    g = conjugated(xp, g)
    first, rest, of_rest = basis[..., :count], basis[..., count:], g[..., count:]
    inner = xp.matmul(adjoint(xp, rest), of_rest)
    turning = xp.abs(inner - adjoint(xp, inner))
    rounding = _ROUNDINGS * xp.shape(basis)[-1] * float(np.finfo(basis.dtype).eps)
    largest = xp.max(xp.abs(of_rest), axis=(-2, -1), keepdims=True, initial=0)
    is_of_choice = xp.any(turning > rounding * largest, axis=(-2, -1), keepdims=True)
    result = g[..., :count] - xp.matmul(rest, xp.matmul(adjoint(xp, of_rest), first))
    return conjugated(xp, xp.where(is_of_choice, math.nan, result))


def qr(
    xp: Namespace,
    of_q: ArrayOrTensor | None,
    of_r: ArrayOrTensor | None,
    q: ArrayOrTensor,
    r: ArrayOrTensor,
    x: ArrayOrTensor,
) -> ArrayOrTensor:
    """Return the cotangent of x = Q R, where Q has as many columns as the shorter side of x; entries may be None."""
    rows, columns = xp.shape(x)[-2:]
    of_q = None if of_q is None else conjugated(xp, of_q)
    of_r = None if of_r is None else conjugated(xp, of_r)
    if rows >= columns:
        return conjugated(xp, _tall_qr(xp, of_q, of_r, q, r))
    # [X | Y] = Q [U | W]: X = Q U is square, and W = Q* Y.
    of_u = of_w = None
    if of_r is not None:
        of_u, of_w = of_r[..., :rows], of_r[..., rows:]
        more = xp.matmul(x[..., rows:], adjoint(xp, of_w))
        of_q = more if of_q is None else of_q + more
    of_x = _tall_qr(xp, of_q, of_u, q, r[..., :rows])
    of_y = xp.zeros_like(x[..., rows:]) if of_w is None else xp.matmul(q, of_w)
    return conjugated(xp, xp.concatenate([of_x, of_y], axis=-1))


def _tall_qr(
    xp: Namespace, of_q: ArrayOrTensor | None, of_r: ArrayOrTensor | None, q: ArrayOrTensor, r: ArrayOrTensor
) -> ArrayOrTensor:
    differences = []
    if of_r is not None:
        differences.append(xp.matmul(r, adjoint(xp, of_r)))
    if of_q is not None:
        differences.append(-xp.matmul(adjoint(xp, of_q), q))
    outer = xp.matmul(q, meant_by_lower_triangle(xp, total(differences)))
    if of_q is not None:
        outer = outer + of_q
    # outer R^-*
    return adjoint(xp, xp.linalg.solve(r, adjoint(xp, outer)))
