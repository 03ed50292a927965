"""Window functions (hanning, kaiser, ...), computed by numpy at the call, and the Bessel function i0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError
from composit.numpy.arguments.normalizing import TensorLike, handle_of
from composit.numpy.calls.array_function import ArrayFunction
from composit.numpy.calls.declarations import rule_for, without_rule
from composit.numpy.calls.expressions import Expressed, expressed
from composit.numpy.creation.bessel import ModifiedBessel
from composit.operation import OperationKind, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["bartlett", "blackman", "hamming", "hanning", "i0", "kaiser"]

bartlett = without_rule(np.bartlett)
blackman = without_rule(np.blackman)
hamming = without_rule(np.hamming)
hanning = without_rule(np.hanning)
kaiser = without_rule(np.kaiser)


@expressed(np.kaiser)
def _kaiser(xp: Any, results: Sequence[Any], M: Any, beta: Any) -> Expressed:
    middle = (results[0].size - 1) / 2
    places = np.arange(results[0].size) - middle
    heights = np.sqrt(np.maximum(1 - (places / max(middle, 0.5)) ** 2, 0))
    return xp.i0(xp.asarray(beta) * heights) / xp.i0(xp.reshape(xp.asarray(beta), (1,)))


@expressed(np.i0)
def _i0(xp: Any, results: Sequence[Any], x: Any) -> Expressed:
    return xp.apply(ModifiedBessel(0), xp.asarray(x))


@dataclass(frozen=True, slots=True)
class I0(ArrayFunction):
    """The modified Bessel function of the first kind and order 0, of each element.

    Derivative:  g times the function of order 1
    Reference:   numpy.i0
    """

    function = staticmethod(np.i0)
    kind = OperationKind.ELEMENTWISE

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [context.cotangents[0] * context.xp.apply(ModifiedBessel(1), context.operands[0])]

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (operand,) = operand_types
        return (tensor_type(operand.shape, operand.dtype if operand.dtype.kind == "f" else np.float64),)


@rule_for(np.i0)
def i0(x: TensorLike) -> LazyTensor:
    """Return the modified Bessel function of the first kind and order 0. See np.i0."""
    tensor = handle_of(x)
    if not tensor.ndim or tensor.dtype.kind not in "biuf":
        raise NoRuleError("i0: no axis, or elements that are no real numbers")
    return apply(I0(), tensor)
