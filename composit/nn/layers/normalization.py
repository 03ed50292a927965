"""Layer, batch, group, instance, root-mean-square and local response normalisation.

Weights and biases are vectors of channels, or what broadcasts to the normalised axes for layer_norm and rms_norm; None leaves
one out. Running statistics are returned, never changed. Shared facts, said here and not at each function:

    Shapes:      the shape of x
    Dtype:       that of x; integers become float64
    Derivative:  by x: r (g w - mean(g w) - y mean(g w y)), with r = 1 / sqrt(variance + epsilon); by w: the sum of g y; by b: that of g
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

import composit.numpy as cnp
from composit.apply import apply, apply_several
from composit.errors import ParameterError, ShapeError
from composit.nn.arguments import axes_or_all, check_shape, floating
from composit.nn.layers.affine_normalized import NormalizeAffine
from composit.nn.layers.normalized import Normalize, Scaled
from composit.nn.operations.pooling_windows import WindowSum
from composit.nn.row_sums import count_along
from composit.numpy.arguments.normalizing import AxesLike, AxisLike, TensorLike, normalize_axis
from composit.operation import Axes

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "batch_norm",
    "batch_norm_training",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "rms_norm",
]


def layer_norm(
    x: TensorLike,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    *,
    axis: AxesLike = -1,
    epsilon: float = 1e-5,
) -> LazyTensor:
    """Return x with mean 0 and variance 1 along one axis or several, times weight, plus bias.

    Shapes:      x (..., n), weight and bias (n,): what broadcasts to x
    Raises:      ShapeError: weight or bias does not broadcast to x; AxisError
    Reference:   torch.nn.functional.layer_norm
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(layer_norm([[1.0, 3.0]], [2.0, 2.0], [0.0, 1.0])).round(3)
        array([[-2.,  3.]])
    """
    tensor = floating("layer_norm", x)
    parts = _broadcasting("layer_norm", tensor, weight, bias)
    return normalized(tensor, axes_or_all(axis, tensor.ndim), epsilon, *parts)[0]


def rms_norm(
    x: TensorLike, weight: TensorLike | None = None, *, axis: AxesLike = -1, epsilon: float | None = None
) -> LazyTensor:
    """Return x divided by the root of its mean square along one axis or several, times weight.

    epsilon: added to the mean square; None is the dtype's resolution, as in torch

    Shapes:      x (..., n), weight (n,): what broadcasts to x
    Derivative:  that of its parts
    Raises:      ShapeError: weight does not broadcast to x; AxisError
    Reference:   torch.nn.functional.rms_norm; Zhang and Sennrich, Root Mean Square Layer Normalization, 2019
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(rms_norm([3.0, 4.0], epsilon=0.0)).round(4)
        array([0.8485, 1.1314])
    """
    tensor = floating("rms_norm", x)
    axes = axes_or_all(axis, tensor.ndim)
    resolution = float(np.finfo(tensor.dtype).eps) if epsilon is None else epsilon
    squares = cnp.sum(cnp.square(tensor), axis=axes, keepdims=True) / count_along(tensor.shape, axes)
    (factor,) = _broadcasting("rms_norm", tensor, weight)
    return _scaled(tensor * (1 / cnp.sqrt(squares + resolution)), factor, None)


def _broadcasting(function: str, x: LazyTensor, *parts: TensorLike | None) -> Iterator[LazyTensor | None]:
    """Yield the weight and the bias that were given, which broadcast to x."""
    for name, part in zip(("weight", "bias"), parts, strict=False):
        tensor = None if part is None else floating(function, part, name)
        if tensor is not None and not _broadcasts(tensor.shape, x.shape):
            raise ShapeError(
                f"{function}: {name} has shape {tensor.shape} for x with shape {x.shape}; expected what broadcasts to x,"
                " such as the lengths of the normalised axes; reshape it first"
            )
        yield tensor


def normalized(
    x: LazyTensor, axes: Axes, epsilon: float, weight: LazyTensor | None = None, bias: LazyTensor | None = None
) -> tuple[LazyTensor, LazyTensor, LazyTensor]:
    """Return x with mean 0 and variance 1 along axes, times weight, plus bias; and mean and variance, with the axes kept."""
    if weight is not None and bias is not None and weight.dtype == bias.dtype == x.dtype:
        y, mean, variance, _ = apply_several(NormalizeAffine(axes, float(epsilon)), x, weight, bias)
    else:
        y, mean, variance = apply_several(Normalize(axes, float(epsilon)), x)
        y = _scaled(y, weight, bias)
    return y, mean, variance


def _scaled(y: LazyTensor, weight: LazyTensor | None, bias: LazyTensor | None) -> LazyTensor:
    """Return y times weight, plus bias; None leaves one out."""
    if weight is not None and bias is not None:
        return apply(Scaled(), y, weight, bias)
    result = y if weight is None else y * weight
    return result if bias is None else result + bias


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    tail = to[len(to) - len(shape) :]
    return len(shape) <= len(to) and all(one in (1, other) for one, other in zip(shape, tail, strict=True))


def _along_channels(function: str, name: str, vector: TensorLike, x: LazyTensor, axis: int) -> LazyTensor:
    """Return a vector of channels with axes of length 1 behind it, so that it broadcasts along the channel axis of x."""
    tensor = floating(function, vector, name)
    channels = x.shape[axis]
    in_place = (channels, *(1,) * (x.ndim - axis - 1))
    if tensor.shape == in_place:
        return tensor
    check_shape(
        function,
        name,
        tensor,
        (channels,),
        f"one number for each channel, along axis {axis} of x with shape {x.shape}, or {in_place}",
    )
    return cnp.reshape(tensor, in_place)


def _of_channels(function: str, x: LazyTensor, axis: int, *parts: TensorLike | None) -> Iterator[LazyTensor | None]:
    """Yield the weight and the bias that were given, in place along the channel axis of x."""
    for name, part in zip(("weight", "bias"), parts, strict=True):
        yield None if part is None else _along_channels(function, name, part, x, axis)


def batch_norm(
    x: TensorLike,
    mean: TensorLike,
    variance: TensorLike,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    *,
    epsilon: float = 1e-5,
    channel_axis: AxisLike = 1,
) -> LazyTensor:
    """Return x normalised by given means and variances of its channels: batch normalisation as in inference.

    Shapes:      x (n, channels, ...), or with the channels along another axis; the others (channels,) or (channels, 1, ...)
    Derivative:  that of (x - mean) / sqrt(variance + epsilon) * weight + bias by all operands
    Raises:      ShapeError: a vector's length is not the number of channels; AxisError
    Reference:   torch.nn.functional.batch_norm
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(batch_norm([[1.0, 3.0]], [1.0, 1.0], [4.0, 4.0], epsilon=0.0))
        array([[0., 1.]])
    """
    tensor = floating("batch_norm", x)
    axis = normalize_axis(channel_axis, tensor.ndim)
    centre = _along_channels("batch_norm", "mean", mean, tensor, axis)
    factor = 1 / cnp.sqrt(_along_channels("batch_norm", "variance", variance, tensor, axis) + epsilon)
    if weight is not None:
        factor = factor * _along_channels("batch_norm", "weight", weight, tensor, axis)
    # Numbers of channels are combined first: the large array is read twice, not four times.
    offset = None if bias is None else _along_channels("batch_norm", "bias", bias, tensor, axis)
    return _scaled((tensor - centre) * factor, None, offset)


def batch_norm_training(
    x: TensorLike,
    running_mean: TensorLike | None = None,
    running_variance: TensorLike | None = None,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    *,
    momentum: float = 0.1,
    epsilon: float = 1e-5,
    channel_axis: AxisLike = 1,
) -> tuple[LazyTensor, LazyTensor, LazyTensor]:
    """Return x normalised by its own means and variances over all axes but the channels', and new running statistics.

    momentum: the weight of the batch in the new running statistics; where there are no old ones, the batch's are returned

    Shapes:      x (n, channels, ...), the others (channels,) -> the shape of x, (channels,), (channels,)
    Raises:      ShapeError: a vector's length is not the number of channels, or there is one value per channel only; AxisError
    Reference:   torch.nn.functional.batch_norm with training=True; running variances are unbiased
    Example:
        >>> import composit.numpy as cnp
        >>> y, mean, variance = batch_norm_training([[1.0], [3.0]], [0.0], [1.0])
        >>> cnp.evaluate(mean, variance)
        (array([0.2]), array([1.1]))
    """
    tensor = floating("batch_norm_training", x)
    axis = normalize_axis(channel_axis, tensor.ndim)
    axes = tuple(other for other in range(tensor.ndim) if other != axis)
    count = count_along(tensor.shape, axes)
    if count == 1 and tensor.size:
        raise ShapeError(
            f"batch_norm_training: x with shape {tensor.shape} has one value per channel, along axis {axis}, whose variance is 0;"
            " expected several; use batch_norm with running statistics"
        )
    parts = _of_channels("batch_norm_training", tensor, axis, weight, bias)
    y, mean, variance = normalized(tensor, axes, epsilon, *parts)
    vectors = [cnp.reshape(each, (tensor.shape[axis],)) for each in (mean, variance * (count / max(count - 1, 1)))]
    running = [
        batch if old is None else _blended(name, old, batch, momentum)
        for name, old, batch in zip(
            ("running_mean", "running_variance"), (running_mean, running_variance), vectors, strict=True
        )
    ]
    return y, running[0], running[1]


def _blended(name: str, old: TensorLike, batch: LazyTensor, momentum: float) -> LazyTensor:
    before = floating("batch_norm_training", old, name)
    check_shape("batch_norm_training", name, before, batch.shape, "one number for each channel")
    return before * (1 - momentum) + batch * momentum


def group_norm(
    x: TensorLike,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    *,
    num_groups: int,
    channel_axis: AxisLike = 1,
    epsilon: float = 1e-5,
) -> LazyTensor:
    """Return x with mean 0 and variance 1 in each group of channels of each example (the first axis).

    Shapes:      x (n, channels, ...), weight and bias (channels,) or (channels, 1, ...)
    Raises:      ParameterError: the groups do not divide the channels; ShapeError: a vector is no vector of channels; AxisError
    Reference:   torch.nn.functional.group_norm; Wu and He, Group Normalization, 2018
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(group_norm([[1.0, 3.0, 10.0, 30.0]], num_groups=2)).round(3)
        array([[-1.,  1., -1.,  1.]])
    """
    tensor = floating("group_norm", x)
    axis = normalize_axis(channel_axis, tensor.ndim)
    channels = tensor.shape[axis]
    if num_groups < 1 or channels % num_groups:
        raise ParameterError(
            f"group_norm: num_groups={num_groups} was given for {channels} channels, axis {axis} of x with shape"
            f" {tensor.shape}; expected a number that divides them"
        )
    groups = (num_groups, channels // num_groups)
    shape = (*tensor.shape[:axis], *groups, *tensor.shape[axis + 1 :])
    axes = tuple(other for other in range(1, len(shape)) if other != axis)
    parts = (
        None if part is None else cnp.reshape(part, (*groups, *part.shape[1:]))
        for part in _of_channels("group_norm", tensor, axis, weight, bias)
    )
    y, _, _ = normalized(cnp.reshape(tensor, shape), axes, epsilon, *parts)
    return cnp.reshape(y, tensor.shape)


def instance_norm(
    x: TensorLike,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    *,
    channel_axis: AxisLike = 1,
    epsilon: float = 1e-5,
) -> LazyTensor:
    """Return x with mean 0 and variance 1 in each channel of each example (the first axis).

    Shapes:      x (n, channels, ...), weight and bias (channels,)
    Raises:      ShapeError: a vector is no vector of channels; AxisError
    Reference:   torch.nn.functional.instance_norm; Ulyanov et al., Instance Normalization, 2016
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(instance_norm([[[1.0, 3.0]]])).round(3)
        array([[[-1.,  1.]]])
    """
    tensor = floating("instance_norm", x)
    axis = normalize_axis(channel_axis, tensor.ndim)
    axes = tuple(other for other in range(1, tensor.ndim) if other != axis)
    parts = _of_channels("instance_norm", tensor, axis, weight, bias)
    return normalized(tensor, axes, epsilon, *parts)[0]


def local_response_norm(
    x: TensorLike,
    size: int,
    *,
    channel_axis: AxisLike = 1,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
) -> LazyTensor:
    """Return x / (k + alpha * m) ** beta, with m the mean square of `size` neighbouring channels, 0 beyond the first and last.

    Derivative:  that of its parts
    Raises:      ParameterError: size is not positive; AxisError
    Reference:   torch.nn.functional.local_response_norm; Krizhevsky et al., ImageNet Classification, 2012
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(local_response_norm([[1.0, 1.0, 1.0]], 3, alpha=3.0, beta=1.0, k=0.0)).round(3)
        array([[0.5  , 0.333, 0.5  ]])
    """
    if size < 1:
        raise ParameterError(f"local_response_norm: size={size} was given; expected a positive number of channels")
    tensor = floating("local_response_norm", x)
    axis = normalize_axis(channel_axis, tensor.ndim)
    squares = cnp.moveaxis(cnp.square(tensor), axis, -1)
    sums = cnp.moveaxis(_sums_of_neighbours(squares, size), -1, axis)
    return tensor / cnp.power(k + alpha / size * sums, beta)


def _sums_of_neighbours(x: LazyTensor, size: int) -> LazyTensor:
    """Return the sum of `size` neighbours of each element along the last axis, one more before it than behind if size is even."""
    padded = cnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(size // 2, (size - 1) // 2)])
    rows = cnp.reshape(padded, (1, math.prod(padded.shape[:-1]), padded.shape[-1]))
    return cnp.reshape(apply(WindowSum((size,), (1,), (1,)), rows), x.shape)
