"""The same value as a node of its own: with a gradient (`Argument`), without (`StopGradient`), or with another (`Sloped`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.containers import map_leaves
from composit.handle import TensorHandle
from composit.operation import Array, Operation, OperationKind, Results, TensorType, VjpContext

if TYPE_CHECKING:
    from collections.abc import Sequence


class SameValue(Operation):
    """The base of operations whose result is the operand. Backends look for this class."""

    __slots__ = ()
    kind = OperationKind.ELEMENTWISE
    keeps_c_order = True

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (operand_types[0],)

    def evaluate(self, *operands: Array) -> Results:
        # A copy: as a second name of the operand's array, it would look to a later write like another reader.
        operand: Any = operands[0]  # Any: an array, or a number
        return operand.copy() if isinstance(operand, np.ndarray) else operand

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Argument(SameValue):
    """The operand as the argument of a function: what the function knows of the same tensor from elsewhere is another node.

    Derivative:  g
    """

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [context.cotangents[0]]


@dataclass(frozen=True, slots=True)
class StopGradient(SameValue):
    """The operand, counted as a constant by derivatives."""

    no_derivative = "stop_gradient stops it"

    @property
    def name(self) -> str:
        return "stop_gradient"


@dataclass(frozen=True, slots=True)
class Sloped(SameValue):
    """The first operand, whose derivative is multiplied by the second: for NaN, where a value is infinite.

    Derivative:  g times the second operand
    """

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [context.cotangents[0] * context.operands[1], None]


def stop_gradient(x: Any) -> Any:  # Any: array_like, or a container of tensors
    """Return the same values as constants: derivatives see no way through. A container is returned with all its tensors so.

    Derivative:  none; `chain_rule` says so if there is no other way to an input, `grad` gives zeros
    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import grad, stop_gradient
        >>> cnp.evaluate(grad(lambda x: x * stop_gradient(x))(3.0))
        np.float64(3.0)
    """
    if isinstance(x, list | tuple | Mapping) or (is_dataclass(x) and not isinstance(x, type)):
        return map_leaves(x, lambda leaf: apply(StopGradient(), leaf) if isinstance(leaf, TensorHandle) else leaf)
    return apply(StopGradient(), x)
