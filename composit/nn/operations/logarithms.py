"""Products with logarithms as an operation: x log(y), which is 0 where x is 0, with the derivative log(y) there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from composit.derivative_types import Namespace
from composit.nn.composition import Composition, Value
from composit.operation import TensorType, VjpContext, tensor_type


@dataclass(frozen=True, slots=True)
class TimesLog(Composition):
    """x log(y + shift), 0 where x is 0 whatever y is, but NaN where y is NaN.

    Derivative:  by x: g log(y + shift), 0 where x is 0 and the logarithm has no number; by y: g x / (y + shift)
    Reference:   torch.special.xlogy, torch.special.xlog1py
    """

    shift: int

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        x, y = operand_types
        shape = np.broadcast_shapes(x.shape, y.shape)
        return (tensor_type(shape, x.dtype, is_scalar=not shape),)

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        x, y = operands
        is_zero = (x == 0) & xp.logical_not(xp.isnan(y))
        return xp.where(is_zero, 0, x * self._log(xp, xp.where(is_zero, 1, y)))

    def _log(self, xp: Namespace, y: Value) -> Value:
        return xp.log1p(y) if self.shift else xp.log(y)

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        xp, (g,), (x, y) = context.xp, context.cotangents, context.operands
        is_hole = (x == 0) & (y <= -self.shift)
        by_x = xp.apply(self, g, xp.where(is_hole, 1 - self.shift, y))
        return [by_x, g * x / (y + 1 if self.shift else y)]
