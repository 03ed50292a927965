"""flip, roll, rot90, tile, repeat, append and resize, composed of operations defined elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from composit.errors import NoRuleError, ParameterError, ShapeError
from composit.handle import described
from composit.numpy.arguments.normalizing import (
    AxesLike,
    AxisLike,
    TensorLike,
    as_tuple,
    handle_of,
    new_handle,
    normalize_axes,
    normalize_axis,
    whole,
)
from composit.numpy.calls.declarations import rule_for
from composit.numpy.elementwise.casting import in_dtype
from composit.numpy.indexing.taking import take
from composit.numpy.manipulation.broadcasting import broadcast_to
from composit.numpy.manipulation.joining import concatenate
from composit.numpy.manipulation.reshaping import expand_dims, ravel, reshape, transpose
from composit.numpy.views.layout import in_c_order

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "append",
    "flip",
    "fliplr",
    "flipud",
    "repeat",
    "resize",
    "roll",
    "rot90",
    "tile",
]


@rule_for(np.flip)
def flip(m: TensorLike, axis: AxesLike | None = None) -> LazyTensor:
    """Return the elements in reverse order along axes, by default all. See np.flip."""
    tensor = handle_of(m)
    axes = range(tensor.ndim) if axis is None else normalize_axes(axis, tensor.ndim)
    flipped: LazyTensor = tensor[
        tuple(slice(None, None, -1) if position in axes else slice(None) for position in range(tensor.ndim))
    ]
    return flipped


@rule_for(np.flipud)
def flipud(m: TensorLike) -> LazyTensor:
    """Return the rows in reverse order. See np.flipud."""
    return _flip_from(m, 0, 1, "flipud")


@rule_for(np.fliplr)
def fliplr(m: TensorLike) -> LazyTensor:
    """Return the columns in reverse order. See np.fliplr."""
    return _flip_from(m, 1, 2, "fliplr")


def _flip_from(m: TensorLike, axis: int, least: int, function: str) -> LazyTensor:
    tensor = handle_of(m)
    if tensor.ndim < least:
        raise ShapeError(
            f"Input must be >= {least}-d.: {function} was given shape {tensor.shape}; it reverses axis {axis}"
        )
    return flip(tensor, axis)


@rule_for(np.roll)
def roll(a: TensorLike, shift: Any, axis: AxesLike | None = None) -> LazyTensor:
    """Return the elements shifted along axes; those shifted beyond the end reappear at the start. See np.roll."""
    tensor = handle_of(a)
    if axis is None:
        return new_handle(reshape(_roll_along(ravel(tensor), whole(shift), 0), tensor.shape))
    moves = np.broadcast(shift, np.asarray(as_tuple(axis)))
    if moves.ndim > 1:
        raise NoRuleError("roll: shifts or axes in more than one row")
    for distance, position in moves:
        tensor = _roll_along(tensor, int(distance), normalize_axis(position, tensor.ndim))
    return new_handle(tensor)


def _roll_along(tensor: LazyTensor, distance: int, axis: int) -> LazyTensor:
    length = tensor.shape[axis]
    cut = -distance % length if length else 0
    if not cut:
        return tensor
    before = (slice(None),) * axis
    parts = [tensor[(*before, slice(cut, None))], tensor[(*before, slice(None, cut))]]
    return concatenate(parts, axis, dtype=tensor.dtype)


@rule_for(np.rot90)
def rot90(m: TensorLike, k: int = 1, axes: AxesLike = (0, 1)) -> LazyTensor:
    """Return the tensor turned by 90 degrees k times in the plane of two axes. See np.rot90."""
    tensor = handle_of(m)
    plane = normalize_axes(axes, tensor.ndim, "axes")
    if len(plane) != 2:
        raise ShapeError(f"len(axes) must be 2.: rot90 was given axes {axes}; two axes make a plane")
    order = list(range(tensor.ndim))
    order[plane[0]], order[plane[1]] = order[plane[1]], order[plane[0]]
    turns = k % 4
    if turns in (0, 2):
        return flip(tensor, plane) if turns else tensor[...]
    return transpose(flip(tensor, plane[1]), order) if turns == 1 else flip(transpose(tensor, order), plane[1])


@rule_for(np.tile)
def tile(A: TensorLike, reps: Any) -> LazyTensor:
    """Return copies of the whole tensor, side by side along axes. See np.tile."""
    tensor = handle_of(A)
    counts = tuple(whole(count) for count in np.atleast_1d(np.asarray(reps)).tolist())
    ndim = max(tensor.ndim, len(counts))
    shape = (1,) * (ndim - tensor.ndim) + tensor.shape
    counts = (1,) * (ndim - len(counts)) + counts
    # Tiling shape (a, b) by (m, n): broadcast (1, a, 1, b) to (m, a, n, b), then merge to (m a, n b).
    split = reshape(tensor, tuple(part for length in shape for part in (1, length)))
    spread = broadcast_to(split, tuple(part for pair in zip(counts, shape, strict=True) for part in pair))
    result = reshape(spread, tuple(count * length for count, length in zip(counts, shape, strict=True)))
    return new_handle(result) if all(count == 1 for count in counts) else in_c_order(result)


@rule_for(np.repeat)
def repeat(a: TensorLike, repeats: Any, axis: AxisLike | None = None) -> LazyTensor:
    """Return each element repeated in place. See np.repeat. A tensor of counts is evaluated: it decides the shape."""
    tensor = handle_of(a)
    if axis is None or not tensor.ndim:
        # numpy takes axis 0 and -1 of a scalar.
        tensor, axis = ravel(tensor), normalize_axis(0 if axis is None else axis, 1)
    position = normalize_axis(axis, tensor.ndim)
    length = tensor.shape[position]
    counts = np.asarray(repeats)
    if counts.dtype.kind not in "biu":
        raise NoRuleError("repeat: counts that are no integers")
    if counts.ndim > 1 or (counts.size not in (1, length)):
        raise ShapeError(
            f"operands could not be broadcast together with shape {(length,)} {counts.shape}: repeat takes one count,"
            f" or one for each of the {length} elements along axis {position}"
        )
    if counts.size and counts.min() < 0:
        raise ParameterError(
            f"negative dimensions are not allowed: repeat was given {described(repeats)}; use counts of 0 or more"
        )
    if counts.size != 1:
        return take(tensor, np.repeat(np.arange(length), counts), position)
    count = int(counts.reshape(())) if counts.ndim == 0 else int(counts[0])
    before, after = tensor.shape[:position], tensor.shape[position + 1 :]
    spread = broadcast_to(expand_dims(tensor, position + 1), (*before, length, count, *after))
    return in_c_order(reshape(spread, (*before, length * count, *after)))


@rule_for(np.append)
def append(arr: TensorLike, values: TensorLike, axis: AxisLike | None = None) -> LazyTensor:
    """Return the values joined to the end of a tensor. See np.append."""
    if axis is None:
        return concatenate([ravel(handle_of(arr)), ravel(handle_of(values))])
    return concatenate([arr, values], axis)


@rule_for(np.resize)
def resize(a: TensorLike, new_shape: Any) -> LazyTensor:
    """Return the elements, repeated as often as needed, in a new shape. See np.resize."""
    shape = tuple(np.atleast_1d(np.asarray(new_shape)).tolist())
    if not all(type(length) is int for length in shape):
        raise NoRuleError(f"resize: {new_shape!r:.40} holds no integers")
    if any(length < 0 for length in shape):
        raise ShapeError(
            f"all elements of `new_shape` must be non-negative: resize was given {shape}; use lengths of 0 or more"
        )
    flat = ravel(handle_of(a))
    size = int(np.prod(shape))
    if not flat.size:
        if flat.dtype.kind not in "biufc":
            raise NoRuleError("resize: no elements, and none that is zero")
        return in_c_order(broadcast_to(flat.dtype.type(0), shape))
    # np.resize concatenates, which converts to the machine's byte order.
    native = in_dtype(flat, flat.dtype.newbyteorder("="))
    return new_handle(reshape(tile(native, -(-size // flat.size))[:size], shape))
