"""Linear equations and determinants: solve, inv, det, slogdet, and matrix_power, tensorsolve, tensorinv made of them.

A singular matrix raises when the node is evaluated. Results have `matrix_arguments.inexact_dtype` of the operands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.linalg._linalg import SlogdetResult  # numpy's own class, so that isinstance and repr are numpy's

from composit.apply import apply
from composit.errors import NoRuleError, ParameterError, ShapeError
from composit.numpy.arguments.normalizing import (
    AxisLike,
    TensorLike,
    broadcast_shapes,
    handle_of,
    normalize_axis,
    unbounded,
)
from composit.numpy.calls.declarations import rule_for, without_rule
from composit.numpy.linalg.matrix_arguments import (
    MatrixAlgorithm,
    check_square,
    inexact_dtype,
    matrices_shape,
    real_dtype,
)
from composit.numpy.linalg.matrix_formulas import transposed
from composit.numpy.manipulation.reshaping import ravel, reshape, transpose
from composit.numpy.products.matrix_products import matmul
from composit.operation import Array, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["det", "inv", "lstsq", "matrix_power", "slogdet", "solve", "tensorinv", "tensorsolve"]


@dataclass(frozen=True, slots=True)
class Inverse(MatrixAlgorithm):
    """The inverse of each matrix.

    Derivative:  - inv(x)^T g inv(x)^T
    Reference:   numpy.linalg.inv
    """

    keeps_c_order = True
    raises_by_value = True

    @property
    def name(self) -> str:
        return "inv"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        check_square("inv", x)
        return (tensor_type(x.shape, inexact_dtype("inv", x)),)

    def evaluate(self, *operands: Array) -> Results:
        return np.linalg.inv(*operands)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [inverse_cotangent(context.xp, context.cotangents[0], context.results[0])]


def inverse_cotangent(xp: Any, g: Any, inverse: Any) -> Any:
    """Return the cotangent of a matrix from that of its inverse."""
    turned = transposed(xp, inverse)
    return -xp.matmul(turned, xp.matmul(g, turned))


@rule_for(np.linalg.inv)
def inv(a: TensorLike) -> LazyTensor:
    """Return the inverse of each matrix. See np.linalg.inv.

    Derivative:  - inv(a)^T g inv(a)^T
    """
    return apply(Inverse(), handle_of(a))


@dataclass(frozen=True, slots=True)
class Solve(MatrixAlgorithm):
    """The x of a @ x == b, for each pair of matrix and right-hand side; b of one axis is one column.

    Shapes:      (..., m, m), (..., m, k) -> (..., m, k); (..., m, m), (m,) -> (..., m)
    Derivative:  db = solve(a^T, g), da = - db x^T
    Reference:   numpy.linalg.solve
    """

    keeps_c_order = True
    raises_by_value = True

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        a, b = operand_types
        check_square("solve", a)
        dtype = inexact_dtype("solve", a, b)
        stack, rows, _ = matrices_shape(a)
        if b.ndim == 0:
            raise NoRuleError("solve: a right-hand side without axes")
        given, signature = (b.shape[0], "(m,m),(m)->(m)") if b.ndim == 1 else (b.shape[-2], "(m,m),(m,n)->(m,n)")
        if given != rows:
            name = "solve1" if b.ndim == 1 else "solve"
            raise ShapeError(
                f"{name}: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature {signature} (size"
                f" {given} is different from {rows}): the shapes are {a.shape} and {b.shape}; the right-hand side must"
                f" have {rows} rows"
            )
        core = (rows,) if b.ndim == 1 else (rows, b.shape[-1])
        return (tensor_type(broadcast_shapes(stack, b.shape[:-2]) + core, dtype),)

    def evaluate(self, *operands: Array) -> Results:
        return np.linalg.solve(*operands)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (a, b), (x,) = context.xp, context.cotangents, context.operands, context.results
        if xp.ndim(b) == 1:
            right = xp.apply(self, transposed(xp, a), xp.expand_dims(g, -1))
            left = -xp.matmul(right, xp.expand_dims(x, -2)) if context.needs[0] else None
            return [left, xp.squeeze(right, -1)]
        right = xp.apply(self, transposed(xp, a), g)
        return [-xp.matmul(right, transposed(xp, x)) if context.needs[0] else None, right]


@dataclass(frozen=True, slots=True)
class SolveTriangular(Solve):
    """`Solve` for matrices that are triangles: a 0 on the diagonal gives infinities and NaN, as in BLAS, and no error.

    Shapes:      (..., m, m), (..., m, k) -> (..., m, k)
    Derivative:  as that of `Solve`
    Reference:   torch.linalg.solve_triangular
    """

    raises_by_value = False

    @property
    def name(self) -> str:
        return "solve_triangular"

    def evaluate(self, *operands: Array) -> Results:
        a, b = operands
        if np.diagonal(a, axis1=-2, axis2=-1).all():
            return np.linalg.solve(a, b)
        with np.errstate(all="ignore"):
            return _substituted(a, b, is_lower=not np.triu(a, 1).any())


def _substituted(a: Array, b: Array, is_lower: bool) -> Array:
    """Return the solution row by row, from the end of the triangle at which a row has one element."""
    size = a.shape[-1]
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = np.array(np.broadcast_to(b, (*stack, *b.shape[-2:])), np.result_type(a, b), order="C")
    for row in range(size) if is_lower else reversed(range(size)):
        known = slice(0, row) if is_lower else slice(row + 1, size)
        x[..., row, :] -= (a[..., row, None, known] @ x[..., known, :])[..., 0, :]
        x[..., row, :] /= a[..., row, row, None]
    return x


@rule_for(np.linalg.solve)
def solve(a: TensorLike, b: TensorLike) -> LazyTensor:
    """Return the solution of each system of linear equations. See np.linalg.solve."""
    return apply(Solve(), handle_of(a), handle_of(b))


@dataclass(frozen=True, slots=True)
class Determinant(MatrixAlgorithm):
    """The determinant of each matrix.

    Derivative:  g det(x) inv(x)^T; evaluating it raises where det(x) is 0
    Reference:   numpy.linalg.det
    """

    keeps_c_order = True

    @property
    def name(self) -> str:
        return "det"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        check_square("det", x)
        stack, _, _ = matrices_shape(x)
        return (tensor_type(stack, inexact_dtype("det", x), is_scalar=not stack),)

    def evaluate(self, *operands: Array) -> Any:
        return np.linalg.det(*operands)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x,), (result,) = context.xp, context.cotangents, context.operands, context.results
        return [_in_stack(xp, g * result) * transposed(xp, xp.linalg.inv(x))]


def _in_stack(xp: Any, value: Any) -> Any:
    """Return one number per matrix in the shape (..., 1, 1), to multiply all elements of its matrix."""
    return xp.expand_dims(value, (-2, -1))


@rule_for(np.linalg.det)
def det(a: TensorLike) -> LazyTensor:
    """Return the determinant of each matrix. See np.linalg.det."""
    return apply(Determinant(), handle_of(a))


@dataclass(frozen=True, slots=True)
class SignAndLogDeterminant(MatrixAlgorithm):
    """The sign (for complex matrices the phase) of each determinant, and the logarithm of its absolute value.

    Derivative:  of the logarithm g inv(x)^T; of a phase i Im(g phase) inv(x)^T, of a sign 0
    Reference:   numpy.linalg.slogdet
    """

    num_results_of_class = 2
    keeps_c_order = True

    @property
    def name(self) -> str:
        return "slogdet"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        check_square("slogdet", x)
        stack, _, _ = matrices_shape(x)
        dtype = inexact_dtype("slogdet", x)
        dtypes = dtype, real_dtype(dtype)
        return tuple(tensor_type(stack, each, is_scalar=not stack) for each in dtypes)

    def evaluate(self, *operands: Array) -> Results:
        return tuple(np.linalg.slogdet(*operands))

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (of_sign, of_logarithm), (x,), (sign, _) = context.xp, context.cotangents, context.operands, context.results
        factors = [] if of_logarithm is None else [of_logarithm]
        if of_sign is not None and x.dtype.kind == "c":
            factors.append(1j * xp.imag(of_sign * sign))
        if not factors:
            return [xp.zeros_like(x)]
        return [_in_stack(xp, sum(factors[1:], factors[0])) * transposed(xp, xp.linalg.inv(x))]


@rule_for(np.linalg.slogdet)
def slogdet(a: TensorLike) -> Any:
    """Return sign and logarithm of the absolute value of each determinant. See np.linalg.slogdet."""
    return SlogdetResult(*apply(SignAndLogDeterminant(), handle_of(a)))


# The shape of the residuals depends on the rank, which depends on values: numpy computes at the call.
lstsq = without_rule(np.linalg.lstsq)


@rule_for(np.linalg.matrix_power)
def matrix_power(a: TensorLike, n: AxisLike) -> LazyTensor:
    """Return each matrix to an integer power, by repeated squaring. See np.linalg.matrix_power."""
    x = handle_of(a)
    check_square("matrix_power", x.type)
    power = unbounded(n)  # numpy squares for each bit, so no power is too large
    if power == 0 or x.dtype.kind not in "biufc":
        raise NoRuleError(f"matrix_power: no rule for power {power} of dtype {x.dtype}")
    if power < 0:
        x, power = inv(x), -power
    if power == 3:
        # numpy multiplies a cube as (x x) x; the loop below would multiply x (x x), with other last bits.
        return matmul(matmul(x, x), x)
    result: LazyTensor | None = None
    square = x
    while True:
        power, bit = divmod(power, 2)
        if bit:
            result = square if result is None else matmul(result, square)
        if result is not None and not power:
            return result
        square = matmul(square, square)


@rule_for(np.linalg.tensorsolve)
def tensorsolve(a: TensorLike, b: TensorLike, axes: Sequence[int] | None = None) -> LazyTensor:
    """Return the x of tensordot(a, x, x.ndim) == b. See np.linalg.tensorsolve."""
    x, y = handle_of(a), handle_of(b)
    if axes is not None:
        last = [normalize_axis(axis, x.ndim) for axis in axes]
        x = transpose(x, [axis for axis in range(x.ndim) if axis not in last] + last)
    # The solution has the last a.ndim - b.ndim axes of a. For 0 the slice takes all axes, as in numpy.
    shape = x.shape[-(x.ndim - y.ndim) :]
    size = math.prod(shape)
    if x.size != size**2:
        raise NoRuleError(f"tensorsolve: shape {x.shape} is no square matrix against {y.shape}")
    return reshape(solve(reshape(x, (size, size)), ravel(y)), shape)


@rule_for(np.linalg.tensorinv)
def tensorinv(a: TensorLike, ind: int = 2) -> LazyTensor:
    """Return the inverse for tensordot over `ind` axes. See np.linalg.tensorinv."""
    x = handle_of(a)
    if ind <= 0:
        raise ParameterError(
            f"Invalid ind argument.: tensorinv was given {ind} for shape {x.shape}; the number of axes that belong to the"
            " result's right side must be positive"
        )
    rows = math.prod(x.shape[ind:])
    return reshape(inv(reshape(x, (rows, -1))), x.shape[ind:] + x.shape[:ind])
