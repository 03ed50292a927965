"""Norms of vectors and matrices, and the condition number.

One operation calls np.linalg.norm, so that sums are rounded in numpy's order. Norms that numpy refuses, and norms of
empty arrays, are left to numpy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError
from composit.handle import TensorHandle
from composit.numpy.arguments.normalizing import TensorLike, handle_of, normalize_axes, normalize_axis, truth, whole
from composit.numpy.calls.declarations import rule_for
from composit.numpy.linalg import norm_derivatives as derivatives
from composit.numpy.linalg.matrix_arguments import (
    MatrixAlgorithm,
    check_matrices,
    check_square,
    inexact_dtype,
    real_dtype,
    refuse_empty,
)
from composit.numpy.linalg.norm_derivatives import Order
from composit.numpy.linalg.solving import inverse_cotangent
from composit.numpy.manipulation.reshaping import ravel, reshape, transpose
from composit.numpy.reductions.arguments import is_set, reduced_shape
from composit.operation import Array, Axes, Operation, OperationKind, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["cond", "matrix_norm", "norm", "vector_norm"]

_MATRIX_ORDERS = (None, "fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)


@dataclass(frozen=True, slots=True)
class Norm(Operation):
    """The norm of the vectors along one axis or of the matrices over two; over all elements where axes is None.

    Dtype:       that of the absolute value; of integers float64
    Derivative:  g conj(x) / norm(x), and so on for the other orders; 0 where the norm is 0
    Reference:   numpy.linalg.norm
    """

    order: Order
    axes: Axes | None
    keepdims: bool
    keeps_c_order = True
    raises_by_value = True
    kind = OperationKind.REDUCTION

    @property
    def _is_of_singular_values(self) -> bool:
        return self.order in ("nuc", 2, -2) and len(self.axes or ()) == 2

    def may_raise(self, operand_types: Sequence[TensorType], are_known: Sequence[bool]) -> bool:
        # Singular values come from an iteration that may not converge.
        return self._is_of_singular_values

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        (x,) = operand_types
        if not self._is_of_singular_values or self.axes is None:
            return max(1, x.size)
        return max(1, x.size * min(x.shape[axis] for axis in self.axes))

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        if x.dtype.kind not in "biufc":
            raise NoRuleError(f"norm: no rule for dtype {x.dtype}")
        dtype = real_dtype(x.dtype) if x.dtype.kind in "fc" else np.dtype(np.float64)
        if self._is_of_singular_values:
            inexact_dtype("norm", x)
        shape = reduced_shape(x.shape, self._axes(x.ndim), self.keepdims)
        return (tensor_type(shape, dtype.newbyteorder("="), is_scalar=not shape and not self.keepdims),)

    def _axes(self, ndim: int) -> Axes:
        return tuple(range(ndim)) if self.axes is None else self.axes

    def evaluate(self, *operands: Array) -> Any:
        axis = self.axes if self.axes is None or len(self.axes) != 1 else self.axes[0]
        return np.linalg.norm(operands[0], self.order, axis, self.keepdims)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (x,) = context.xp, context.operands
        axes = self._axes(xp.ndim(x))
        values = context.cotangents[0], context.results[0]
        g, result = (derivatives.with_axes(xp, value, x, axes, self.keepdims) for value in values)
        return [derivatives.norm(xp, g, result, x, self.order, axes)]


@rule_for(np.linalg.norm)
def norm(x: TensorLike, ord: Any = None, axis: Any = None, keepdims: bool = False) -> LazyTensor:
    """Return the norm of vectors or matrices. See np.linalg.norm."""
    tensor = handle_of(x)
    _check_plain(ord)
    order: Order = "fro" if isinstance(ord, str) and ord == "f" else ord
    if axis is None:
        if order is None or (order == "fro" and tensor.ndim == 2) or (order == 2 and tensor.ndim == 1):
            # For these orders numpy sums over all elements in memory order, with other last bits than over the axes.
            return apply(Norm(None, None, truth(keepdims)), tensor)
        axes: Axes = tuple(range(tensor.ndim))
    else:
        axes = normalize_axes(axis if isinstance(axis, tuple) else whole(axis), tensor.ndim)
    _check_order(order, axes, tensor.type)
    return apply(Norm(order, axes, truth(keepdims)), tensor)


def _check_plain(order: Any) -> None:
    """Leave orders that are arrays or numpy scalars to numpy: their dtype can change that of the result.

    Raises:  IntegerRangeError: the order is an integer that numpy would make an object of
    """
    if isinstance(order, np.ndarray | np.generic | TensorHandle):
        raise NoRuleError("norm: the order is an array or a number of numpy's")
    if type(order) is int:
        whole(order)


def _check_order(order: Order, axes: Axes, operand: TensorType) -> None:
    """Leave to numpy the orders that it refuses, and those that warn or fail depending on the elements."""
    is_number = type(order) is int or type(order) is float
    fits = {1: order is None or is_number, 2: order in _MATRIX_ORDERS}.get(len(axes), False)
    if not fits or (order is not None and 0 in operand.shape):
        raise NoRuleError(f"norm: no rule for order {order!r} over axes {axes} of shape {operand.shape}")


@rule_for(np.linalg.matrix_norm)
def matrix_norm(x: TensorLike, /, *, keepdims: bool = False, ord: Any = "fro") -> LazyTensor:
    """Return the norm of each matrix. See np.linalg.matrix_norm."""
    return norm(x, ord, (-2, -1), keepdims)


@rule_for(np.linalg.vector_norm)
def vector_norm(x: TensorLike, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> LazyTensor:
    """Return the norm of vectors over one axis, several, or all. See np.linalg.vector_norm."""
    tensor, keepdims = handle_of(x), is_set(keepdims)
    if axis is not None and not isinstance(axis, tuple):
        return norm(tensor, ord, normalize_axis(axis, tensor.ndim), keepdims)
    # Join the axes into one, and take the norm of the vectors along it, as numpy does.
    axes = tuple(range(tensor.ndim)) if axis is None else normalize_axes(axis, tensor.ndim)
    others = tuple(i for i in range(tensor.ndim) if i not in axes)
    if axis is None:
        vectors = ravel(tensor)
    else:
        vectors = reshape(transpose(tensor, axes + others), (-1, *(tensor.shape[i] for i in others)))
    result = norm(vectors, ord, 0)
    return reshape(result, reduced_shape(tensor.shape, axes, True)) if keepdims else result


@dataclass(frozen=True, slots=True)
class ConditionNumber(MatrixAlgorithm):
    """norm(x) norm(inv(x)), by which a matrix may magnify relative errors; infinite for a singular matrix.

    order:       None, 2 and -2 divide singular values; other orders multiply norms of x and inv(x)
    Derivative:  that of this product or quotient
    Reference:   numpy.linalg.cond
    """

    order: Order
    raises_by_value = True

    @property
    def name(self) -> str:
        return "cond"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        check_matrices("cond", x)
        refuse_empty("cond", x)
        if self.order not in (None, 2, -2):
            check_square("cond", x)
        shape = x.shape[:-2]
        return (tensor_type(shape, real_dtype(inexact_dtype("cond", x)), is_scalar=not shape),)

    def evaluate(self, *operands: Array) -> Any:
        return np.linalg.cond(operands[0], self.order)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        axes = (xp.ndim(x) - 2, xp.ndim(x) - 1)
        g = xp.expand_dims(g, axes)
        is_by_norms = self.order not in (None, 2, -2)
        first, second = (self.order, self.order) if is_by_norms else (2, -2)
        inverse = xp.linalg.inv(x) if is_by_norms else x
        above, below = xp.linalg.norm(x, first, axes, True), xp.linalg.norm(inverse, second, axes, True)
        if is_by_norms:
            part = derivatives.matrix_norm(xp, g * above, below, inverse, second, axes)
            return [
                derivatives.matrix_norm(xp, g * below, above, x, first, axes) + inverse_cotangent(xp, part, inverse),
            ]
        if self.order == -2:
            first, second, above, below = second, first, below, above
        # d (a / b) = da / b - a / b^2 db
        part = derivatives.matrix_norm(xp, g / below, above, x, first, axes)
        return [part - derivatives.matrix_norm(xp, g * above / (below * below), below, x, second, axes)]


@rule_for(np.linalg.cond)
def cond(x: TensorLike, p: Any = None) -> LazyTensor:
    """Return the condition number of each matrix. See np.linalg.cond."""
    tensor = handle_of(x)
    _check_plain(p)
    if p not in _MATRIX_ORDERS:
        raise NoRuleError(f"cond: no rule for order {p!r}")
    return apply(ConditionNumber(p), tensor)
