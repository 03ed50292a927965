"""interpolate: positions between the elements of one to three spatial axes, one axis after the other.

Each axis takes the neighbours of its positions with `take` and adds them with weights, so derivatives and C are those of
these. Positions and weights are computed in x's dtype, as in torch, so that nearest neighbours are torch's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.apply import as_tensor
from composit.errors import ParameterError, ShapeError
from composit.nn.operations.adaptive_pooling import adaptive_average_pool
from composit.nn.operations.pooling import spatial_operand
from composit.nn.operations.spatial import PerAxis, per_axis
from composit.numpy.tensor.lazy_tensor import LazyTensor
from composit.operation import Array, Dtype, Shape

__all__ = ["interpolate"]

# Any, in arguments: tensors, arrays, and objects with __lazy_tensor__.

_RANK_OF_MODE = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
_MODES = ("nearest", "nearest-exact", *_RANK_OF_MODE, "area")

# The second parameter of the cubic kernel. Reference: Keys, "Cubic convolution interpolation for digital image processing";
# -0.75 is torch's and OpenCV's.
_CUBIC = -0.75


@dataclass(frozen=True, slots=True)
class _Axis:
    """How one axis is resampled: `step` elements of x for each of the result."""

    length: int
    count: int
    step: float
    align_corners: bool
    dtype: Dtype

    def places(self) -> Array:
        """Return where the positions of the result lie in x."""
        numbers = np.arange(self.count, dtype=self.dtype)
        step = self.dtype.type(self.step)
        half = self.dtype.type(0.5)
        found: Array = numbers * step if self.align_corners else step * (numbers + half) - half
        return found


def interpolate(
    x: Any,
    size: PerAxis | None = None,
    scale_factor: float | Sequence[float] | None = None,
    *,
    mode: str = "nearest",
    align_corners: bool = False,
    recompute_scale_factor: bool = False,
    channels_last: bool = False,
) -> LazyTensor:
    """Return x with other spatial lengths, its values interpolated.

    size:                   the lengths of the result, or instead
    scale_factor:           what the lengths are multiplied by, rounded down
    mode:                   "nearest", "nearest-exact", "linear" (one axis), "bilinear", "bicubic" (two), "trilinear" (three), "area"
    align_corners:          whether the first and last elements lie at the same places, instead of the borders of elements
    recompute_scale_factor: whether positions follow from the rounded lengths, instead of from scale_factor

    Shapes:      (n, channels, *lengths) -> (n, channels, *size); channels_last: (n, *lengths, channels) -> ...
    Raises:      ShapeError: x has no spatial axes, or not those of the mode; ParameterError: neither or both of size and
                 scale_factor, another mode, lengths below 1
    Example:
        >>> interpolate(cnp.ones((1, 3, 4, 4)), scale_factor=2, mode="bilinear").shape
        (1, 3, 8, 8)

    Reference:   torch.nn.functional.interpolate
    """
    tensor, rank, _ = spatial_operand("interpolate", as_tensor(x), 1, channels_last)
    _check_mode(mode, rank, align_corners, np.shape(x))
    counts, factors = _lengths(size, scale_factor, tensor.shape[2:])
    if recompute_scale_factor or factors is None:
        factors = (None,) * rank
    if mode == "area":
        result = adaptive_average_pool(tensor, counts)
        return cnp.moveaxis(result, 1, -1) if channels_last else result
    result = resized(tensor, counts, factors, mode, align_corners)
    return cnp.moveaxis(result, 1, -1) if channels_last else result


def resized(
    x: LazyTensor, lengths: Sequence[int], factors: Sequence[float | None], mode: str, align_corners: bool
) -> LazyTensor:
    """Return x (n, channels, ...) with these spatial lengths; a factor is what torch divides positions by, None the quotient of lengths."""
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    for place, (count, factor) in enumerate(zip(lengths, factors, strict=True), start=2):
        length = x.shape[place]
        axis = _Axis(length, count, _step(length, count, factor, align_corners), align_corners, dtype)
        x = _resampled(x, place, axis, mode)
    return x


def _check_mode(mode: str, rank: int, align_corners: bool, shape: Shape) -> None:
    if mode not in _MODES:
        raise ParameterError(
            f"interpolate: mode={mode!r} was given; expected one of {', '.join(_MODES)}; pass one of these"
        )
    if _RANK_OF_MODE.get(mode, rank) != rank:
        raise ShapeError(
            f"interpolate: mode={mode!r} was given for x with shape {shape} and {rank} spatial axes; expected {_RANK_OF_MODE[mode]} spatial"
            ' axes; pass "linear" for one, "bilinear" for two, "trilinear" for three'
        )
    if align_corners and mode not in _RANK_OF_MODE:
        raise ParameterError(
            f"interpolate: align_corners=True was given for mode={mode!r}; expected one of {', '.join(_RANK_OF_MODE)}; pass False"
        )


def _lengths(size: Any, scale_factor: Any, lengths: Shape) -> tuple[Shape, tuple[float | None, ...] | None]:
    """Return the lengths of the result, and the factors that were given."""
    rank = len(lengths)
    if (size is None) == (scale_factor is None):
        raise ParameterError(
            f"interpolate: size={size!r} and scale_factor={scale_factor!r} were given; expected one of them; pass the other as None"
        )
    if size is not None:
        return per_axis("interpolate", "size", size, rank), None
    factors = tuple(map(float, np.broadcast_to(scale_factor, (rank,)))) if np.size(scale_factor) in (1, rank) else ()
    counts = tuple(math.floor(length * factor) for length, factor in zip(lengths, factors, strict=False))
    if not factors or min(counts) < 1:
        raise ParameterError(
            f"interpolate: scale_factor={scale_factor!r} was given for spatial lengths {lengths}; expected a number, or one for each axis,"
            " that leaves at least one element; pass a larger one"
        )
    return counts, factors


def _step(length: int, count: int, factor: float | None, align_corners: bool) -> float:
    if align_corners:
        return (length - 1) / (count - 1) if count > 1 else 0.0
    return length / count if factor is None else 1.0 / factor


def _resampled(x: LazyTensor, place: int, axis: _Axis, mode: str) -> LazyTensor:
    if mode in ("nearest", "nearest-exact"):
        half = axis.dtype.type(0.5 if mode == "nearest-exact" else 0)
        numbers = np.arange(axis.count, dtype=axis.dtype) + half
        chosen = np.floor(numbers * axis.dtype.type(axis.step)).astype(np.int64)
        return cnp.take(x, np.minimum(chosen, axis.length - 1), place)
    taps = _cubic_taps(axis) if mode == "bicubic" else _linear_taps(axis)
    total = None
    for chosen, weights in taps:
        shaped = weights.reshape(-1, *[1] * (x.ndim - 1 - place))
        part = cnp.take(x, chosen, place) * shaped
        total = part if total is None else total + part
    assert total is not None, "an interpolation has neighbours"
    return total


def _linear_taps(axis: _Axis) -> list[tuple[Array, Array]]:
    """Return the two neighbours of each position, and their weights."""
    places = np.maximum(axis.places(), axis.dtype.type(0))
    first = np.minimum(np.floor(places).astype(np.int64), axis.length - 1)
    second = np.minimum(first + 1, axis.length - 1)
    weight = np.clip(places - first.astype(axis.dtype), 0, 1)
    return [(first, 1 - weight), (second, weight)]


def _cubic_taps(axis: _Axis) -> list[tuple[Array, Array]]:
    """Return the four neighbours of each position, those beyond the ends being the last elements, and their weights."""
    places = axis.places()
    first = np.floor(places)
    numbers = first.astype(np.int64)
    return [
        (np.clip(numbers + tap - 1, 0, axis.length - 1), weight)
        for tap, weight in enumerate(cubic_weights(places - first))
    ]


def cubic_weights(t: Any) -> list[Any]:
    """Return the weights of the four neighbours of positions that lie t behind the second, for arrays or tensors."""

    def near(d: Any) -> Any:
        return ((_CUBIC + 2) * d - (_CUBIC + 3)) * d * d + 1

    def far(d: Any) -> Any:
        return ((_CUBIC * d - 5 * _CUBIC) * d + 8 * _CUBIC) * d - 4 * _CUBIC

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def antialiased(
    x: LazyTensor, lengths: Sequence[int], factors: Sequence[float | None], mode: str, align_corners: bool
) -> LazyTensor:
    """Return x (n, channels, ...) resized with filters that widen where x shrinks; modes "bilinear" and "bicubic".

    Each axis is a product with one matrix of weights.
    Reference:  torch.nn.functional.interpolate with antialias=True
    """
    for place, (count, factor) in enumerate(zip(lengths, factors, strict=True), start=2):
        step = _step(x.shape[place], count, factor, align_corners)
        matrix = _filter_matrix(x.shape[place], count, step, mode).astype(
            x.dtype if x.dtype.kind == "f" else np.float64
        )
        x = cnp.moveaxis(cnp.matmul(cnp.moveaxis(x, place, -1), matrix), -1, place)
    return x


def _filter_matrix(length: int, count: int, step: float, mode: str) -> Array:
    """Return weights (length, count): a filter around the centre of each position, with the sum 1."""
    reach, shape = (1.0, _triangle) if mode == "bilinear" else (2.0, _antialiasing_cubic)
    width = max(step, 1.0)
    centre = step * (np.arange(count) + 0.5)
    first = np.maximum((centre - reach * width + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + reach * width + 0.5).astype(np.int64), length)
    numbers = np.arange(length)[:, None]
    weights = np.where((numbers >= first) & (numbers < last), shape((numbers - centre + 0.5) / width), 0.0)
    total = weights.sum(axis=0)
    return np.asarray(weights / np.where(total == 0, 1, total))


def _triangle(distance: Array) -> Array:
    return np.asarray(np.maximum(1 - np.abs(distance), 0))


def _antialiasing_cubic(distance: Array) -> Array:
    # Keys' kernel with -0.5, as in Pillow.
    d = np.abs(distance)
    near, far = (1.5 * d - 2.5) * d * d + 1, ((-0.5 * d + 2.5) * d - 4) * d + 2
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))
