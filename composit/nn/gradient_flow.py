"""The same value as a node without a gradient (`StopGradient`), or with another (`Sloped`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

from composit.apply import apply
from composit.containers import map_leaves
from composit.handle import TensorHandle
from composit.numpy.calls.expressions import SameValue
from composit.operation import VjpContext


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
