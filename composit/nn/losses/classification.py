"""Losses of one class among several: cross_entropy, nll, and margins.

The classes lie along the second axis of x, or along its only one, as in torch. Shared facts, said here and not at each function:

    Shapes:      x (n, classes, ...) and target (n, ...), or x (classes,) and target (); "none" -> the shape of the target, else ()
    Dtype:       that of x; integers become float64
    Raises:      ShapeError: target or weight does not fit x; DtypeError; ParameterError: an unknown reduction or parameter;
                 IndexError when evaluated: numpy's, a class is negative or out of bounds
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import composit.numpy as cnp
from composit.errors import ParameterError, ShapeError
from composit.nn.arguments import check_shape, counted_from_start, floating, integral, one_of
from composit.nn.losses.reductions import REDUCTIONS, reduced
from composit.nn.operations.exponentials import log_softmax
from composit.numpy.arguments.normalizing import TensorLike, handle_of

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["cross_entropy", "multi_margin", "multilabel_margin", "nll"]


def _class_axis(function: str, x: LazyTensor) -> int:
    if not x.ndim:
        raise ShapeError(f"{function}: x has shape (); expected (classes,) or (n, classes, ...); reshape it first")
    return min(x.ndim - 1, 1)


def _one_example(x: LazyTensor, target: LazyTensor) -> tuple[LazyTensor, LazyTensor]:
    """Return one example as torch takes it for margins: a number is one class, a target may have an axis of length 1."""
    return (x if x.ndim else cnp.reshape(x, (1,))), (
        cnp.reshape(target, ()) if x.ndim < 2 and target.shape == (1,) else target
    )


def _check_target(function: str, target: LazyTensor, x: LazyTensor) -> None:
    axis = _class_axis(function, x)
    check_shape(
        function,
        "target",
        target,
        (*x.shape[:axis], *x.shape[axis + 1 :]),
        f"that of x, {x.shape}, without the classes",
    )


def _class_weight(function: str, weight: TensorLike | None, x: LazyTensor) -> LazyTensor | None:
    if weight is None:
        return None
    tensor = floating(function, weight, "weight")
    check_shape(
        function, "weight", tensor, (x.shape[_class_axis(function, x)],), f"one number for each class of x, {x.shape}"
    )
    return tensor


def nll(
    x: TensorLike,
    target: TensorLike,
    *,
    weight: TensorLike | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> LazyTensor:
    """Return -x at the target's class: x holds logarithms of probabilities.

    weight:       one number for each class; the mean is divided by the sum of the targets' weights
    ignore_index: a target that does not count

    Derivative:  by x: -g at the target's class
    Reference:   torch.nn.functional.nll_loss
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(nll([[-0.5, -1.0], [-2.0, -0.1]], [1, 0]))
        np.float64(1.5)
    """
    scores = floating("nll", x)
    classes = integral("nll", target, "target")
    _check_target("nll", classes, scores)
    factor, counts = _factors("nll", classes, scores, _class_weight("nll", weight, scores), ignore_index)
    losses = _counted(-_at(scores, classes, ignore_index) * factor, counts)
    return _weighted_mean("nll", losses, factor, reduction)


def _at(scores: LazyTensor, classes: LazyTensor, ignore_index: int) -> LazyTensor:
    """Return the scores of the classes; any where the class is to be ignored."""
    axis = min(scores.ndim - 1, 1)
    places = _places(classes, ignore_index, scores.shape[axis])
    return cnp.squeeze(cnp.take_along_axis(scores, cnp.expand_dims(places, axis), axis), axis)


def _places(classes: LazyTensor, ignore_index: int, number: int) -> LazyTensor:
    """Return the places of the classes, 0 where the class is to be ignored. No class is negative: -1 is not the last one."""
    return cnp.where(classes == ignore_index, 0, counted_from_start(classes, number))


def _factors(
    function: str, classes: LazyTensor, scores: LazyTensor, weight: LazyTensor | None, ignore_index: int
) -> tuple[LazyTensor, LazyTensor]:
    """Return the weight of each target, 0 where it is ignored; and 1 or 0 alone."""
    counts = (classes != ignore_index).astype(scores.dtype)
    if weight is None:
        return counts, counts
    places = _places(classes, ignore_index, weight.shape[0])
    return cnp.where(counts != 0, cnp.take(weight, places), 0), counts


def _counted(losses: LazyTensor, counts: LazyTensor) -> LazyTensor:
    """Return 0 for targets that are ignored: 0 times an infinite loss would be NaN."""
    return cnp.where(counts != 0, losses, 0)


def _weighted_mean(function: str, losses: LazyTensor, factor: LazyTensor, reduction: str) -> LazyTensor:
    if reduction == "mean":
        return cnp.sum(losses) / cnp.sum(factor)
    return one_of(function, "reduction", reduction, REDUCTIONS)(losses)


def cross_entropy(
    x: TensorLike,
    target: TensorLike,
    *,
    weight: TensorLike | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> LazyTensor:
    """Return -log(softmax(x)) at the target's class, or its mean under the target's probabilities.

    target:          integers, the classes; or floats of x's shape, the probabilities of all classes
    weight:          one number for each class; with classes, the mean is divided by the sum of the targets' weights
    ignore_index:    a class that does not count
    label_smoothing: this part of the target's probability is shared evenly among all classes

    Derivative:  by x: g (softmax(x) - probability of the target), without weights; by probabilities: -g log_softmax(x)
    Reference:   torch.nn.functional.cross_entropy
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(cross_entropy([[0.0, 1e4]], [0]))
        np.float64(10000.0)
        >>> cnp.evaluate(cross_entropy([[0.0, 0.0]], [[0.25, 0.75]])).round(4)
        np.float64(0.6931)
    """
    if not 0 <= label_smoothing <= 1:
        raise ParameterError(
            f"cross_entropy: label_smoothing={label_smoothing!r} was given; expected a number from 0 to 1"
        )
    scores, goal = floating("cross_entropy", x), handle_of(target)
    logarithms = log_softmax(scores, _class_axis("cross_entropy", scores))
    weights = _class_weight("cross_entropy", weight, scores)
    if goal.dtype.kind == "f":
        return _of_probabilities(logarithms, goal, weights, label_smoothing, reduction)
    classes = integral("cross_entropy", goal, "target")
    _check_target("cross_entropy", classes, scores)
    factor, counts = _factors("cross_entropy", classes, scores, weights, ignore_index)
    losses = _counted(-_at(logarithms, classes, ignore_index) * factor, counts)
    if label_smoothing:
        even = _counted(_sum_of_classes(logarithms, weights), counts)
        losses = (1 - label_smoothing) * losses + label_smoothing / scores.shape[min(scores.ndim - 1, 1)] * even
    return _weighted_mean("cross_entropy", losses, factor, reduction)


def _sum_of_classes(logarithms: LazyTensor, weight: LazyTensor | None) -> LazyTensor:
    """Return minus the sum over all classes, weighted."""
    axis = min(logarithms.ndim - 1, 1)
    weighted = logarithms if weight is None else logarithms * _behind(weight, logarithms)
    return -cnp.sum(weighted, axis=axis)


def _behind(weight: LazyTensor, x: LazyTensor) -> LazyTensor:
    return cnp.reshape(weight, (weight.shape[0], *(1,) * (x.ndim - min(x.ndim - 1, 1) - 1)))


def _of_probabilities(
    logarithms: LazyTensor, goal: LazyTensor, weight: LazyTensor | None, label_smoothing: float, reduction: str
) -> LazyTensor:
    check_shape(
        "cross_entropy", "target", goal, logarithms.shape, "that of x, for probabilities; give integers for classes"
    )
    classes = goal.shape[min(goal.ndim - 1, 1)]
    smooth = goal * (1 - label_smoothing) + label_smoothing / max(classes, 1) if label_smoothing else goal
    losses = _sum_of_classes(logarithms * smooth, weight)
    if reduction == "mean":
        return cnp.sum(losses) / losses.size
    return reduced("cross_entropy", losses, reduction)


def _above_zero(x: LazyTensor) -> LazyTensor:
    """Return max(x, 0) with the derivative 0 at 0, as torch's kernels for margins of classes have it."""
    return cnp.where(x > 0, x, 0)


def multi_margin(
    x: TensorLike,
    target: TensorLike,
    *,
    order: int = 1,
    margin: float = 1.0,
    weight: TensorLike | None = None,
    reduction: str = "mean",
) -> LazyTensor:
    """Return the mean over the other classes j of max(0, margin - x[target] + x[j]) ** order; the sum is divided by all classes.

    order:  1 or 2
    weight: one number for each class, taken at the target's

    Shapes:      x (n, classes) and target (n,), or x (classes,) and target (); "none" -> the shape of the target, else ()
    Derivative:  by x
    Reference:   torch.nn.functional.multi_margin_loss
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(multi_margin([[0.0, 0.5, 2.0]], [2]))
        np.float64(0.0)
    """
    if order not in (1, 2):
        raise ParameterError(f"multi_margin: order={order!r} was given; expected 1 or 2")
    scores, classes = floating("multi_margin", x), integral("multi_margin", target, "target")
    scores, classes = _one_example(scores, classes)
    axis = _class_axis("multi_margin", scores)
    _check_target("multi_margin", classes, scores)
    own = counted_from_start(cnp.expand_dims(classes, axis), scores.shape[axis])
    margins = _above_zero(margin - cnp.take_along_axis(scores, own, axis) + scores)
    is_own = own == np.arange(scores.shape[axis])
    margins = cnp.where(is_own, 0, margins if order == 1 else cnp.square(margins))
    weights = _class_weight("multi_margin", weight, scores)
    if weights is not None:
        margins = margins * cnp.take(weights, own)
    return reduced("multi_margin", cnp.sum(margins, axis=axis) / max(scores.shape[axis], 1), reduction)


def multilabel_margin(x: TensorLike, target: TensorLike, *, reduction: str = "mean") -> LazyTensor:
    """Return the sum over targets j and other classes i of max(0, 1 - (x[j] - x[i])), divided by the number of classes.

    target: the classes of an example, ended by -1, after which nothing counts

    Shapes:      x and target (n, classes) or (classes,); "none" -> (n,) or (), else ()
    Derivative:  by x
    Reference:   torch.nn.functional.multilabel_margin_loss
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(multilabel_margin([[0.1, 0.2, 0.4, 0.8]], [[3, 0, -1, 1]])).round(2)
        np.float64(0.85)
    """
    scores, classes = floating("multilabel_margin", x), integral("multilabel_margin", target, "target")
    if not scores.ndim:
        scores, classes = cnp.reshape(scores, (1,)), cnp.reshape(classes, (-1,))
    axis = _class_axis("multilabel_margin", scores)
    check_shape("multilabel_margin", "target", classes, scores.shape, "that of x")
    # A target counts if neither it nor an earlier one is negative.
    counts = cnp.cumsum(classes < 0, axis=axis) == 0
    safe = cnp.where(counts, classes, 0)
    number = scores.shape[axis]
    is_same = (cnp.expand_dims(safe, -1) == np.arange(number)) & cnp.expand_dims(counts, -1)
    is_target = cnp.any(is_same, axis=-2)
    own = cnp.take_along_axis(scores, safe, axis)
    margins = _above_zero(1 - (cnp.expand_dims(own, -1) - cnp.expand_dims(scores, -2)))
    is_counted = cnp.expand_dims(counts, -1) & cnp.logical_not(cnp.expand_dims(is_target, -2))
    losses = cnp.sum(cnp.where(is_counted, margins, 0), axis=(-2, -1)) / max(number, 1)
    return reduced("multilabel_margin", losses, reduction)
