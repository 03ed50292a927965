"""The same value as a node without a gradient (`StopGradient`), or with another (`Sloped`, `StraightThrough`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

from composit.apply import apply, as_tensor
from composit.containers import map_leaves
from composit.errors import ShapeError
from composit.handle import TensorHandle
from composit.numpy.calls.expressions import SameValue
from composit.operation import VjpContext

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor


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


@dataclass(frozen=True, slots=True)
class StraightThrough(SameValue):
    """The first operand, whose gradient goes to the second.

    Derivative:  g by the second
    """

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [None, context.cotangents[0]]


def sloped(x: Any, slopes: Any) -> LazyTensor:  # Any: array_like
    """Return x, whose derivative is multiplied by slopes, which have its shape and dtype.

    Derivative:  g * slopes by x
    """
    return apply(Sloped(), as_tensor(x), as_tensor(slopes))


def straight_through(value: Any, source: Any) -> LazyTensor:  # Any: array_like
    """Return a value with the derivative of another tensor of its shape and dtype: rounded numbers that learn as if they were not.

    Derivative:  g by source
    Raises:      ShapeError: other shapes or dtypes
    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import grad
        >>> from composit.nn.gradient_flow import straight_through
        >>> cnp.evaluate(grad(lambda x: 3 * straight_through(cnp.round(x), x))(1.7))
        np.float64(3.0)

    Reference: Bengio, Leonard and Courville, Estimating or Propagating Gradients Through Stochastic Neurons, 2013
    """
    first, second = as_tensor(value), as_tensor(source)
    if (first.shape, first.dtype) != (second.shape, second.dtype):
        raise ShapeError(
            f"straight_through: a value of type {first.type} was given with a source of type {second.type}; expected the same shape and "
            "dtype, since the gradient of one is handed to the other; broadcast or convert one of them"
        )
    return apply(StraightThrough(), first, second)


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
