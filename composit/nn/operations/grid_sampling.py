"""grid_sample and affine_grid: values of x at positions that are data, differentiable in both.

Positions count from -1 to 1 along each axis, the last spatial axis first. Neighbours are taken from x with their places
flattened.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.apply import as_tensor
from composit.errors import ParameterError, ShapeError
from composit.nn.gradient_flow import stop_gradient
from composit.nn.operations.interpolation import cubic_weights
from composit.nn.operations.spatial import per_axis
from composit.numpy.tensor.lazy_tensor import LazyTensor
from composit.operation import Shape

__all__ = ["affine_grid", "grid_sample"]

# Any, in arguments: tensors, arrays, and objects with __lazy_tensor__.

_MODES = ("bilinear", "nearest", "bicubic")
_PADDING_MODES = ("zeros", "border", "reflection")


def grid_sample(
    x: Any, grid: Any, *, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool = False
) -> LazyTensor:
    """Return the values of x at the positions of a grid.

    grid:          positions from -1 to 1, for each the last spatial axis first: (x, y) or (x, y, z)
    mode:          "bilinear" (for three axes: trilinear), "nearest", or "bicubic" for two axes
    padding_mode:  what lies beyond x: "zeros", the last elements ("border"), or x reflected ("reflection")
    align_corners: whether -1 and 1 are the centres of the first and last elements, instead of their outer borders

    Shapes:      (n, channels, *lengths), (n, *positions, axes) -> (n, channels, *positions)
    Raises:      ShapeError: shapes that do not fit each other; ParameterError: another mode
    Example:
        >>> grid_sample(cnp.ones((1, 3, 4, 4)), cnp.zeros((1, 5, 6, 2))).shape
        (1, 3, 5, 6)

    Reference:   torch.nn.functional.grid_sample
    """
    tensor, places = as_tensor(x), as_tensor(grid)
    rank = tensor.ndim - 2
    fits = rank in (2, 3) and places.ndim == tensor.ndim
    if not fits or (places.shape[0], places.shape[-1]) != (tensor.shape[0], rank):
        raise ShapeError(
            f"grid_sample: got x with shape {tensor.shape} and grid with shape {places.shape}; expected x with two or three spatial axes"
            " and a grid (n, *positions, axes) for the same batch; reshape the grid"
        )
    if mode not in _MODES or padding_mode not in _PADDING_MODES or (mode == "bicubic" and rank == 3):
        raise ParameterError(
            f"grid_sample: mode={mode!r} and padding_mode={padding_mode!r} were given for {rank} spatial axes; expected one of"
            f" {', '.join(_MODES)} (bicubic for two axes only) and one of {', '.join(_PADDING_MODES)}; pass other modes"
        )
    lengths, positions = tensor.shape[2:], places.shape[1:-1]
    flat = cnp.reshape(tensor, (*tensor.shape[:2], math.prod(lengths)))
    count = math.prod(positions)
    # The last number of a position belongs to the first axis.
    by_axis = [
        _in_elements(cnp.reshape(places[..., rank - 1 - axis], (places.shape[0], count)), length, align_corners)
        for axis, length in enumerate(lengths)
    ]
    sampler = {"bilinear": _linear_neighbours, "nearest": _nearest_neighbour, "bicubic": _cubic_neighbours}[mode]
    neighbours = [
        sampler(place, length, padding_mode, align_corners) for place, length in zip(by_axis, lengths, strict=True)
    ]
    return cnp.reshape(_sum_of(flat, lengths, neighbours), (*tensor.shape[:2], *positions))


_Neighbour = tuple[LazyTensor, LazyTensor | None, LazyTensor | None]
"""The numbers of elements along one axis, their weights, and which of them exist; None for weights of 1, and for all."""


def _sum_of(flat: LazyTensor, lengths: Shape, neighbours: Sequence[Sequence[_Neighbour]]) -> LazyTensor:
    """Return the sum over all combinations of neighbours along the axes, each with the product of its weights."""
    total = None
    for chosen in product(*neighbours):
        place, weight, exists = None, None, None
        for (numbers, factor, is_inside), length in zip(chosen, lengths, strict=True):
            place = numbers if place is None else place * length + numbers
            if factor is not None:
                weight = factor if weight is None else weight * factor
            if is_inside is not None:
                exists = is_inside if exists is None else exists & is_inside
        assert place is not None, "there are spatial axes"
        part = cnp.take_along_axis(flat, cnp.expand_dims(place, 1), 2)
        # In this order, as in torch: the weights of positions that are no numbers make the result NaN.
        if exists is not None:
            part = cnp.where(cnp.expand_dims(exists, 1), part, 0)
        if weight is not None:
            part = part * cnp.expand_dims(weight, 1)
        total = part if total is None else total + part
    assert total is not None, "a position has neighbours"
    return total


def _in_elements(place: LazyTensor, length: int, align_corners: bool) -> LazyTensor:
    """Return positions from -1 to 1 counted in elements."""
    if align_corners:
        return (place + 1) * ((length - 1) / 2)
    return ((place + 1) * length - 1) / 2


def _inside(place: LazyTensor, length: int, padding_mode: str, align_corners: bool) -> LazyTensor:
    """Return positions within x: those beyond it at its border, or reflected; as they are where zeros lie there."""
    if padding_mode == "zeros":
        return place
    if padding_mode == "reflection":
        low, high = (0.0, length - 1.0) if align_corners else (-0.5, length - 0.5)
        place = _reflected(place, low, high)
    # As in torch, a place on the border itself has no gradient, where clip shares it.
    is_between = (place > 0) & (place < length - 1)
    # NaN is taken for the first place.
    bounded = cnp.clip(cnp.where(cnp.isnan(place), 0, place), 0, length - 1)
    return cnp.where(is_between, place, stop_gradient(bounded))


def _reflected(place: LazyTensor, low: float, high: float) -> LazyTensor:
    span = high - low
    if not span:
        return place * 0
    moved = abs(place - low)
    turns = cnp.floor(moved / span)
    rest = moved - turns * span
    return cnp.where(turns % 2 == 0, rest + low, high - rest)


def _taken(numbers: LazyTensor, length: int, padding_mode: str, weight: LazyTensor | None) -> _Neighbour:
    """Return elements along an axis as places that exist, and which do where zeros lie beyond x."""
    # NaN has no place; its weight is NaN as well.
    whole = cnp.astype(cnp.clip(cnp.where(cnp.isnan(numbers), 0, numbers), 0, length - 1), np.int64)
    return whole, weight, (numbers >= 0) & (numbers <= length - 1) if padding_mode == "zeros" else None


def _linear_neighbours(place: LazyTensor, length: int, padding_mode: str, align_corners: bool) -> list[_Neighbour]:
    inside = _inside(place, length, padding_mode, align_corners)
    first = cnp.floor(inside)
    rest = inside - first
    return [
        _taken(first, length, padding_mode, 1 - rest),
        _taken(first + 1, length, padding_mode, rest),
    ]


def _nearest_neighbour(place: LazyTensor, length: int, padding_mode: str, align_corners: bool) -> list[_Neighbour]:
    # Halves go to the even element, as in torch.
    nearest = cnp.rint(_inside(place, length, padding_mode, align_corners))
    return [_taken(nearest, length, padding_mode, None)]


def _cubic_neighbours(place: LazyTensor, length: int, padding_mode: str, align_corners: bool) -> list[_Neighbour]:
    first = cnp.floor(place)
    # Each neighbour is moved into x by itself.
    return [
        _taken(_inside(first + (tap - 1), length, padding_mode, align_corners), length, padding_mode, weight)
        for tap, weight in enumerate(cubic_weights(place - first))
    ]


def affine_grid(theta: Any, size: Sequence[int], *, align_corners: bool = False) -> LazyTensor:
    """Return a grid for `grid_sample` that moves x by affine maps.

    theta: one matrix for each row of the batch: the map, and behind it the offset
    size:  the shape of grid_sample's result

    Shapes:      (n, axes, axes + 1), size (n, channels, *positions) -> (n, *positions, axes)
    Raises:      ShapeError: theta does not fit the size
    Example:
        >>> affine_grid(cnp.ones((1, 2, 3)), (1, 3, 5, 6)).shape
        (1, 5, 6, 2)

    Reference:   torch.nn.functional.affine_grid
    """
    matrix, rank = as_tensor(theta), len(size) - 2
    if rank not in (2, 3) or matrix.shape != (size[0], rank, rank + 1):
        raise ShapeError(
            f"affine_grid: got theta with shape {matrix.shape} and size {tuple(size)}; expected theta (n, axes, axes + 1) for a size"
            " (n, channels, *positions) of two or three axes; pass one matrix for each row of the batch"
        )
    positions = per_axis("affine_grid", "size", tuple(size)[2:], rank)
    dtype = matrix.dtype if matrix.dtype.kind == "f" else np.dtype(np.float64)
    base = np.ones((*positions, rank + 1), dtype)
    for axis, count in enumerate(positions):
        places = np.linspace(-1, 1, count, dtype=dtype) if count > 1 else np.zeros(1, dtype)
        if not align_corners:
            places = places * dtype.type((count - 1) / count)
        base[..., rank - 1 - axis] = places.reshape(-1, *[1] * (rank - 1 - axis))
    flat = base.reshape(1, math.prod(positions), rank + 1)
    return cnp.reshape(cnp.matmul(flat, cnp.swapaxes(matrix, 1, 2)), (size[0], *positions, rank))
