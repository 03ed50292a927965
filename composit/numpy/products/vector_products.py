"""cross and kron."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError, ShapeError
from composit.numpy.arguments.normalizing import (
    AxisLike,
    TensorLike,
    broadcast_shapes,
    handle_of,
    normalize_axis,
    promoted,
)
from composit.numpy.calls.declarations import rule_for
from composit.numpy.calls.expressions import Expressed, expressed
from composit.numpy.calls.matrices import numpys_for_matrices
from composit.numpy.elementwise.table import multiply
from composit.numpy.manipulation.reshaping import expand_dims, moveaxis, reshape
from composit.operation import Array, Operation, OperationKind, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["cross", "kron"]


@dataclass(frozen=True, slots=True)
class Cross(Operation):
    """The cross products of vectors of length 3 along the last axis.

    Derivative:  da = b x g, db = g x a
    Reference:   numpy.cross
    """

    keeps_c_order = True
    kind = OperationKind.ELEMENTWISE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        a, b = operand_types
        dtype = promoted(a.dtype, b.dtype)
        if dtype.kind not in "iufc":
            raise NoRuleError(f"cross: no rule for dtypes {a.dtype} and {b.dtype}")
        return (tensor_type((*broadcast_shapes(a.shape[:-1], b.shape[:-1]), 3), dtype),)

    def evaluate(self, *operands: Array) -> Any:
        return np.cross(*operands)  # type: ignore[call-overload]  # two arrays

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (a, b) = context.xp, context.cotangents, context.operands
        return [xp.cross(b, g) if context.needs[0] else None, xp.cross(g, a) if context.needs[1] else None]


@rule_for(np.cross)
def cross(
    a: TensorLike,
    b: TensorLike,
    axisa: AxisLike = -1,
    axisb: AxisLike = -1,
    axisc: AxisLike = -1,
    axis: AxisLike | None = None,
) -> LazyTensor:
    """Return the cross products of vectors along an axis. See np.cross. Those of length 2 are computed at the call."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = handle_of(a), handle_of(b)
    first, second = normalize_axis(axisa, x.ndim, "axisa"), normalize_axis(axisb, y.ndim, "axisb")
    lengths = x.shape[first], y.shape[second]
    if not set(lengths) <= {2, 3}:
        raise ShapeError(
            f"incompatible dimensions for cross product (dimension must be 2 or 3): cross was given shapes {x.shape} and"
            f" {y.shape} with the vectors along axes {first} and {second}"
        )
    if lengths != (3, 3):
        raise NoRuleError(f"cross: no rule for vectors of lengths {lengths}")
    result = apply(Cross(), moveaxis(x, first, -1), moveaxis(y, second, -1))
    return moveaxis(result, -1, normalize_axis(axisc, result.ndim, "axisc"))


@expressed(np.cross)
def _cross_in_the_plane(
    xp: Any,
    results: Sequence[Any],
    a: Any,
    b: Any,
    axisa: AxisLike = -1,
    axisb: AxisLike = -1,
    axisc: AxisLike = -1,
    axis: AxisLike | None = None,
) -> Expressed:
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = xp.moveaxis(xp.asarray(a), axisa, -1), xp.moveaxis(xp.asarray(b), axisb, -1)
    if x.shape[-1] == y.shape[-1] == 2:
        return x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]
    x, y = (xp.pad(each, [(0, 0)] * (each.ndim - 1) + [(0, 3 - each.shape[-1])]) for each in (x, y))
    return xp.cross(x, y, axisc=axisc)


@rule_for(np.kron)
@numpys_for_matrices(np.kron)
def kron(a: TensorLike, b: TensorLike) -> LazyTensor:
    """Return the Kronecker product: b in blocks, each multiplied by an element of a. See np.kron."""
    x, y = handle_of(a), handle_of(b)
    ndim = max(x.ndim, y.ndim)
    if not x.ndim or not y.ndim:
        raise NoRuleError("kron: no rule for operands of rank 0")
    x = reshape(x, (1,) * (ndim - x.ndim) + x.shape)
    y = reshape(y, (1,) * (ndim - y.ndim) + y.shape)
    blocks = multiply(expand_dims(x, tuple(range(1, 2 * ndim, 2))), expand_dims(y, tuple(range(0, 2 * ndim, 2))))
    return reshape(blocks, tuple(m * n for m, n in zip(x.shape, y.shape, strict=True)))
