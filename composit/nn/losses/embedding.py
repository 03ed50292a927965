"""Losses of pairs and triples of vectors: which is nearer.

Shared facts, said here and not at each function:

    Dtype:       numpy promotion of the operands; integers become float64
    Raises:      ParameterError: an unknown reduction; DtypeError: complex numbers
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import composit.numpy as cnp
from composit.errors import ShapeError
from composit.nn.arguments import floating
from composit.nn.losses.binary import positive_part
from composit.nn.losses.reductions import reduced
from composit.nn.operations.similarity import pairwise_distance
from composit.numpy.arguments.normalizing import TensorLike

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["cosine_embedding", "margin_ranking", "triplet"]

_SMALLEST_SQUARE = 1e-12  # torch's: added to squared lengths, so that a vector of zeros has an angle


def margin_ranking(
    first: TensorLike, second: TensorLike, target: TensorLike, *, margin: float = 0.0, reduction: str = "mean"
) -> LazyTensor:
    """Return max(0, margin - target * (first - second)): a target of 1 says that the first should be larger, -1 the second.

    Shapes:      the three broadcast; reduction="mean" or "sum" -> (), "none" -> the broadcast shape
    Derivative:  by the first: -g target where the loss is positive or at the bend; by the second: the opposite
    Reference:   torch.nn.functional.margin_ranking_loss
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(margin_ranking([1.0, 1.0], [0.0, 3.0], [1.0, 1.0], reduction="none"))
        array([0., 2.])
    """
    name = "margin_ranking"
    difference = floating(name, first, "first") - floating(name, second, "second")
    return reduced(name, positive_part(margin - floating(name, target, "target") * difference), reduction)


def cosine_embedding(
    first: TensorLike, second: TensorLike, target: TensorLike, *, margin: float = 0.0, reduction: str = "mean"
) -> LazyTensor:
    """Return 1 - cos where the target is 1, max(0, cos - margin) where it is -1: cos is that of the angle between the vectors.

    Shapes:      (..., n), (..., n), (...) -> (), or (...) for reduction="none"
    Derivative:  by both vectors, finite at vectors of zeros
    Raises:      ShapeError: the target does not have the shape of the vectors without the last axis
    Reference:   torch.nn.functional.cosine_embedding_loss
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(cosine_embedding([[1.0, 0.0]], [[0.0, 2.0]], [1.0]))
        np.float64(1.0)
    """
    name = "cosine_embedding"
    x, y = floating(name, first, "first"), floating(name, second, "second")
    goal = floating(name, target, "target")
    products, squares, others = (cnp.sum(each, axis=-1) for each in (x * y, x * x, y * y))
    cosines = products / cnp.sqrt((squares + _SMALLEST_SQUARE) * (others + _SMALLEST_SQUARE))
    if goal.ndim != cosines.ndim:
        raise ShapeError(
            f"cosine_embedding: target has shape {goal.shape} for vectors with shapes {x.shape} and {y.shape}; expected"
            f" {cosines.shape}, one number for each pair; reshape it first"
        )
    losses = cnp.where(goal == 1, 1 - cosines, 0) + cnp.where(goal == -1, positive_part(cosines - margin), 0)
    return reduced(name, losses, reduction)


def triplet(
    anchor: TensorLike,
    positive: TensorLike,
    negative: TensorLike,
    *,
    margin: float = 1.0,
    order: float = 2.0,
    epsilon: float = 1e-6,
    swap: bool = False,
    distance: Callable[[Any, Any], Any] | None = None,
    reduction: str = "mean",
) -> LazyTensor:
    """Return max(0, margin + d(anchor, positive) - d(anchor, negative)).

    order, epsilon: of the distance, as for pairwise_distance
    swap:           take d(positive, negative) where it is smaller than d(anchor, negative)
    distance:       a function of two tensors to use in place of pairwise_distance

    Shapes:      (..., n) three times -> (), or (...) for reduction="none"
    Derivative:  by all three
    Reference:   torch.nn.functional.triplet_margin_loss; Schroff et al., FaceNet, 2015
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(triplet([[0.0]], [[1.0]], [[3.0]], margin=4.0)).round(3)
        np.float64(2.0)
    """
    a, p, n = (
        floating("triplet", each, what)
        for each, what in ((anchor, "anchor"), (positive, "positive"), (negative, "negative"))
    )

    def between(x: LazyTensor, y: LazyTensor) -> LazyTensor:
        return pairwise_distance(x, y, order=order, epsilon=epsilon)

    measure = between if distance is None else distance
    near, far = measure(a, p), measure(a, n)
    if swap:
        far = cnp.minimum(far, measure(p, n))
    return reduced("triplet", positive_part(margin + near - far), reduction)
