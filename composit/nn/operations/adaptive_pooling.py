"""Pooling to a given number of positions: adaptive, global and fractional.

Windows differ in length here. x is taken apart into windows of equal length; of short ones the last elements are repeated for
maxima, and count as 0 for averages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.apply import apply
from composit.errors import ParameterError, ShapeError
from composit.nn.operations.pooling import flattened, spatial_operand
from composit.nn.operations.pooling_windows import ChosenMaximum, WindowMaximum, WindowSum, places_of_maxima
from composit.nn.operations.spatial import PerAxis, per_axis
from composit.numpy.tensor.lazy_tensor import LazyTensor
from composit.operation import Array, Dtype, Shape

__all__ = [
    "adaptive_average_pool",
    "adaptive_max_pool",
    "fractional_max_pool",
    "global_average_pool",
    "global_max_pool",
]

# Any, in arguments: tensors, arrays, and objects with __lazy_tensor__.

Lengths = int | Sequence[int | None]


def _output_size(function: str, output_size: Lengths, x: LazyTensor) -> Shape:
    lengths = x.shape[2:]
    if isinstance(output_size, Sequence) and len(output_size) == len(lengths):
        kept = [length if size is None else size for size, length in zip(output_size, lengths, strict=True)]
        return per_axis(function, "output_size", kept, len(lengths), least=0)
    return per_axis(function, "output_size", output_size, len(lengths), least=0)


def _checked(function: str, x: Any, output_size: Lengths, channels_last: bool) -> tuple[LazyTensor, Shape, bool]:
    tensor, _, is_single = spatial_operand(function, x, output_size, channels_last)
    if 0 in tensor.shape[2:]:
        raise ShapeError(
            f"{function}: got x with shape {np.shape(x)}; expected elements along each spatial axis; pad x first"
        )
    return tensor, _output_size(function, output_size, tensor), is_single


def _bounds(length: int, count: int) -> tuple[Array, Array]:
    """Return where windows start and stop that cover an axis as evenly as they can."""
    numbers = np.arange(count)
    return numbers * length // count, -(-(numbers + 1) * length // count)


def _finished(result: LazyTensor, channels_last: bool, is_single: bool) -> LazyTensor:
    if channels_last:
        result = cnp.moveaxis(result, 1, -1)
    return cnp.squeeze(result, 0) if is_single else result


def adaptive_average_pool(x: Any, output_size: Lengths, *, channels_last: bool = False) -> LazyTensor:
    """Return averages over windows that are chosen so that output_size of them cover x.

    output_size: one number, or one for each spatial axis, where None keeps the length

    Shapes:      (n, channels, *lengths) -> (n, channels, *output_size); channels_last: (n, *lengths, channels) -> ...
    Raises:      ShapeError, ParameterError: shapes or sizes that do not fit
    Example:
        >>> adaptive_average_pool(cnp.ones((1, 3, 7, 7)), (3, None)).shape
        (1, 3, 3, 7)

    Reference:   torch.nn.functional.adaptive_avg_pool2d
    """
    tensor, sizes, is_single = _checked("adaptive_average_pool", x, output_size, channels_last)
    lengths = tensor.shape[2:]
    kernel = tuple(
        length // count if count and length % count == 0 else 1 for length, count in zip(lengths, sizes, strict=True)
    )
    if any(taps > 1 for taps in kernel):
        tensor = apply(WindowSum(kernel, kernel, (1,) * len(kernel)), tensor) / math.prod(kernel)
    for axis, count in enumerate(sizes, start=2):
        if count != tensor.shape[axis]:
            tensor = _averages_along(tensor, axis, count)
    return _finished(tensor, channels_last, is_single)


def _averages_along(x: LazyTensor, axis: int, count: int) -> LazyTensor:
    """Return averages over windows of several lengths along an axis; x is taken apart into windows of the longest."""
    length = x.shape[axis]
    start, stop = _bounds(length, count)
    longest = int(max(stop - start, default=1))
    taps = start[:, None] + np.arange(longest)
    behind = (1,) * (x.ndim - axis - 1)
    is_inside = (taps < stop[:, None]).reshape(count, longest, *behind)
    apart = cnp.take(x, np.minimum(taps, length - 1).reshape(-1), axis)
    apart = cnp.reshape(apart, (*x.shape[:axis], count, longest, *x.shape[axis + 1 :]))
    return cnp.sum(cnp.where(is_inside, apart, 0), axis=axis + 1) / _numbers(stop - start, x.dtype).reshape(-1, *behind)


def _numbers(counts: Array, dtype: Dtype) -> Array:
    return counts.astype(dtype if dtype.kind == "f" else np.float64)


def adaptive_max_pool(
    x: Any, output_size: Lengths, *, channels_last: bool = False, return_indices: bool = False
) -> LazyTensor | tuple[LazyTensor, LazyTensor]:
    """Return the largest element of windows that are chosen so that output_size of them cover x.

    Shapes:      as adaptive_average_pool; with return_indices, also the indices in the spatial axes, flattened
    Raises:      ShapeError, ParameterError: shapes or sizes that do not fit
    Example:
        >>> adaptive_max_pool(cnp.ones((1, 3, 7, 7)), 2).shape
        (1, 3, 2, 2)

    Reference:   torch.nn.functional.adaptive_max_pool2d
    """
    tensor, sizes, is_single = _checked("adaptive_max_pool", x, output_size, channels_last)
    if not return_indices and _are_divisors(sizes, tensor.shape[2:]):
        return _finished(_maxima_side_by_side(tensor, sizes), channels_last, is_single)
    indices = []
    for length, count in zip(tensor.shape[2:], sizes, strict=True):
        start, stop = _bounds(length, count)
        longest = int(max(stop - start, default=1))
        indices.append(np.minimum(start[:, None] + np.arange(longest), stop[:, None] - 1))
    values, places = _largest_of(tensor, indices, return_indices)
    if places is None:
        return _finished(values, channels_last, is_single)
    return _finished(values, channels_last, is_single), _finished(places, channels_last, is_single)


def _are_divisors(sizes: Shape, lengths: Shape) -> bool:
    return all(count and length % count == 0 for count, length in zip(sizes, lengths, strict=True))


def _maxima_side_by_side(x: LazyTensor, sizes: Shape) -> LazyTensor:
    """Return the largest elements of as many windows of equal length along each axis."""
    kernel = tuple(length // count for length, count in zip(x.shape[2:], sizes, strict=True))
    return apply(WindowMaximum(kernel, kernel, (1,) * len(kernel), (0,) * len(kernel)), x)


def _largest_of(x: LazyTensor, indices: Sequence[Array], wants_places: bool) -> tuple[LazyTensor, LazyTensor | None]:
    """Return the largest elements of windows, and where they are in the spatial axes, flattened.

    indices: for each axis the elements of each window: (..., windows, taps), where ... is empty or (n, channels)
    """
    kernel = tuple(each.shape[-1] for each in indices)
    maximum = ChosenMaximum(kernel, kernel, (1,) * len(kernel))
    apart, flat = x, np.zeros((1, 1, *[1] * len(kernel)), np.int64)
    for axis, each in enumerate(indices, start=2):
        places = each.reshape(*each.shape[:-2], each.shape[-2] * each.shape[-1])
        along = places.reshape(*places.shape[:-1], *[1] * (axis - 2 if places.ndim > 1 else axis), places.shape[-1])
        along = along.reshape(*along.shape, *[1] * (x.ndim - 1 - axis))
        apart = cnp.take(apart, places, axis) if places.ndim == 1 else cnp.take_along_axis(apart, along, axis)
        flat = flat * x.shape[axis] + along
    if not wants_places:
        return apply(maximum, x, apart, flat), None
    shape = (*x.shape[:2], *(each.shape[-2] for each in indices))
    places = places_of_maxima(cnp, maximum, apart, cnp.asarray(flat), shape)
    values = cnp.take_along_axis(flattened(x), places, axis=2)
    return cnp.reshape(values, shape), cnp.reshape(places, shape)


def global_average_pool(x: Any, *, channels_last: bool = False, keepdims: bool = True) -> LazyTensor:
    """Return the average over all spatial axes.

    Shapes:      (n, channels, *lengths) -> (n, channels, *ones), or (n, channels) without `keepdims`
    Raises:      ShapeError: x has no spatial axes, or more than three
    Example:
        >>> global_average_pool(cnp.ones((1, 3, 7, 7)), keepdims=False).shape
        (1, 3)
    """
    tensor, _, _ = spatial_operand("global_average_pool", x, 1, channels_last)
    averages = cnp.mean(tensor, axis=tuple(range(2, tensor.ndim)), keepdims=keepdims)
    return _finished(averages, channels_last and keepdims, False)


def global_max_pool(x: Any, *, channels_last: bool = False, keepdims: bool = True) -> LazyTensor:
    """Return the largest element over all spatial axes.

    Shapes:      (n, channels, *lengths) -> (n, channels, *ones), or (n, channels) without `keepdims`
    Raises:      ShapeError: x has no spatial axes, or more than three, or no elements
    Example:
        >>> global_max_pool(cnp.ones((1, 3, 7, 7))).shape
        (1, 3, 1, 1)
    """
    tensor, _, _ = _checked("global_max_pool", x, 1, channels_last)
    largest = _maxima_side_by_side(tensor, (1,) * (tensor.ndim - 2))
    if not keepdims:
        return cnp.reshape(largest, largest.shape[:2])
    return _finished(largest, channels_last, False)


def fractional_max_pool(
    x: Any,
    kernel_size: PerAxis,
    output_size: PerAxis,
    samples: Any,
    *,
    channels_last: bool = False,
    return_indices: bool = False,
) -> LazyTensor | tuple[LazyTensor, LazyTensor]:
    """Return the largest element of windows whose starts are spread over x at random.

    samples: numbers from 0 to 1 that choose the starts: for each row of the batch, channel and spatial axis one, in the order
             of torch's `_random_samples`; or a numpy Generator or a seed to draw them with

    Shapes:      (n, channels, *lengths) -> (n, channels, *output_size); samples (n, channels, axes)
    Raises:      ShapeError, ParameterError: shapes or sizes that do not fit
    Example:
        >>> fractional_max_pool(cnp.ones((1, 3, 7, 7)), 2, 4, samples=0).shape
        (1, 3, 4, 4)

    Reference:   torch.nn.functional.fractional_max_pool2d; Graham, "Fractional Max-Pooling"
    """
    tensor, sizes, is_single = _checked("fractional_max_pool", x, output_size, channels_last)
    rank = len(sizes)
    kernel = per_axis("fractional_max_pool", "kernel_size", kernel_size, rank)
    drawn = _samples(samples, (*tensor.shape[:2], rank))
    indices = []
    for axis, (taps, count, length) in enumerate(zip(kernel, sizes, tensor.shape[2:], strict=True)):
        if count < 1 or count + taps - 1 > length:
            raise ParameterError(
                f"fractional_max_pool: output_size={output_size!r} and kernel_size={kernel_size!r} were given for x with spatial lengths"
                f" {tensor.shape[2:]}; expected at least 1 and at most length - kernel_size + 1; pass a smaller size"
            )
        # torch numbers the samples of two axes from the last one, those of three from the first.
        starts = _starts(drawn[..., axis if rank == 3 else rank - 1 - axis], taps, count, length)
        indices.append(starts[..., None] + np.arange(taps))
    values, places = _largest_of(tensor, indices, return_indices)
    if places is None:
        return _finished(values, channels_last, is_single)
    return _finished(values, channels_last, is_single), _finished(places, channels_last, is_single)


def _samples(samples: Any, shape: Shape) -> Array:
    if isinstance(samples, int | np.random.Generator):
        return np.random.default_rng(samples).random(shape)
    drawn = np.asarray(samples)
    if drawn.shape != shape:
        raise ShapeError(
            f"fractional_max_pool: got samples with shape {drawn.shape}; expected {shape}: one for each row, channel and spatial axis;"
            " pass a seed or a generator to draw them"
        )
    return drawn


def _starts(samples: Array, taps: int, count: int, length: int) -> Array:
    """Return the starts of the windows along one axis: about (length - taps) / (count - 1) apart, the last at the end."""
    last = np.full((*samples.shape, 1), length - taps, np.int64)
    if count == 1:
        return last
    alpha = samples.dtype.type((length - taps) / (count - 1))
    numbers = np.arange(count - 1, dtype=samples.dtype)
    moved = ((numbers + samples[..., None]) * alpha).astype(np.int64) - (samples[..., None] * alpha).astype(np.int64)
    return np.concatenate([moved, last], axis=-1)
