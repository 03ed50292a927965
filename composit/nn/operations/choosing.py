"""Elements by index and by mask along an axis, as torch has them: gather, scatter, scatter_add, masked_fill, top_k."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import composit.numpy as cnp
from composit.apply import apply
from composit.errors import DtypeError, ParameterError, ShapeError
from composit.handle import described
from composit.nn.arguments import integral
from composit.numpy.arguments.normalizing import AxisLike, TensorLike, handle_of, normalize_axis
from composit.numpy.indexing.advanced_indices import check_bounds, known_integers
from composit.numpy.indexing.taking import TakeAlongAxisAdjoint
from composit.operation import Shape

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["gather", "masked_fill", "scatter", "scatter_add", "top_k"]


def gather(x: TensorLike, indices: TensorLike, axis: AxisLike) -> LazyTensor:
    """Return elements of x along an axis: result[i, j] = x[indices[i, j], j] for axis 0.

    Shapes:      indices are no longer than x along other axes -> the shape of the indices
    Dtype:       that of x
    Derivative:  by x: g added at these places
    Raises:      ShapeError: the indices do not fit; DtypeError: they are no integers; OutOfBoundsError; AxisError
    Reference:   torch.gather
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(gather([[1, 2], [3, 4]], [[0, 0], [1, 0]], axis=1))
        array([[1, 1],
               [4, 3]])
    """
    tensor, places = handle_of(x), integral("gather", indices, "indices")
    position = normalize_axis(axis, tensor.ndim)
    _check_places("gather", places, tensor, position)
    return cnp.take_along_axis(_as_long_as(tensor, places.shape, position), places, position)


def _check_places(function: str, places: LazyTensor, x: LazyTensor, axis: int) -> None:
    fits = places.ndim == x.ndim and all(
        one <= other for place, (one, other) in enumerate(zip(places.shape, x.shape, strict=True)) if place != axis
    )
    if not fits:
        raise ShapeError(
            f"{function}: indices have shape {places.shape} for x with shape {x.shape}; expected as many axes, no longer than"
            f" those of x but for axis {axis}; expand_dims or broadcast_to them first"
        )
    check_bounds(known_integers(places), axis, x.shape[axis])


def _as_long_as(x: LazyTensor, shape: Shape, axis: int) -> LazyTensor:
    """Return the first elements of x, as many as a shape has along all axes but one."""
    parts = tuple(slice(None) if place == axis else slice(length) for place, length in enumerate(shape))
    return x if x.shape == (*shape[:axis], x.shape[axis], *shape[axis + 1 :]) else x[parts]


def _source_for(function: str, source: TensorLike, places: LazyTensor, x: LazyTensor) -> LazyTensor:
    """Return as much of the source as there are indices, in the dtype of x; a number for all."""
    tensor = handle_of(source)
    if not np.can_cast(tensor.dtype, x.dtype, "same_kind") and not tensor.type.weak:
        raise DtypeError(
            f"{function}: source is {described(tensor)} with dtype {tensor.dtype}; expected what fits {x.dtype}, the dtype of x;"
            " convert one of them with astype first"
        )
    if not tensor.ndim:
        return cnp.broadcast_to(tensor.astype(x.dtype), places.shape)
    if tensor.ndim != places.ndim or any(one > other for one, other in zip(places.shape, tensor.shape, strict=True)):
        raise ShapeError(
            f"{function}: source has shape {tensor.shape} for indices with shape {places.shape}; expected at least as many"
            " elements along each axis; broadcast_to it first"
        )
    part: LazyTensor = tensor[tuple(slice(length) for length in places.shape)].astype(x.dtype)
    return part


def scatter(x: TensorLike, indices: TensorLike, source: TensorLike, axis: AxisLike) -> LazyTensor:
    """Return x with elements replaced along an axis: result[indices[i, j], j] = source[i, j] for axis 0. x stays as it is.

    source: an array, or a number for all; where two indices are equal, the last one counts

    Shapes:      indices are no longer than x along other axes, and than the source along all -> the shape of x
    Dtype:       that of x
    Derivative:  by x: g, 0 at these places; by the source: g at these places
    Raises:      ShapeError: shapes do not fit; DtypeError; OutOfBoundsError; AxisError
    Reference:   torch.scatter
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(scatter([[1, 2], [3, 4]], [[1], [0]], 9, axis=1))
        array([[1, 9],
               [9, 4]])
    """
    tensor, places = handle_of(x), integral("scatter", indices, "indices")
    position = normalize_axis(axis, tensor.ndim)
    _check_places("scatter", places, tensor, position)
    values = _source_for("scatter", source, places, tensor)
    result = cnp.array(tensor)
    if places.size:
        grid: list[TensorLike] = list(np.ogrid[tuple(slice(length) for length in places.shape)])
        grid[position] = places
        result[tuple(grid)] = values
    return result


def scatter_add(x: TensorLike, indices: TensorLike, source: TensorLike, axis: AxisLike) -> LazyTensor:
    """Return x with elements added along an axis: result[indices[i, j], j] += source[i, j] for axis 0, once for each index.

    Shapes:      as for `scatter`
    Dtype:       that of x
    Derivative:  by x: g; by the source: g at these places
    Raises:      ShapeError: shapes do not fit; DtypeError; OutOfBoundsError; AxisError
    Reference:   torch.scatter_add
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(scatter_add([1.0, 2.0], [0, 0, 1], [10.0, 20.0, 30.0], axis=0))
        array([31., 32.])
    """
    tensor, places = handle_of(x), integral("scatter_add", indices, "indices")
    position = normalize_axis(axis, tensor.ndim)
    _check_places("scatter_add", places, tensor, position)
    values = _source_for("scatter_add", source, places, tensor)
    shape = (*places.shape[:position], tensor.shape[position], *places.shape[position + 1 :])
    added = apply(TakeAlongAxisAdjoint(position, shape), values, places)
    missing = [(0, long - short) for long, short in zip(tensor.shape, shape, strict=True)]
    return tensor + (cnp.pad(added, missing) if any(sum(pair) for pair in missing) else added)


def masked_fill(x: TensorLike, mask: TensorLike, value: TensorLike) -> LazyTensor:
    """Return x with the value where the mask is true; both broadcast.

    Dtype:       that of x
    Derivative:  by x: g where the mask is false; by the value: the sum of g where it is true
    Raises:      DtypeError: the mask holds no booleans; ShapeError: the value is no number
    Reference:   torch.masked_fill
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(masked_fill([1.0, 2.0], [True, False], -np.inf))
        array([-inf,   2.])
    """
    tensor, hidden, filling = handle_of(x), handle_of(mask), handle_of(value)
    if hidden.dtype != np.bool:
        raise DtypeError(
            f"masked_fill: mask is {described(hidden)} with dtype {hidden.dtype}; expected booleans; compare it, as in mask != 0"
        )
    if filling.size != 1:
        raise ShapeError(
            f"masked_fill: value has shape {filling.shape}; expected a number; use where for an array of values"
        )
    return cnp.where(hidden, cnp.reshape(filling, ()).astype(tensor.dtype), tensor)


def top_k(x: TensorLike, k: int, axis: AxisLike = -1, *, largest: bool = True) -> tuple[LazyTensor, LazyTensor]:
    """Return the k largest elements along an axis, the largest first, and their positions.

    largest: False returns the smallest. NaN counts as the largest; of equal elements the first come first

    Shapes:      (..., n) -> (..., k) twice
    Dtype:       that of x, and int64
    Derivative:  of the elements by x: g at their positions
    Raises:      ParameterError: there are no k elements; AxisError
    Reference:   torch.topk
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(top_k([1.0, 3.0, 2.0], 2))
        (array([3., 2.]), array([1, 2]))
    """
    tensor = handle_of(x)
    position = normalize_axis(axis, tensor.ndim)
    length = tensor.shape[position]
    if not 0 <= k <= length:
        raise ParameterError(
            f"top_k: k={k} was given for axis {position} of x with shape {tensor.shape}; expected 0 to {length}"
        )
    first = tuple(slice(k) if place == position else slice(None) for place in range(tensor.ndim))
    if largest:
        # In reversed order the last of equal elements comes first; reversing the sorted positions undoes it.
        backwards = cnp.argsort(cnp.flip(tensor, position), axis=position, stable=True)
        places = (length - 1 - cnp.flip(backwards, position))[first]
    else:
        places = cnp.argsort(tensor, axis=position, stable=True)[first]
    return cnp.take_along_axis(tensor, places, position), places
