"""Operations that give their operands back, in an order: what `checkpoint` is made of. Backends look for these classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.apply import apply
from composit.operation import Array, Operation, OperationKind, Result, Results, TensorType, VjpContext


class Fenced(Operation):
    """The base: the first operands, as values of their own, which are there when all of them have been computed."""

    __slots__ = ()
    kind = OperationKind.FUNCTION

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return operand_types[: self.num_results]

    def evaluate(self, *operands: Array) -> Results:
        # Views: memory stays one, and an array that a caller is given is copied first, as any view.
        results = tuple(map(_seen, operands[: self.num_results]))
        return results if len(results) > 1 else results[0]

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        return 0


def fenced(operation: Fenced, *operands: Any) -> tuple[Any, ...]:  # Any: tensors
    """Return the results of such an operation as a tuple, also one alone."""
    results: Any = apply(operation, *operands)
    return results if operation.num_results > 1 else (results,)


def _seen(operand: Any) -> Result:  # Any: an array, or a number
    return operand.view() if isinstance(operand, np.ndarray) else operand


@dataclass(frozen=True, slots=True)
class Fence(Fenced):
    """All operands. What is computed of the results is another expression than the same of the operands, and runs later.

    Derivative:  g
    """

    count: int

    @property
    def num_results(self) -> int:
        return self.count

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return context.cotangents
