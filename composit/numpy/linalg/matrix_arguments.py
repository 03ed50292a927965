"""For all of numpy.linalg: checks of operands (stacks of square matrices), dtypes of results, costs of algorithms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from composit.errors import DtypeError, LinearAlgebraError, NoRuleError
from composit.operation import Dtype, Operation, OperationKind, Shape, TensorType

_SINGLE = "fF"
_DOUBLE = "dD"


class MatrixAlgorithm(Operation):
    """The base of operations that decompose or solve each matrix of a stack."""

    __slots__ = ()
    kind = OperationKind.FUNCTION

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        # rows x columns x the shorter of both, for the matrices and for right-hand sides
        return max(1, sum(operand.size for operand in operand_types) * min(operand_types[0].shape[-2:]))


def inexact_dtype(name: str, *types: TensorType) -> Dtype:
    """Return the dtype of a result: single precision if all operands are, else double; complex if any operand is.

    Raises:  DtypeError: an operand has half or extended precision, which LAPACK lacks
    """
    for operand in types:
        if operand.dtype.kind not in "biufc" or not operand.dtype.isnative:
            raise NoRuleError(f"{name}: no rule for dtype {operand.dtype}")
        if operand.dtype.kind in "fc" and operand.dtype.char not in _SINGLE + _DOUBLE:
            raise DtypeError(
                f"array type {operand.dtype.name} is unsupported in linalg: {name} was given shape {operand.shape}; "
                "convert it with astype('float64') or astype('complex128') first"
            )
    is_single = all(operand.dtype.char in _SINGLE for operand in types)
    is_complex = any(operand.dtype.kind == "c" for operand in types)
    return np.dtype((_SINGLE if is_single else _DOUBLE)[is_complex])


def real_dtype(dtype: Dtype) -> Dtype:
    """Return the dtype of real parts: complex64 -> float32."""
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


def check_matrices(name: str, *types: TensorType) -> None:
    """Raise numpy's error for an operand of less than two axes."""
    for operand in types:
        if operand.ndim < 2:
            raise LinearAlgebraError(
                f"{operand.ndim}-dimensional array given. Array must be at least two-dimensional: {name} was given shape"
                f" {operand.shape}; the last two axes are rows and columns"
            )


def check_square(name: str, *types: TensorType) -> None:
    """Raise numpy's error for an operand that is no stack of square matrices."""
    check_matrices(name, *types)
    for operand in types:
        if operand.shape[-2] != operand.shape[-1]:
            raise LinearAlgebraError(
                f"Last 2 dimensions of the array must be square: {name} was given shape {operand.shape}; the last two "
                "lengths must be equal"
            )


def refuse_empty(name: str, operand: TensorType) -> None:
    """Raise NoRuleError for matrices without elements: numpy has special errors and dtypes for them, and answers."""
    if 0 in operand.shape[-2:]:
        raise NoRuleError(f"{name}: no rule for matrices of shape {operand.shape}")


def matrices_shape(operand: TensorType) -> tuple[Shape, int, int]:
    """Return the shape of the stack, and the numbers of rows and columns."""
    rows, columns = operand.shape[-2:]
    return operand.shape[:-2], rows, columns
