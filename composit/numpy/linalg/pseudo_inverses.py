"""pinv and matrix_rank: both take singular values below a tolerance for zeros."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError
from composit.numpy.arguments.normalizing import TensorLike, handle_of, truth
from composit.numpy.calls.declarations import rule_for
from composit.numpy.linalg.matrix_arguments import (
    MatrixAlgorithm,
    check_matrices,
    check_square,
    inexact_dtype,
    matrices_shape,
    refuse_empty,
)
from composit.numpy.linalg.matrix_formulas import (
    adjoint,
    conjugated,
    hermitian_part,
    meant_by_lower_triangle,
    on_read_triangle,
)
from composit.operation import Array, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["matrix_rank", "pinv"]


@dataclass(frozen=True, slots=True)
class PseudoInverse(MatrixAlgorithm):
    """The Moore-Penrose inverse of each matrix; singular values up to tolerance times the largest count as zeros.

    rcond, rtol: the tolerance, under numpy's two names; numpy's default for None differs between the two
    is_relative: the caller passed rtol
    Derivative:  -P dA P + P P* dA* (1 - A P) + (1 - P A) dA* P* P, as long as the rank stays
    Reference:   G. H. Golub and V. Pereyra, The Differentiation of Pseudo-Inverses (1973), formula 4.12
    """

    rcond: float | None
    rtol: float | None
    is_relative: bool
    hermitian: bool
    raises_by_value = True

    @property
    def name(self) -> str:
        return "pinv"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        check_matrices("pinv", x)
        refuse_empty("pinv", x)
        if self.hermitian:
            check_square("pinv", x)
        stack, rows, columns = matrices_shape(x)
        return (tensor_type((*stack, columns, rows), inexact_dtype("pinv", x)),)

    def evaluate(self, *operands: Array) -> Results:
        if self.is_relative:
            return np.linalg.pinv(operands[0], self.rcond, self.hermitian, rtol=self.rtol)  # type: ignore[arg-type]  # numpy documents None
        return np.linalg.pinv(operands[0], self.rcond, self.hermitian)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        (g,), (a,), (p,) = context.cotangents, context.operands, context.results
        return [cotangent_of_pseudo_inverse(context.xp, g, a, p, self.hermitian)]


def cotangent_of_pseudo_inverse(xp: Any, g: Any, a: Any, p: Any, hermitian: bool) -> Any:
    """Return the cotangent of a matrix from that of its pseudo-inverse p."""
    g = conjugated(xp, g)
    a = meant_by_lower_triangle(xp, a) if hermitian else a
    turned, back = adjoint(xp, p), adjoint(xp, g)
    # The adjoints of the three terms, with G for g: (1 - A P) G* P P* and P* P G* (1 - P A).
    right = xp.matmul(back, xp.matmul(p, turned))
    left = xp.matmul(xp.matmul(turned, p), back)
    result = right - xp.matmul(a, xp.matmul(p, right)) + left - xp.matmul(xp.matmul(left, p), a)
    result = conjugated(xp, result - xp.matmul(turned, xp.matmul(g, turned)))
    return on_read_triangle(xp, hermitian_part(xp, result), "L") if hermitian else result


@rule_for(np.linalg.pinv)
def pinv(
    a: TensorLike, rcond: float | None = None, hermitian: bool = False, *, rtol: float | Any | None = np._NoValue
) -> LazyTensor:
    """Return the pseudo-inverse of each matrix. See np.linalg.pinv."""
    is_relative = rtol is not np._NoValue
    relative = rtol if is_relative else None
    if not all(value is None or type(value) is float for value in (rcond, relative)):
        raise NoRuleError(f"pinv: no rule for the tolerances {rcond!r} and {rtol!r}; floats have one")
    if rcond is not None and is_relative:
        raise NoRuleError("pinv: rcond and rtol are two names of one argument")
    tensor = handle_of(a)
    if is_relative and rtol is None and tensor.dtype.kind not in "fc":
        raise NoRuleError(f"pinv: {tensor.dtype} has no precision to derive rtol from")
    return apply(PseudoInverse(rcond, relative, is_relative, truth(hermitian)), tensor)


@dataclass(frozen=True, slots=True)
class MatrixRank(MatrixAlgorithm):
    """The number of singular values of each matrix above a tolerance.

    Reference:   numpy.linalg.matrix_rank
    """

    tol: float | None
    rtol: float | None
    hermitian: bool
    raises_by_value = True
    no_derivative = "a rank is an integer"

    @property
    def name(self) -> str:
        return "matrix_rank"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        check_matrices("matrix_rank", x)
        refuse_empty("matrix_rank", x)
        if self.hermitian:
            check_square("matrix_rank", x)
        inexact_dtype("matrix_rank", x)
        return (tensor_type(x.shape[:-2], np.intp, is_scalar=x.ndim == 2),)

    def evaluate(self, *operands: Array) -> Any:
        return np.linalg.matrix_rank(operands[0], self.tol, self.hermitian, rtol=self.rtol)


@rule_for(np.linalg.matrix_rank)
def matrix_rank(
    A: TensorLike, tol: float | None = None, hermitian: bool = False, *, rtol: float | None = None
) -> LazyTensor:
    """Return the rank of each matrix. See np.linalg.matrix_rank."""
    if not all(value is None or type(value) is float for value in (tol, rtol)) or None not in (tol, rtol):
        raise NoRuleError(f"matrix_rank: no rule for the tolerances {tol!r} and {rtol!r}; one float has one")
    return apply(MatrixRank(tol, rtol, truth(hermitian)), handle_of(A))
