"""`logcumsumexp`: the log of the running sum of exponentials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from composit.apply import apply
from composit.derivative_types import Namespace
from composit.nn.arguments import floating
from composit.nn.composition import Composition, Value
from composit.numpy.arguments.normalizing import AxisLike, TensorLike, normalize_axis
from composit.numpy.elementwise import table
from composit.numpy.reductions.running import Accumulate
from composit.operation import OperationKind, TensorType, VjpContext

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["logcumsumexp"]


@dataclass(frozen=True, slots=True)
class LogCumulativeSumExp(Composition):
    """log of the running sum of exp(x) along an axis.

    Derivative:  exp(x) times the sum from the end of g exp(-y), whose parts of each sign are added as logarithms, too
    Reference:   torch.logcumsumexp
    """

    axis: int
    kind = OperationKind.REDUCTION

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (operand_types[0],)

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        return xp.apply(Accumulate(table.logaddexp, self.axis), *operands)

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        xp, (g,), (x,), (y,) = context.xp, context.cotangents, context.operands, context.results
        parts = []
        for part in (xp.maximum(g, 0), xp.maximum(-g, 0)):
            is_there = part > 0
            logarithm = xp.where(is_there, xp.log(xp.where(is_there, part, 1)) - y, -np.inf)
            backwards = xp.flip(xp.apply(self, xp.flip(logarithm, self.axis)), self.axis)
            parts.append(xp.exp(x + backwards))
        return [parts[0] - parts[1]]


def logcumsumexp(x: TensorLike, axis: AxisLike = -1) -> LazyTensor:
    """Return the log of the running sum of exp(x) along an axis, without overflow.

    Shapes:      the shape of x
    Dtype:       that of x; integers become float64
    Derivative:  by x
    Raises:      AxisError: the axis is out of range; DtypeError: x is complex
    Reference:   torch.logcumsumexp
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(logcumsumexp([0.0, 0.0, 1000.0])).round(3).tolist()
        [0.0, 0.693, 1000.0]
    """
    tensor = floating("logcumsumexp", x)
    return apply(LogCumulativeSumExp(normalize_axis(axis, tensor.ndim)), tensor)
