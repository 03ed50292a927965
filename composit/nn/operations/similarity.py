"""Distances and angles between vectors: cosine_similarity, pairwise_distance, cdist, pdist, normalize.

Their derivatives at distances and lengths of 0 are 0, not NaN. Shared facts, said here and not at each function:

    Dtype:       numpy promotion of the operands; integers become float64
    Raises:      ParameterError: the order of a norm is NaN; AxisError; DtypeError: complex numbers
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import composit.numpy as cnp
from composit.errors import ShapeError
from composit.nn.arguments import axes_or_all, floating
from composit.nn.distances import norm_along, root
from composit.numpy.arguments.normalizing import AxesLike, AxisLike, TensorLike, normalize_axis

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["cdist", "cosine_similarity", "normalize", "pairwise_distance", "pdist"]

# From so many vectors on, torch computes Euclidean distances by a matrix product, which is faster and less exact.
_MOST_BY_DIFFERENCES = 25


def cosine_similarity(x: TensorLike, y: TensorLike, *, axis: AxisLike = 1, epsilon: float = 1e-8) -> LazyTensor:
    """Return the cosine of the angle between vectors along an axis: sum(x y) / (|x| |y|), with lengths of at least epsilon.

    Shapes:      x and y broadcast -> the broadcast shape without the axis
    Derivative:  by x and y
    Reference:   torch.nn.functional.cosine_similarity
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(cosine_similarity([[1.0, 0.0]], [[1.0, 1.0]])).round(4)
        array([0.7071])
    """
    first, second = cnp.broadcast_arrays(floating("cosine_similarity", x), floating("cosine_similarity", y, "y"))
    position = normalize_axis(axis, first.ndim)
    lengths = [
        cnp.maximum(norm_along("cosine_similarity", each, 2, (position,), True), epsilon) for each in (first, second)
    ]
    return cnp.sum((first / lengths[0]) * (second / lengths[1]), axis=position)


def pairwise_distance(
    x: TensorLike, y: TensorLike, *, order: float = 2.0, epsilon: float = 1e-6, keepdims: bool = False
) -> LazyTensor:
    """Return the norm of x - y + epsilon along the last axis.

    Shapes:      x and y broadcast -> the broadcast shape without the last axis
    Derivative:  by x and y
    Reference:   torch.nn.functional.pairwise_distance
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(pairwise_distance([[3.0, 4.0]], [[0.0, 0.0]], epsilon=0.0))
        array([5.])
    """
    difference = floating("pairwise_distance", x) - floating("pairwise_distance", y, "y") + epsilon
    if not difference.ndim:
        raise ShapeError(
            "pairwise_distance: x and y have shape (); expected vectors along the last axis; reshape them first"
        )
    return norm_along("pairwise_distance", difference, order, (difference.ndim - 1,), keepdims)


def cdist(x: TensorLike, y: TensorLike, *, order: float = 2.0) -> LazyTensor:
    """Return the distances of each row of x from each row of y.

    Shapes:      (..., p, n), (..., r, n) -> (..., p, r); leading axes broadcast
    Derivative:  by x and y
    Raises:      ShapeError: the shapes do not fit
    Reference:   torch.cdist: with more than 25 rows Euclidean distances come from |x|^2 + |y|^2 - 2 x y, as there
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(cdist([[0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]]))
        array([[5., 1.]])
    """
    first, second = floating("cdist", x), floating("cdist", y, "y")
    if min(first.ndim, second.ndim) < 2 or first.shape[-1] != second.shape[-1]:
        raise ShapeError(
            f"cdist: x and y have shapes {first.shape} and {second.shape}; expected (..., p, n) and (..., r, n); reshape them first"
        )
    if order == 2 and max(first.shape[-2], second.shape[-2]) > _MOST_BY_DIFFERENCES:
        return _by_product(first, second)
    difference = cnp.expand_dims(first, -2) - cnp.expand_dims(second, -3)
    return norm_along("cdist", difference, order, (difference.ndim - 1,), False)


def _by_product(x: LazyTensor, y: LazyTensor) -> LazyTensor:
    squares = [cnp.sum(cnp.square(each), axis=-1) for each in (x, y)]
    products = x @ cnp.swapaxes(y, -1, -2)
    return root(cnp.maximum(cnp.expand_dims(squares[0], -1) + cnp.expand_dims(squares[1], -2) - 2 * products, 0))


def pdist(x: TensorLike, *, order: float = 2.0) -> LazyTensor:
    """Return the distances of each row from each later row: the upper triangle of cdist(x, x), row by row.

    Shapes:      (p, n) -> (p (p - 1) / 2,)
    Derivative:  by x
    Raises:      ShapeError: x is no matrix
    Reference:   torch.nn.functional.pdist
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(pdist([[0.0], [1.0], [3.0]]))
        array([1., 3., 2.])
    """
    rows = floating("pdist", x)
    if rows.ndim != 2:
        raise ShapeError(
            f"pdist: x has shape {rows.shape}; expected a matrix (p, n), a vector in each row; reshape it first"
        )
    earlier, later = np.triu_indices(rows.shape[0], k=1)
    difference = cnp.take(rows, earlier, axis=0) - cnp.take(rows, later, axis=0)
    return norm_along("pdist", difference, order, (1,), False)


def normalize(x: TensorLike, *, order: float = 2.0, axis: AxesLike = 1, epsilon: float = 1e-12) -> LazyTensor:
    """Return x divided by its norm along axes, which counts as at least epsilon.

    Shapes:      the shape of x
    Derivative:  by x
    Reference:   torch.nn.functional.normalize
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(normalize([[3.0, 4.0], [0.0, 0.0]]))
        array([[0.6, 0.8],
               [0. , 0. ]])
    """
    tensor = floating("normalize", x)
    length = norm_along("normalize", tensor, order, axes_or_all(axis, tensor.ndim), True)
    return tensor / cnp.maximum(length, epsilon)
