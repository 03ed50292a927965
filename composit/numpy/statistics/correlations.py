"""cov, corrcoef, convolve and correlate.

cov and corrcoef are composed of products in numpy's order of steps, and their derivatives come from the parts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError
from composit.numpy.arguments.normalizing import TensorLike, handle_of, promoted
from composit.numpy.calls.array_function import ArrayFunction
from composit.numpy.calls.declarations import rule_for
from composit.numpy.elementwise import table
from composit.numpy.elementwise.casting import astype
from composit.numpy.elementwise.composites import clip
from composit.numpy.linalg.matrix_formulas import conjugated
from composit.numpy.manipulation.joining import atleast_2d, concatenate
from composit.numpy.manipulation.reshaping import squeeze, transpose
from composit.numpy.products.matrix_products import dot
from composit.numpy.rearranging.building_matrices import diag
from composit.numpy.statistics.averages import mean
from composit.operation import TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["convolve", "corrcoef", "correlate", "cov"]


def _variables(m: TensorLike, y: TensorLike | None, rowvar: bool, dtype: Any) -> LazyTensor:
    """Return the matrix whose rows are the variables."""
    tensors = [handle_of(m)] if y is None else [handle_of(m), handle_of(y)]
    if any(tensor.ndim > 2 or tensor.dtype.kind not in "biuf" or not tensor.size for tensor in tensors):
        raise NoRuleError("cov: more than two axes, no elements, or elements that are no real numbers")
    if dtype is None:
        dtype = promoted(*(tensor.dtype for tensor in tensors), np.float64)
    if np.dtype(dtype).kind != "f":
        raise NoRuleError(f"cov: dtype {dtype!r}")
    rows = []
    for index, tensor in enumerate(tensors):
        matrix = atleast_2d(tensor if tensor.dtype == dtype else astype(tensor, dtype))
        is_column = tensor.ndim != 1 if index == 0 else matrix.shape[0] != 1
        rows.append(transpose(matrix) if not rowvar and is_column else matrix)
    return rows[0] if y is None else concatenate(rows, 0)


@rule_for(np.cov)
def cov(
    m: TensorLike,
    y: TensorLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> LazyTensor:
    """Return the covariances of variables, by default the rows. See np.cov.

    Lazy for real numbers without weights; numpy computes the rest at the call.
    """
    if fweights is not None or aweights is not None:
        raise NoRuleError("cov: weights, whose values numpy checks")
    rows = _variables(m, y, rowvar, dtype)
    lost = ddof if ddof is not None else (1 if bias == 0 else 0)
    count = rows.shape[1] - lost
    if count <= 0 or count != int(count):
        raise NoRuleError("cov: no degrees of freedom, of which numpy warns")
    deviations = table.subtract(rows, mean(rows, 1)[:, None])
    products = dot(deviations, transpose(deviations))
    # numpy multiplies in place by a float64: the product is rounded to the dtype of the rows.
    scaled = table.multiply(products, np.true_divide(1, count))
    return squeeze(scaled if scaled.dtype == rows.dtype else astype(scaled, rows.dtype))


@rule_for(np.corrcoef)
def corrcoef(x: TensorLike, y: TensorLike | None = None, rowvar: bool = True, *, dtype: Any = None) -> LazyTensor:
    """Return the correlations of variables, by default the rows. See np.corrcoef. Lazy for real numbers."""
    covariances = cov(x, y, rowvar, dtype=dtype)
    if not covariances.ndim:
        return table.divide(covariances, covariances)
    deviations = table.sqrt(diag(covariances))
    scaled = table.divide(table.divide(covariances, deviations[:, None]), deviations[None, :])
    return clip(scaled, -1, 1)


def _convolved_types(mode: str, a: TensorType, v: TensorType) -> tuple[TensorType, ...]:
    longer, shorter = max(a.size, v.size), min(a.size, v.size)
    lengths = {"full": longer + shorter - 1, "same": longer, "valid": longer - shorter + 1}
    return (tensor_type((lengths[mode],), promoted(a.dtype, v.dtype)),)


def _convolution_cotangents(xp: Any, g: Any, mode: str, a: Any, v: Any) -> tuple[Any, Any]:
    # out[k] = sum of a[i] v[k - i], hence da[i] = sum of g[k] v[k - i], and the same for v.
    lengths = (xp.shape(a)[0], xp.shape(v)[0])
    full = _as_full(xp, g, mode, max(lengths), min(lengths))
    return xp.convolve(full, v[::-1], mode="valid"), xp.convolve(full, a[::-1], mode="valid")


def _as_full(xp: Any, g: Any, mode: str, longer: int, shorter: int) -> Any:
    """Return g padded with zeros to the length of mode "full"; the other modes return a part of that result."""
    start = {"full": 0, "same": (shorter - 1) // 2, "valid": shorter - 1}[mode]
    return xp.pad(g, (start, longer + shorter - 1 - start - xp.shape(g)[0]))


def _cost_of_products(operand_types: Sequence[TensorType]) -> int:
    # Each element of one vector is multiplied by each element of the other.
    return max(1, math.prod(operand.size for operand in operand_types))


@dataclass(frozen=True, slots=True)
class Convolve(ArrayFunction):
    """The convolution of two vectors.

    Derivative:  g correlated with the other vector
    Reference:   numpy.convolve
    """

    function = staticmethod(np.convolve)
    mode: str

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        return _cost_of_products(operand_types)

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return _convolved_types(self.mode, *operand_types)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return _convolution_cotangents(context.xp, context.cotangents[0], self.mode, *context.operands)


@dataclass(frozen=True, slots=True)
class Correlate(ArrayFunction):
    """The cross-correlation of two vectors: the convolution of the first with the second reversed and conjugated.

    Derivative:  that of the convolution
    Reference:   numpy.correlate
    """

    function = staticmethod(np.correlate)
    mode: str

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        return _cost_of_products(operand_types)

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return _convolved_types(self.mode, *operand_types)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (a, v) = context.xp, context.cotangents, context.operands
        v = conjugated(xp, v)
        if xp.shape(a)[0] >= xp.shape(v)[0]:
            to_a, to_reversed = _convolution_cotangents(xp, g, self.mode, a, v[::-1])
            return [to_a, conjugated(xp, to_reversed[::-1])]
        # If v is longer, the result is that of correlate(v, a) reversed and conjugated.
        to_v, to_reversed = _convolution_cotangents(xp, g[::-1], self.mode, v, a[::-1])
        return [to_reversed[::-1], conjugated(xp, to_v)]


def _vectors(function: str, first: TensorLike, second: TensorLike, mode: object) -> tuple[LazyTensor, LazyTensor]:
    a, v = handle_of(first), handle_of(second)
    if a.ndim != 1 or v.ndim != 1 or not a.size or not v.size or mode not in ("full", "same", "valid"):
        raise NoRuleError(f"{function}: no vectors with elements, or mode {mode!r}")
    if a.dtype.kind not in "biufc" or v.dtype.kind not in "biufc":
        raise NoRuleError(f"{function}: elements that are no numbers")
    return a, v


@rule_for(np.convolve)
def convolve(a: TensorLike, v: TensorLike, mode: str = "full") -> LazyTensor:
    """Return the convolution of two vectors. See np.convolve.

    Derivative:  g correlated with the other vector
    """
    return apply(Convolve(mode), *_vectors("convolve", a, v, mode))


@rule_for(np.correlate)
def correlate(a: TensorLike, v: TensorLike, mode: str = "valid") -> LazyTensor:
    """Return the cross-correlation of two vectors. See np.correlate."""
    return apply(Correlate(mode), *_vectors("correlate", a, v, mode))
