"""V diag(g) V* and U diag(g) V*: cotangents of matrices, from the cotangents g of their eigenvalues or singular values.

The derivatives of these products (Daleckii and Krein, 1965; Bhatia, Matrix Analysis, V.3) have quotients such as
(g[j] - g[i]) / (w[j] - w[i]). Where two eigenvalues are equal, and g comes from a symmetric function of them, the quotient
has a limit: that of the changes of g and w along a path on which the eigenvalues move apart (l'Hospital's rule). Two
reverse sweeps over the graph of g compute it.

Known weaknesses: eigenvalues closer than the root of the rounding error count as equal, and derivatives have half of the
digits there. They are NaN where the limit does not exist (the largest of two equal eigenvalues). Third derivatives at
equal eigenvalues are NaN, since their limits are not computed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from composit.derivative_types import ArrayOrTensor, Namespace
from composit.handle import TensorHandle
from composit.numpy.linalg.matrix_formulas import (
    adjoint,
    conjugated,
    hermitian_part,
    on_read_triangle,
    real_part,
    scaled_columns,
    total,
)
from composit.operation import Array, Operation, OperationKind, Results, TensorType, VjpContext, tensor_type

# A quotient that is farther from its limit than this many roots of the rounding error has none.
_TOLERATED = 100


@dataclass(frozen=True, slots=True)
class HermitianFromEigenvalues(Operation):
    """V diag(g) V*, from a Hermitian matrix x, its eigenvectors V and eigenvalues w, and g.

    triangle:    the triangle of x that was read
    Derivative:  by g and x; the derivative by x is that through V and w, which have none here
    """

    triangle: Literal["L", "U"]
    kind = OperationKind.FUNCTION

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return operand_types[1:2]

    def evaluate(self, *operands: Array) -> Results:
        _, vectors, _, g = operands
        back = np.swapaxes(vectors, -1, -2)
        result: Array = np.matmul(
            vectors * np.expand_dims(g, -2), np.conjugate(back) if back.dtype.kind == "c" else back
        )
        return result

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (x, vectors, values, g) = context.xp, context.operands
        back = adjoint(xp, vectors)
        inner = xp.matmul(back, xp.matmul(conjugated(xp, context.cotangents[0]), vectors))
        inner = hermitian_part(xp, inner)
        to_g = real_part(xp, xp.diagonal(inner, axis1=-2, axis2=-1))
        if not context.needs[0]:
            return [None, None, None, to_g]
        quotients = _Quotients.along(xp, x, vectors, back, g, values)
        outer = xp.matmul(vectors, xp.matmul(_times(xp, quotients.of_differences(), inner), back))
        return [conjugated(xp, on_read_triangle(xp, hermitian_part(xp, outer), self.triangle)), None, None, to_g]


@dataclass(frozen=True, slots=True)
class MatrixFromSingularValues(Operation):
    """U diag(g) V*, from a matrix x, its singular vectors U and values s, V*, and g.

    hermitian:   whether x is Hermitian and only its lower triangle was read
    Derivative:  by g and x; the derivative by x is that through U, s and V*, which have none here
    """

    hermitian: bool = False
    kind = OperationKind.FUNCTION

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        _, left, _, right, _ = operand_types
        return (tensor_type((*left.shape[:-1], right.shape[-1]), left.dtype),)

    def evaluate(self, *operands: Array) -> Results:
        _, left, _, right, g = operands
        result: Array = np.matmul(left * np.expand_dims(g, -2), right)
        return result

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (x, left, values, right, g) = context.xp, context.operands
        cotangent = conjugated(xp, context.cotangents[0])
        back, vectors = adjoint(xp, left), adjoint(xp, right)
        inner = xp.matmul(back, xp.matmul(cotangent, vectors))
        to_g = real_part(xp, xp.diagonal(inner, axis1=-2, axis2=-1))
        if not context.needs[0]:
            return [None, None, None, None, to_g]
        quotients = _Quotients.along(xp, x, left, right, g, values)
        symmetric = hermitian_part(xp, inner)
        turned = _times(xp, quotients.of_differences(), symmetric) + _times(xp, quotients.of_sums(), inner - symmetric)
        parts = [xp.matmul(left, xp.matmul(turned, right))]
        rows, columns = xp.shape(x)[-2:]
        count = xp.shape(values)[-1]
        if rows > count:
            outside = xp.matmul(cotangent, vectors) - xp.matmul(left, inner)
            parts.append(xp.matmul(scaled_columns(xp, outside, quotients.of_values()), right))
        if columns > count:
            outside = xp.matmul(back, cotangent) - xp.matmul(inner, right)
            parts.append(xp.matmul(scaled_columns(xp, left, quotients.of_values()), outside))
        to_x = total(parts)
        if self.hermitian:
            to_x = on_read_triangle(xp, hermitian_part(xp, to_x), "L")
        return [conjugated(xp, to_x), None, None, None, to_g]


@dataclass(frozen=True, slots=True)
class LimitValue(Operation):
    """A limit, as it is.

    Derivative:  NaN where a cotangent arrives, since that of the limit is not known
    """

    keeps_c_order = True
    kind = OperationKind.ELEMENTWISE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return operand_types

    def evaluate(self, *operands: Array) -> Results:
        return operands[0]

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        (g,) = context.cotangents
        return [context.xp.where(g == 0, 0, math.nan)]


@dataclass(frozen=True, slots=True)
class _Quotients:
    """Quotients of g and the values, and their limits where both are 0: quotients of their changes along a path.

    steps, changes: how the values and g change along the path
    """

    xp: Namespace
    g: ArrayOrTensor
    values: ArrayOrTensor
    steps: ArrayOrTensor
    changes: ArrayOrTensor

    @classmethod
    def along(
        cls, xp: Namespace, x: ArrayOrTensor, left: ArrayOrTensor, right: ArrayOrTensor, g: Any, values: ArrayOrTensor
    ) -> _Quotients:
        """Return the quotients with the path x + t left diag(1, 2, 3, ...) right, on which all values move apart."""
        steps = xp.arange(1, xp.shape(values)[-1] + 1, dtype=values.dtype)
        is_lazy = isinstance(g, TensorHandle)  # an array has no graph that it comes from
        direction = xp.matmul(scaled_columns(xp, left, steps), right)
        return cls(xp, g, values, steps, _change(xp, g, x, direction) if is_lazy else steps * math.nan)

    def of_differences(self) -> ArrayOrTensor:
        """Return (g[j] - g[i]) / (values[j] - values[i]) at row i and column j, and 0 on the diagonal."""
        xp, steps = self.xp, _pairs(self.xp, self.steps, -1)
        apart = xp.where(steps == 0, 1, steps)
        g, values, changes = (_pairs(xp, each, -1) for each in (self.g, self.values, self.changes))
        return xp.where(steps == 0, 0, self._quotient(g, values, changes, apart))

    def of_sums(self) -> ArrayOrTensor:
        """Return (g[j] + g[i]) / (values[j] + values[i]) at row i and column j."""
        g, values, changes, steps = (
            _pairs(self.xp, each, 1) for each in (self.g, self.values, self.changes, self.steps)
        )
        return self._quotient(g, values, changes, steps)

    def of_values(self) -> ArrayOrTensor:
        """Return g / values."""
        return self._quotient(self.g, self.values, self.changes, self.steps)

    def _quotient(
        self, numerator: ArrayOrTensor, denominator: ArrayOrTensor, change: ArrayOrTensor, step: ArrayOrTensor
    ) -> ArrayOrTensor:
        xp, root = self.xp, math.sqrt(np.finfo(self.values.dtype).eps)
        limit = xp.apply(LimitValue(), change / step)
        largest = [xp.max(xp.abs(each), axis=-1, keepdims=True, initial=0) for each in (self.g, self.values)]
        if numerator.ndim > self.g.ndim:
            largest = [xp.expand_dims(each, -1) for each in largest]
        is_small = xp.abs(denominator) <= root * largest[1]
        has_limit = xp.abs(numerator - limit * denominator) <= _TOLERATED * root * largest[0]
        return xp.where(is_small, xp.where(has_limit, limit, math.nan), numerator / xp.where(is_small, 1, denominator))


def _pairs(xp: Namespace, values: ArrayOrTensor, sign: int) -> ArrayOrTensor:
    """Return values[j] + sign * values[i] at row i and column j."""
    return xp.expand_dims(values, -2) + sign * xp.expand_dims(values, -1)


def _times(xp: Namespace, quotients: ArrayOrTensor, matrix: ArrayOrTensor) -> ArrayOrTensor:
    """Return the elements times quotients; an element that is 0 stays 0 where the quotient is NaN."""
    return xp.where(matrix == 0, 0, quotients * matrix)


def _change(xp: Any, g: Any, x: ArrayOrTensor, direction: ArrayOrTensor) -> ArrayOrTensor:
    """Return how g changes along a direction of x: the gradient is linear in its weights, and is differentiated by them."""
    weights = xp.ones(g.shape, g.dtype)
    (gradient,) = xp.chain_rule({g: weights}, [x], unreached="zeros")
    slope = xp.sum(xp.real(gradient * direction))
    change: ArrayOrTensor
    (change,) = xp.chain_rule({slope: slope}, [weights], unreached="zeros")
    return change
