"""An operation whose lowering a test writes by hand, beside the function that numpy computes it by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from composit.operation import Operation, TensorType, tensor_type
from mosaic.ir.expressions import Apply, Expression, literal
from mosaic.lowering.registry import Context, Value, lower

BY_HAND: dict[str, tuple[Callable[..., Any], Callable[[Context], Sequence[Value]]]] = {}
"""What numpy computes and what is lowered, by name; tests add theirs."""


@dataclass(frozen=True, slots=True)
class ByHand(Operation):
    """An operation of a test: numpy computes it by a function of that name, and a lowering writes loops."""

    function: str

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        stand_ins = [np.ones(each.shape, each.dtype) for each in operand_types]
        with np.errstate(all="ignore"):
            result = BY_HAND[self.function][0](*stand_ins)
        return (tensor_type(result.shape, result.dtype),)

    def evaluate(self, *operands: Any) -> Any:
        return BY_HAND[self.function][0](*operands)


@lower.register
def _(operation: ByHand, context: Context) -> Sequence[Value]:
    return BY_HAND[operation.function][1](context)


def added(*terms: Expression) -> Expression:
    return reduce(lambda one, other: Apply("add", (one, other), one.dtype), terms)


def times(one: Expression, other: Expression) -> Expression:
    return Apply("multiply", (one, other), one.dtype)


def number(value: float) -> Expression:
    return literal(value, np.dtype("float64"))
