"""`Where` and `where`: elements chosen by a condition, an elementwise operation that is no row of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError, ParameterError
from composit.numpy.arguments.normalizing import TensorLike
from composit.numpy.calls.declarations import rule_for
from composit.numpy.elementwise.functions import common_shape, promote
from composit.numpy.elementwise.masks import choose
from composit.operation import Array, Operation, OperationKind, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["where"]


@dataclass(frozen=True, slots=True)
class Where(Operation):
    """Elements of the second operand where the first is true, of the third elsewhere. All three broadcast.

    Derivative:  g where the operand was chosen, 0 elsewhere
    Reference:   numpy.where
    """

    keeps_c_order = True
    kind = OperationKind.ELEMENTWISE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        shape = common_shape("where", [operand.shape for operand in operand_types])
        return (tensor_type(shape, promote(operand_types[1:])),)

    def evaluator(self) -> Callable[..., Results]:
        return choose

    def evaluate(self, *operands: Array) -> Results:
        return choose(*operands)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (condition, *_) = context.xp, context.cotangents, context.operands
        return [
            None,
            xp.where(condition, g, 0) if context.needs[1] else None,
            xp.where(condition, 0, g) if context.needs[2] else None,
        ]


@rule_for(np.where)
def where(condition: TensorLike, x: TensorLike | None = None, y: TensorLike | None = None, /) -> LazyTensor:
    """Return elements of x where the condition is true, of y elsewhere. Reference: numpy.where.

    Derivative:  g where the operand was chosen, 0 elsewhere
    """
    if (x is None) is not (y is None):
        raise ParameterError(
            "either both or neither of x and y should be given: where was given one of them; expected where(condition, x, y)"
        )
    if x is None or y is None:
        raise NoRuleError("where: with a condition alone the shape of the result depends on values")
    return apply(Where(), condition, x, y)
