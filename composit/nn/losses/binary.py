"""Losses of two classes, and of several classes that do not exclude each other: targets are 0 and 1, or -1 and 1.

Shared facts, said here and not at each function:

    Shapes:      x and target broadcast; reduction="mean" or "sum" -> (), "none" -> the broadcast shape
    Dtype:       numpy promotion of x and target; integers become float64
    Raises:      ParameterError: an unknown reduction; DtypeError: complex numbers
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import composit.numpy as cnp
from composit.apply import apply
from composit.derivative_types import Namespace
from composit.nn.arguments import floating
from composit.nn.composition import Composition, Value
from composit.nn.losses.reductions import reduced
from composit.nn.operations.logistic import Sigmoid, Softplus
from composit.numpy.arguments.normalizing import TensorLike, broadcast_shapes
from composit.operation import OperationKind, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["bce", "bce_with_logits", "hinge", "hinge_embedding", "multilabel_soft_margin", "soft_margin"]

# torch's bounds: the smallest logarithm, and the smallest x (1 - x) that a derivative divides by.
_SMALLEST_LOG = -100
_SMALLEST_PRODUCT = 1e-12


@dataclass(frozen=True, slots=True)
class BinaryCrossEntropy(Composition):
    """-(t log(x) + (1 - t) log(1 - x)), with logarithms of at least -100. Operands: probabilities x and targets t.

    has_bounded_slope: whether the logarithms in the derivative by t have the same bound; those of torch are infinite at 0 and 1

    Derivative:  by x: (x - t) / max(x (1 - x), 1e-12); by t: log(1 - x) - log(x)
    Reference:   torch.nn.functional.binary_cross_entropy
    """

    kind = OperationKind.ELEMENTWISE

    has_bounded_slope: bool = True

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        x, target = operand_types
        shape = broadcast_shapes(x.shape, target.shape)
        return (tensor_type(shape, np.result_type(x.dtype, target.dtype), is_scalar=not shape),)

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        x, target = operands
        return (target - 1) * _bounded_log_of_rest(xp, x) - target * _bounded_log(xp, x)

    def vjp(self, context: VjpContext) -> Sequence[Value | None]:
        xp, (g,), (x, target) = context.xp, context.cotangents, context.operands
        by_x = g * ((x - target) / xp.maximum(x * (1 - x), _SMALLEST_PRODUCT)) if context.needs[0] else None
        return [by_x, g * self._slope(xp, x) if context.needs[1] else None]

    def _slope(self, xp: Namespace, x: Value) -> Value:
        if self.has_bounded_slope:
            return _bounded_log_of_rest(xp, x) - _bounded_log(xp, x)
        return xp.log1p(-x) - xp.log(x)


@dataclass(frozen=True, slots=True)
class LogitCrossEntropy(Composition):
    """`BinaryCrossEntropy` of sigmoid(x): the magnitude of x where the sign is the wrong one, and softplus(-|x|).

    Derivative:  by x: sigmoid(x) - t; by t: -x
    Reference:   torch.nn.functional.binary_cross_entropy_with_logits
    """

    kind = OperationKind.ELEMENTWISE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return BinaryCrossEntropy().result_types(*operand_types)

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        x, target = operands
        magnitude = xp.absolute(x)
        wrong = xp.where(x > 0, 1 - target, target)
        # Of an infinite x on the right side, 0 times infinity is 0.
        return wrong * xp.where(wrong == 0, 0, magnitude) + xp.log1p(xp.exp(-magnitude))

    def vjp(self, context: VjpContext) -> Sequence[Value | None]:
        xp, (g,), (x, target) = context.xp, context.cotangents, context.operands
        by_x = g * (xp.apply(Sigmoid(), x) - target) if context.needs[0] else None
        return [by_x, -g * x if context.needs[1] else None]


def _bounded_log(xp: Namespace, x: Value) -> Value:
    is_positive = x > 0
    return xp.where(is_positive, xp.maximum(xp.log(xp.where(is_positive, x, 1)), _SMALLEST_LOG), _SMALLEST_LOG)


def _bounded_log_of_rest(xp: Namespace, x: Value) -> Value:
    """log(1 - x), which for small x is about -x."""
    is_below = x < 1
    return xp.where(is_below, xp.maximum(xp.log1p(xp.where(is_below, -x, 0)), _SMALLEST_LOG), _SMALLEST_LOG)


def _weighted(function: str, losses: LazyTensor, weight: TensorLike | None) -> LazyTensor:
    return losses if weight is None else losses * floating(function, weight, "weight")


def bce(x: TensorLike, target: TensorLike, *, weight: TensorLike | None = None, reduction: str = "mean") -> LazyTensor:
    """Return -(target * log(x) + (1 - target) * log(1 - x)) for probabilities x, with logarithms of at least -100.

    weight: multiplies the losses, with which it broadcasts

    Derivative:  by x: g (x - target) / (x (1 - x)), finite at 0 and 1
    Reference:   torch.nn.functional.binary_cross_entropy
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(bce([0.5, 1.0], [1.0, 0.0], reduction="none")).round(3)
        array([  0.693, 100.   ])
    """
    losses = apply(BinaryCrossEntropy(), floating("bce", x), floating("bce", target, "target"))
    return reduced("bce", _weighted("bce", losses, weight), reduction)


def bce_with_logits(
    x: TensorLike,
    target: TensorLike,
    *,
    weight: TensorLike | None = None,
    positive_weight: TensorLike | None = None,
    reduction: str = "mean",
) -> LazyTensor:
    """Return bce of sigmoid(x), right where the sigmoid is 0 or 1.

    weight:          multiplies the losses, with which it broadcasts
    positive_weight: multiplies the part of the loss where the target is 1

    Derivative:  by x: g (sigmoid(x) - target) without weights
    Reference:   torch.nn.functional.binary_cross_entropy_with_logits
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(bce_with_logits([1e4, -1e4], [1.0, 1.0], reduction="none"))
        array([    0., 10000.])
    """
    name = "bce_with_logits"
    logits, goal = floating(name, x), floating(name, target, "target")
    if positive_weight is None:
        losses = apply(LogitCrossEntropy(), logits, goal)
    else:
        factor = 1 + (floating(name, positive_weight, "positive_weight") - 1) * goal
        losses = (1 - goal) * logits + factor * apply(Softplus(), -logits)
    return reduced(name, _weighted(name, losses, weight), reduction)


def soft_margin(x: TensorLike, target: TensorLike, *, reduction: str = "mean") -> LazyTensor:
    """Return log(1 + exp(-target * x)) for targets -1 and 1.

    Derivative:  by x: -g target sigmoid(-target x)
    Reference:   torch.nn.functional.soft_margin_loss
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(soft_margin([1e4, 1e4], [1.0, -1.0], reduction="none"))
        array([    0., 10000.])
    """
    margins = floating("soft_margin", target, "target") * floating("soft_margin", x)
    return reduced("soft_margin", apply(Softplus(), -margins), reduction)


def multilabel_soft_margin(
    x: TensorLike, target: TensorLike, *, weight: TensorLike | None = None, reduction: str = "mean"
) -> LazyTensor:
    """Return bce_with_logits, averaged over the last axis: the classes, which do not exclude each other.

    weight: one number for each class

    Shapes:      (..., classes), (..., classes) -> (), or (...) for reduction="none"
    Derivative:  by x: that of bce_with_logits
    Reference:   torch.nn.functional.multilabel_soft_margin_loss
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(multilabel_soft_margin([[0.0, 0.0]], [[1.0, 0.0]], reduction="none"))
        array([0.69314718])
    """
    losses = bce_with_logits(x, target, weight=weight, reduction="none")
    return reduced("multilabel_soft_margin", cnp.sum(losses, axis=-1) / losses.shape[-1], reduction)


def hinge(x: TensorLike, target: TensorLike, *, margin: float = 1.0, reduction: str = "mean") -> LazyTensor:
    """Return max(0, margin - target * x) for targets -1 and 1: the loss of support vector machines.

    Derivative:  by x: -g target where the loss is positive or at the bend, else 0
    Reference:   Cortes and Vapnik, Support-Vector Networks, 1995
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(hinge([2.0, 0.5], [1.0, -1.0], reduction="none"))
        array([0. , 1.5])
    """
    margins = floating("hinge", target, "target") * floating("hinge", x)
    return reduced("hinge", positive_part(margin - margins), reduction)


def hinge_embedding(x: TensorLike, target: TensorLike, *, margin: float = 1.0, reduction: str = "mean") -> LazyTensor:
    """Return x where the target is 1, max(0, margin - x) where it is -1: x is a distance.

    Derivative:  by x: g where the target is 1; -g where it is -1 and the loss positive or at the bend
    Reference:   torch.nn.functional.hinge_embedding_loss
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(hinge_embedding([2.0, 0.25], [1.0, -1.0], reduction="none"))
        array([2.  , 0.75])
    """
    distance, goal = floating("hinge_embedding", x), floating("hinge_embedding", target, "target")
    far = cnp.where(goal != 1, positive_part(margin - distance), 0)
    return reduced("hinge_embedding", far + cnp.where(goal != -1, distance, 0), reduction)


def positive_part(x: LazyTensor) -> LazyTensor:
    """Return max(x, 0) with the derivative 1 at 0, as torch's losses have it."""
    return cnp.where(x < 0, 0, x)
