"""linear and bilinear: products with learned matrices. Convolution is in convolution.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import composit.numpy as cnp
from composit.errors import ShapeError
from composit.nn.arguments import check_shape, floating
from composit.numpy.arguments.normalizing import TensorLike

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["bilinear", "linear"]


def linear(x: TensorLike, weight: TensorLike, bias: TensorLike | None = None) -> LazyTensor:
    """Return x @ weight^T + bias.

    Shapes:      (..., n), (m, n), (m,) -> (..., m); a weight (n,) gives (...)
    Dtype:       numpy promotion of the operands; integers become float64
    Derivative:  by all operands
    Raises:      ShapeError: shapes do not fit
    Reference:   torch.nn.functional.linear
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(linear([[1.0, 2.0]], [[1.0, 0.0], [1.0, 1.0]], [0.0, 10.0]))
        array([[ 1., 13.]])
    """
    tensor, matrix = floating("linear", x), floating("linear", weight, "weight")
    if not tensor.ndim or matrix.ndim not in (1, 2) or tensor.shape[-1] != matrix.shape[-1]:
        raise ShapeError(
            f"linear: x and weight have shapes {tensor.shape} and {matrix.shape}; expected (..., n) and (m, n); transpose the weight"
            " if it is (n, m)"
        )
    if matrix.ndim == 1 or tensor.ndim < 3:
        product = tensor @ cnp.transpose(matrix)
    else:
        # One product of matrices, where numpy would compute one for each leading index.
        rows = (
            cnp.reshape(tensor, (-1, tensor.shape[-1]))
            if tensor.size
            else cnp.zeros((0, tensor.shape[-1]), tensor.dtype)
        )
        product = cnp.reshape(rows @ cnp.transpose(matrix), (*tensor.shape[:-1], matrix.shape[0]))
    if bias is None:
        return product
    offset = floating("linear", bias, "bias")
    check_shape("linear", "bias", offset, matrix.shape[:-1], f"one number for each row of weight, {matrix.shape}")
    return product + offset


def bilinear(x: TensorLike, y: TensorLike, weight: TensorLike, bias: TensorLike | None = None) -> LazyTensor:
    """Return the sum over i and j of x[i] weight[k, i, j] y[j], plus bias[k].

    Shapes:      (..., n), (..., r), (m, n, r), (m,) -> (..., m)
    Dtype:       numpy promotion of the operands; integers become float64
    Derivative:  by all operands
    Raises:      ShapeError: shapes do not fit
    Reference:   torch.nn.functional.bilinear
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(bilinear([[1.0, 2.0]], [[3.0]], [[[1.0], [1.0]]]))
        array([[9.]])
    """
    first, second = floating("bilinear", x), floating("bilinear", y, "y")
    tensor = floating("bilinear", weight, "weight")
    lengths = (first.shape[-1:], second.shape[-1:])
    if tensor.ndim != 3 or lengths != (tensor.shape[1:2], tensor.shape[2:]) or first.shape[:-1] != second.shape[:-1]:
        raise ShapeError(
            f"bilinear: x, y and weight have shapes {first.shape}, {second.shape} and {tensor.shape}; expected (..., n), (..., r)"
            " and (m, n, r); transpose or broadcast_to them first"
        )
    m, n, r = tensor.shape
    matrix = cnp.reshape(cnp.transpose(tensor, (1, 0, 2)), (n, m * r))
    halfway = cnp.reshape(first @ matrix, (*first.shape[:-1], m, r))
    result = cnp.sum(halfway * cnp.expand_dims(second, -2), axis=-1)
    if bias is None:
        return result
    offset = floating("bilinear", bias, "bias")
    check_shape("bilinear", "bias", offset, (m,), f"one number for each matrix of weight, {tensor.shape}")
    return result + offset
