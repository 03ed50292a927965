"""Decompositions of matrices: cholesky, qr, svd, eigh and eig, with numpy's named tuples of lazy tensors.

A decomposition that fails raises when the node is evaluated. The result's dtype is `matrix_arguments.inexact_dtype`
of the operand. The formulas of the derivatives are in decomposition_derivatives.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

# numpy's classes, so that isinstance and repr give what they give for numpy's results.
from numpy.linalg._linalg import EighResult, EigResult, QRResult, SVDResult

from composit.apply import apply
from composit.errors import NoRuleError, ParameterError
from composit.numpy.arguments.normalizing import TensorLike, handle_of, truth
from composit.numpy.calls.declarations import rule_for
from composit.numpy.linalg import decomposition_derivatives as derivatives
from composit.numpy.linalg import expressions  # noqa: F401  # registers what eig of real matrices is differentiated as
from composit.numpy.linalg.matrix_arguments import (
    MatrixAlgorithm,
    check_matrices,
    check_square,
    inexact_dtype,
    matrices_shape,
    real_dtype,
)
from composit.numpy.linalg.matrix_formulas import hermitian_part, on_read_triangle, transposed
from composit.operation import Array, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["cholesky", "eig", "eigh", "eigvals", "eigvalsh", "qr", "svd", "svdvals"]


@dataclass(frozen=True, slots=True)
class Cholesky(MatrixAlgorithm):
    """The lower triangle L of x = L L*, or the upper triangle L*; the other triangle of x is not read.

    Derivative:  zero in the triangle that numpy does not read
    Reference:   numpy.linalg.cholesky
    """

    upper: bool
    keeps_c_order = True
    raises_by_value = True

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        check_square("cholesky", x)
        return (tensor_type(x.shape, inexact_dtype("cholesky", x)),)

    def evaluate(self, *operands: Array) -> Results:
        return np.linalg.cholesky(operands[0], upper=self.upper)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [derivatives.cholesky(context.xp, context.cotangents[0], context.results[0], self.upper)]


@rule_for(np.linalg.cholesky)
def cholesky(a: TensorLike, /, *, upper: bool = False) -> LazyTensor:
    """Return the triangular factor of each positive definite matrix. See np.linalg.cholesky."""
    return apply(Cholesky(truth(upper)), handle_of(a))


@dataclass(frozen=True, slots=True)
class Qr(MatrixAlgorithm):
    """Orthonormal columns Q and an upper triangle R with x = Q R; mode "complete" makes Q square.

    Derivative:  of the further columns of "complete" for functions of the space that they span; NaN for others
    Reference:   numpy.linalg.qr
    """

    mode: Literal["reduced", "complete"]
    num_results_of_class = 2

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        check_matrices("qr", x)
        stack, rows, columns = matrices_shape(x)
        inner = rows if self.mode == "complete" else min(rows, columns)
        dtype = inexact_dtype("qr", x)
        return tensor_type((*stack, rows, inner), dtype), tensor_type((*stack, inner, columns), dtype)

    def evaluate(self, *operands: Array) -> Results:
        return tuple(np.linalg.qr(operands[0], self.mode))

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (of_q, of_r), (q, r), (x,) = context.xp, context.cotangents, context.results, context.operands
        rows, columns = xp.shape(x)[-2:]
        if self.mode == "complete" and rows > columns:
            of_q = None if of_q is None else derivatives.of_determined_columns(xp, of_q, q, columns)
            q, r = q[..., :columns], r[..., :columns, :]
            of_r = None if of_r is None else of_r[..., :columns, :]
        return [derivatives.qr(xp, of_q, of_r, q, r, x)]


@dataclass(frozen=True, slots=True)
class TriangleOfQr(MatrixAlgorithm):
    """The upper triangle of the QR decomposition alone.

    Derivative:  as that of `Qr`, of its second result
    Reference:   numpy.linalg.qr
    """

    @property
    def name(self) -> str:
        return "qr"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return Qr("reduced").result_types(*operand_types)[1:]

    def evaluate(self, *operands: Array) -> Results:
        return np.linalg.qr(operands[0], "r")

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        q, r = xp.linalg.qr(x)
        return [derivatives.qr(xp, None, g, q, r, x)]


@rule_for(np.linalg.qr)
def qr(a: TensorLike, mode: Any = "reduced") -> Any:
    """Return the QR decomposition of each matrix. See np.linalg.qr."""
    if mode == "r":
        return apply(TriangleOfQr(), handle_of(a))
    if mode == "reduced" or mode == "complete":
        return QRResult(*apply(Qr(mode), handle_of(a)))
    raise NoRuleError(f"qr: no rule for mode {mode!r}; 'reduced', 'complete' and 'r' have one")


@dataclass(frozen=True, slots=True)
class Svd(MatrixAlgorithm):
    """U, s and V* of x = U diag(s) V*, the singular values s from the largest down.

    hermitian:   only the lower triangle of x is read, and x taken as Hermitian
    Derivative:  of the further vectors of full_matrices for functions of the space that they span; NaN for others, and
                 through vectors whose singular values are equal
    Reference:   numpy.linalg.svd
    """

    full_matrices: bool
    hermitian: bool
    num_results_of_class = 3
    raises_by_value = True

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        check_matrices("svd", x)
        if self.hermitian:
            check_square("svd", x)
        dtype = inexact_dtype("svd", x)
        stack, rows, columns = matrices_shape(x)
        inner = min(rows, columns)
        left, right = (rows, columns) if self.full_matrices else (inner, inner)
        return (
            tensor_type((*stack, rows, left), dtype),
            tensor_type((*stack, inner), real_dtype(dtype)),
            tensor_type((*stack, right, columns), dtype),
        )

    def evaluate(self, *operands: Array) -> Results:
        return tuple(np.linalg.svd(operands[0], self.full_matrices, True, self.hermitian))

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (left, values, right) = context.xp, context.results
        of_left, of_values, of_right = context.cotangents
        shape = xp.shape(context.operands[0])
        inner = min(shape[-2:])
        if self.full_matrices and shape[-2] > inner:
            of_left = None if of_left is None else derivatives.of_determined_columns(xp, of_left, left, inner)
            left = left[..., :inner]
        if self.full_matrices and shape[-1] > inner:
            # Columns of V* transposed: the cotangent pairs without conjugation.
            turned = None if of_right is None else transposed(xp, of_right)
            turned = (
                None if turned is None else derivatives.of_determined_columns(xp, turned, transposed(xp, right), inner)
            )
            of_right = None if turned is None else transposed(xp, turned)
            right = right[..., :inner, :]
        x, cotangents = context.operands[0], (of_left, of_values, of_right)
        g = derivatives.svd(xp, x, cotangents, (left, values, right), self.hermitian)
        return [_of_lower_triangle(xp, g) if self.hermitian else g]


def _of_lower_triangle(xp: Any, g: Any) -> Any:
    # The two functions expect a conjugated cotangent; they commute with conjugation, so g needs none.
    return on_read_triangle(xp, hermitian_part(xp, g), "L")


@dataclass(frozen=True, slots=True)
class SingularValues(MatrixAlgorithm):
    """The singular values of each matrix, from the largest down.

    Derivative:  u g v*, with the vectors of the decomposition
    Reference:   numpy.linalg.svdvals
    """

    hermitian: bool
    raises_by_value = True

    @property
    def name(self) -> str:
        return "svdvals"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return Svd(False, self.hermitian).result_types(*operand_types)[1:2]

    def evaluate(self, *operands: Array) -> Results:
        return np.linalg.svd(operands[0], False, False, self.hermitian)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp = context.xp
        x = context.operands[0]
        decomposition = xp.linalg.svd(x, False, True, self.hermitian)
        g = derivatives.singular_values(xp, x, context.cotangents[0], decomposition, self.hermitian)
        return [_of_lower_triangle(xp, g) if self.hermitian else g]


@rule_for(np.linalg.svd)
def svd(a: TensorLike, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """Return the singular value decomposition of each matrix, or the values alone. See np.linalg.svd."""
    if not compute_uv:
        return apply(SingularValues(truth(hermitian)), handle_of(a))
    return SVDResult(*apply(Svd(truth(full_matrices), truth(hermitian)), handle_of(a)))


@rule_for(np.linalg.svdvals)
def svdvals(x: TensorLike, /) -> LazyTensor:
    """Return the singular values of each matrix, from the largest down. See np.linalg.svdvals."""
    return apply(SingularValues(False), handle_of(x))


@dataclass(frozen=True, slots=True)
class Eigh(MatrixAlgorithm):
    """Eigenvalues, from the smallest up, and eigenvectors of a Hermitian matrix, of which only one triangle is read.

    Derivative:  zero in the triangle that numpy does not read; NaN through vectors whose eigenvalues are equal
    Reference:   numpy.linalg.eigh
    """

    triangle: Literal["L", "U"]
    num_results_of_class = 2
    keeps_c_order = True
    raises_by_value = True

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        check_square("eigh", x)
        dtype = inexact_dtype("eigh", x)
        return tensor_type(x.shape[:-1], real_dtype(dtype)), tensor_type(x.shape, dtype)

    def evaluate(self, *operands: Array) -> Results:
        return tuple(np.linalg.eigh(operands[0], self.triangle))

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        (of_values, of_vectors), (values, vectors) = context.cotangents, context.results
        return [
            derivatives.eigh(context.xp, context.operands[0], of_values, of_vectors, values, vectors, self.triangle)
        ]


@dataclass(frozen=True, slots=True)
class HermitianEigenvalues(MatrixAlgorithm):
    """Eigenvalues, from the smallest up, of a Hermitian matrix, of which only one triangle is read.

    Derivative:  as that of `Eigh`, of its first result
    Reference:   numpy.linalg.eigvalsh
    """

    triangle: Literal["L", "U"]
    keeps_c_order = True
    raises_by_value = True

    @property
    def name(self) -> str:
        return "eigvalsh"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return Eigh(self.triangle).result_types(*operand_types)[:1]

    def evaluate(self, *operands: Array) -> Results:
        return np.linalg.eigvalsh(operands[0], self.triangle)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp = context.xp
        values, vectors = xp.linalg.eigh(context.operands[0], self.triangle)
        return [derivatives.eigh(xp, context.operands[0], context.cotangents[0], None, values, vectors, self.triangle)]


_TRIANGLES: dict[str, Literal["L", "U"]] = {"L": "L", "U": "U"}


def _triangle(name: str) -> Literal["L", "U"]:
    found = _TRIANGLES.get(name.upper())
    if found is not None:
        return found
    raise ParameterError(
        f"UPLO argument must be 'L' or 'U': {name!r} was given; it names the triangle of the matrix that is read"
    )


@rule_for(np.linalg.eigh)
def eigh(a: TensorLike, UPLO: str = "L") -> Any:
    """Return eigenvalues and eigenvectors of each Hermitian matrix. See np.linalg.eigh."""
    return EighResult(*apply(Eigh(_triangle(UPLO)), handle_of(a)))


@rule_for(np.linalg.eigvalsh)
def eigvalsh(a: TensorLike, UPLO: str = "L") -> LazyTensor:
    """Return the eigenvalues of each Hermitian matrix. See np.linalg.eigvalsh."""
    return apply(HermitianEigenvalues(_triangle(UPLO)), handle_of(a))


@dataclass(frozen=True, slots=True)
class Eig(MatrixAlgorithm):
    """Eigenvalues and eigenvectors of complex matrices. Whether a real matrix has real ones depends on its elements.

    Derivative:  for eigenvectors as LAPACK scales them; NaN through vectors of equal eigenvalues, and through equal
                 eigenvalues that do not count alike
    Reference:   numpy.linalg.eig
    """

    num_results_of_class = 2
    raises_by_value = True

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        check_square("eig", x)
        if x.dtype.kind != "c":
            raise NoRuleError(f"eig: whether the eigenvalues of a matrix of {x.dtype} are real depends on its values")
        dtype = inexact_dtype("eig", x)
        return tensor_type(x.shape[:-1], dtype), tensor_type(x.shape, dtype)

    def evaluate(self, *operands: Array) -> Results:
        return tuple(np.linalg.eig(operands[0]))

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        (of_values, of_vectors), (values, vectors) = context.cotangents, context.results
        return [derivatives.eig(context.xp, of_values, of_vectors, values, vectors)]


@rule_for(np.linalg.eig)
def eig(a: TensorLike) -> Any:
    """Return eigenvalues and eigenvectors of each matrix. See np.linalg.eig. Real matrices are computed at the call."""
    return EigResult(*apply(Eig(), handle_of(a)))


@dataclass(frozen=True, slots=True)
class Eigenvalues(MatrixAlgorithm):
    """Eigenvalues of complex matrices.

    Derivative:  as that of `Eig`, of its first result
    Reference:   numpy.linalg.eigvals
    """

    raises_by_value = True

    @property
    def name(self) -> str:
        return "eigvals"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return Eig().result_types(*operand_types)[:1]

    def evaluate(self, *operands: Array) -> Results:
        return np.linalg.eigvals(operands[0])

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp = context.xp
        values, vectors = xp.linalg.eig(context.operands[0])
        return [derivatives.eig(xp, context.cotangents[0], None, values, vectors)]


@rule_for(np.linalg.eigvals)
def eigvals(a: TensorLike) -> LazyTensor:
    """Return the eigenvalues of each matrix. See np.linalg.eigvals. Real matrices are computed at the call."""
    return apply(Eigenvalues(), handle_of(a))
