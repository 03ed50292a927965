"""What functions of numpy.linalg that numpy computes at the call are differentiated as: lstsq, eig of real matrices, and others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.numpy.calls.expressions import Expressed, KnownResults, expressed
from composit.numpy.linalg import decomposition_derivatives as derivatives
from composit.numpy.linalg.matrix_formulas import adjoint, conjugated, transposed
from composit.numpy.linalg.pseudo_inverses import cotangent_of_pseudo_inverse
from composit.operation import VjpContext

# Any, everywhere here: tensors, their namespace, and numpy's arguments.


@dataclass(frozen=True, slots=True)
class EigenvaluesAndVectors(KnownResults):
    """Known eigenvalues and eigenvectors of length 1. Operands: both, and the matrix.

    Derivative:  as that of `Eig`
    """

    num_results_of_class = 2

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        (of_values, of_vectors), (values, vectors) = context.cotangents, context.results
        return [None, None, derivatives.eig(context.xp, of_values, of_vectors, values, vectors)]


@expressed(np.linalg.eig)
def _eig(xp: Any, results: Sequence[Any], a: Any) -> Expressed:
    return xp.apply(EigenvaluesAndVectors(), *results, xp.asarray(a))


@expressed(np.linalg.eigvals)
def _eigvals(xp: Any, results: Sequence[Any], a: Any) -> Expressed:
    values, _ = xp.apply(EigenvaluesAndVectors(), *xp.linalg.eig(a), xp.asarray(a))
    count = values.shape[-1]
    if not values.size:
        return values
    # LAPACK may return the values in another order when it is not asked for the vectors: each value takes the nearest,
    # and the one at its own place where that is as near but for rounding.
    distances = xp.abs(xp.expand_dims(results[0], -1) - xp.expand_dims(values, -2))
    rounding = (
        10 * count * float(np.finfo(values.dtype).eps) * xp.max(xp.abs(values), axis=-1, keepdims=True, initial=0)
    )
    is_in_order = xp.diagonal(distances, axis1=-2, axis2=-1) <= xp.min(distances, axis=-1) + rounding
    places = xp.where(is_in_order, np.arange(count), xp.argmin(distances, axis=-1))
    return xp.take_along_axis(values, places, axis=-1)


@dataclass(frozen=True, slots=True)
class KnownPseudoInverse(KnownResults):
    """A known pseudo-inverse. Operands: it, and the matrix.

    hermitian:   only the lower triangle of the matrix was read
    Derivative:  as that of `PseudoInverse`
    """

    hermitian: bool

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (_, a), (p,) = context.xp, context.cotangents, context.operands, context.results
        return [None, cotangent_of_pseudo_inverse(xp, g, a, p, self.hermitian)]


@expressed(np.linalg.pinv)
def _pinv(
    xp: Any, results: Sequence[Any], a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None
) -> Expressed:
    return xp.apply(KnownPseudoInverse(bool(hermitian)), results[0], xp.asarray(a))


@dataclass(frozen=True, slots=True)
class OfFullRank(KnownResults):
    """A matrix, as it is. Operands: the matrix, and whether its rank is full.

    Derivative:  g; NaN where the rank is not full, since what uses the matrix jumps there
    """

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (_, is_full) = context.xp, context.cotangents, context.operands
        return [xp.where(xp.logical_or(is_full, xp.all(g == 0)), g, np.nan), None]


@expressed(np.linalg.lstsq)
def _lstsq(xp: Any, results: Sequence[Any], a: Any, b: Any, rcond: Any = None) -> Expressed:
    solution, residuals, rank, singular_values = results
    a, b = xp.asarray(a), xp.asarray(b)
    rows, columns = a.shape
    matrix = xp.apply(OfFullRank(), xp.astype(a, solution.dtype), rank == min(rows, columns))
    right = xp.astype(b if b.ndim == 2 else b[:, None], solution.dtype)
    if not rows or not columns:
        found = xp.zeros(solution.shape, solution.dtype)
    else:
        eps = float(np.finfo(singular_values.dtype).eps)
        cut = eps * max(rows, columns) if rcond is None else eps if rcond == -1 else float(rcond)
        found = xp.reshape(xp.matmul(xp.linalg.pinv(matrix, cut), right), solution.shape)
    if residuals.size:
        rest = right - xp.matmul(matrix, xp.reshape(found, (columns, -1)))
        residuals = xp.sum(xp.real(rest * xp.conjugate(rest)), axis=0)
    values = xp.linalg.svdvals(xp.astype(a, solution.dtype)) if singular_values.size else singular_values
    return found, residuals, rank, values


@expressed(np.linalg.qr)
def _qr(xp: Any, results: Sequence[Any], a: Any, mode: str = "raw") -> Expressed:
    """Return LAPACK's form of qr(mode="raw"), column by column: R, and reflections 1 - tau v v* with v[0] = 1, below it.

    Source: LAPACK Users' Guide, xGEQRF and xLARFG
    """
    rest = xp.astype(xp.asarray(a), results[0].dtype)
    steps = [_reflected(xp, rest)] if min(rest.shape[-2:]) else []
    while steps and min(steps[-1].inner.shape[-2:]):
        steps.append(_reflected(xp, steps[-1].inner))
    packed = steps[-1].inner if steps else rest
    for step in reversed(steps):
        right = xp.concatenate([step.row, packed], axis=-2)
        packed = xp.concatenate([step.column, right], axis=-1)
    factors = xp.concatenate([step.factor for step in steps], axis=-1) if steps else results[1]
    return transposed(xp, packed), factors


@dataclass(frozen=True, slots=True)
class _Step:
    """One column after its reflection: the element of R with v below it, the row of R to its right, and what remains."""

    column: Any
    row: Any
    inner: Any
    factor: Any


def _reflected(xp: Any, matrix: Any) -> _Step:
    first, below = matrix[..., :1, :1], matrix[..., 1:, :1]
    is_complex = matrix.dtype.kind == "c"
    if not is_complex and matrix.shape[-2] == 1:
        # A real number has no reflection.
        return _Step(first, matrix[..., :1, 1:], matrix[..., 1:, 1:], xp.zeros_like(first[..., 0]))
    whole = matrix[..., :1]
    length = xp.sqrt(xp.sum(xp.real(whole * conjugated(xp, whole)), axis=-2, keepdims=True))
    beta = xp.astype(-xp.copysign(length, xp.real(first)), matrix.dtype)
    factor, v = (beta - first) / beta, below / (first - beta)
    direction = xp.concatenate([xp.ones_like(first), v], axis=-2)
    others = matrix[..., 1:]
    turned = others - direction * conjugated(xp, factor) * xp.matmul(adjoint(xp, direction), others)
    column = xp.concatenate([beta, v], axis=-2)
    return _Step(column, turned[..., :1, :], turned[..., 1:, :], factor[..., 0])
