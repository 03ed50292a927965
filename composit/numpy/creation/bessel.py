"""Modified Bessel functions of the first kind: numpy has that of order 0, derivatives need the others.

Source: the integral of exp(x cos t) cos(n t) / pi over t from 0 to pi (DLMF 10.32.3). The trapezoidal rule with N points errs
by I[N](x), which is below rounding for N above 9 sqrt(x) + 30. Known weakness: time and memory grow with sqrt(x).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.operation import Array, Operation, OperationKind, Results, TensorType, VjpContext, tensor_type

# Elements that are computed together, so that the values under the integral stay in the cache.
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class ModifiedBessel(Operation):
    """The modified Bessel function of the first kind and a given order, of each element.

    Derivative:  g (f[order - 1](x) + f[order + 1](x)) / 2
    Reference:   https://dlmf.nist.gov/10.29
    """

    order: int
    keeps_c_order = True
    kind = OperationKind.ELEMENTWISE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        return (tensor_type(x.shape, x.dtype if x.dtype.kind == "f" else np.dtype(np.float64), is_scalar=not x.shape),)

    def evaluate(self, *operands: Array) -> Results:
        x = np.asarray(operands[0])
        flat = x.astype(np.float64).ravel()
        result = np.empty_like(flat)
        for start in range(0, flat.size, _BLOCK):
            result[start : start + _BLOCK] = _integral(flat[start : start + _BLOCK], self.order)
        return result.reshape(x.shape).astype(x.dtype if x.dtype.kind == "f" else np.float64)[()]

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        before, after = (xp.apply(ModifiedBessel(abs(self.order + step)), x) for step in (-1, 1))
        return [g * (0.5 * (before + after))]


def _integral(x: Array, order: int) -> Array:
    finite = np.abs(x[np.isfinite(x)])
    # Beyond 710 the result is infinite.
    num_points = order + 30 + math.ceil(9 * math.sqrt(min(float(np.max(finite, initial=0.0)), 800.0)))
    angles = np.arange(num_points + 1) * (math.pi / num_points)
    weights = np.cos(order * angles) / num_points
    weights[[0, -1]] /= 2
    size = np.abs(x)
    # The exponent is at most 0: the factor exp(x) comes last, and overflows only where the result does.
    summed = np.exp(np.multiply.outer(size, np.cos(angles) - 1)) @ weights
    result: Array = np.where(np.isinf(size), np.inf, np.exp(size) * summed)
    return np.where(x < 0, (-1) ** order * result, result)
