"""transpose, reshape, expand_dims, squeeze and kin: axes move, merge, split or are added; elements stay.

Elsewhere: broadcast_to in broadcasting.py, concatenate and split in joining.py, pad, flip, roll and tile in
composit/numpy/rearranging.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.errors import AxisError, NoRuleError, ShapeError
from composit.handle import described, new_tensor
from composit.numpy.arguments.normalizing import (
    AxesLike,
    AxisLike,
    ShapeLike,
    TensorLike,
    as_tuple,
    handle_of,
    named_order,
    new_handle,
    normalize_axes,
    normalize_axis,
    resolve_shape,
    whole,
)
from composit.numpy.calls.declarations import rule_for
from composit.numpy.views.layout import axes_in_memory, flags_of, shares_memory
from composit.operation import Array, Axes, Operation, OperationKind, Shape, TensorType, VjpContext, tensor_type
from composit.source import find_source
from composit.storage import mark_view, root_of, steps_of

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "expand_dims",
    "matrix_transpose",
    "moveaxis",
    "permute_dims",
    "ravel",
    "reshape",
    "rollaxis",
    "squeeze",
    "swapaxes",
    "transpose",
]


def _moved(operand: TensorType, shape: Shape) -> tuple[TensorType]:
    # A numpy scalar stays one; a Python scalar becomes a rank-0 array.
    return (tensor_type(shape, operand.dtype, operand.is_scalar and operand.weak is None and not shape),)


@dataclass(frozen=True, slots=True)
class Transpose(Operation):
    """The same elements with axes in another order.

    Derivative:  the inverse permutation of g
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.transpose.html
    """

    axes: Axes
    is_view = True
    kind = OperationKind.MOVEMENT

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        shape = operand_types[0].shape
        return _moved(operand_types[0], tuple([shape[axis] for axis in self.axes]))

    def evaluate(self, *operands: Array) -> Array:
        return np.transpose(operands[0], self.axes)

    def then(self, following: Operation) -> Operation | None:
        # (x.transpose(a)).transpose(b) -> x.transpose(a[b])
        if not isinstance(following, Transpose):
            return None
        return Transpose(tuple([self.axes[axis] for axis in following.axes]))

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        inverse = tuple(sorted(range(len(self.axes)), key=self.axes.__getitem__))
        return [context.xp.transpose(context.cotangents[0], inverse)]


@dataclass(frozen=True, slots=True)
class Reshape(Operation):
    """The same elements, in C order, in another shape.

    Derivative:  g in the operand's shape
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.reshape.html
    """

    shape: Shape
    is_view = True
    depends_on_layout = True
    kind = OperationKind.MOVEMENT

    @property
    def aliases(self) -> tuple[str, ...]:
        return ("flatten",)

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        resolve_shape(self.shape, operand_types[0].shape)
        return _moved(operand_types[0], self.shape)

    def evaluate(self, *operands: Array) -> Array:
        return np.reshape(operands[0], self.shape)

    def view_without_copy(self, array: Array) -> Array | None:
        try:
            return array.reshape(self.shape, copy=False)
        except ValueError:
            return None

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp = context.xp
        return [xp.reshape(context.cotangents[0], xp.shape(context.operands[0]))]


@dataclass(frozen=True, slots=True)
class Ravel(Reshape):
    """A reshape to one axis that is a view only of a C-contiguous array; reshape finds views of others, too.

    Derivative:  as that of `Reshape`
    Reference:   numpy.ravel
    """

    def view_without_copy(self, array: Array) -> Array | None:
        return array.reshape(self.shape) if array.flags.c_contiguous else None


@dataclass(frozen=True, slots=True)
class ExpandDims(Operation):
    """The same elements with axes of length 1 inserted; `axes` are positions in the result, ascending.

    Derivative:  g without these axes
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.expand_dims.html
    """

    axes: Axes
    is_view = True
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "expand_dims"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        lengths = iter(operand_types[0].shape)
        ndim = operand_types[0].ndim + len(self.axes)
        shape = tuple([1 if axis in self.axes else next(lengths) for axis in range(ndim)])
        return (tensor_type(shape, operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return np.expand_dims(operands[0], self.axes)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [context.xp.squeeze(context.cotangents[0], self.axes)]


@dataclass(frozen=True, slots=True)
class Squeeze(Operation):
    """The same elements without some axes of length 1; `axes` ascend.

    Derivative:  g with these axes put back
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.squeeze.html
    """

    axes: Axes
    is_view = True
    kind = OperationKind.MOVEMENT

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        shape = operand_types[0].shape
        if any(shape[axis] != 1 for axis in self.axes):
            raise ShapeError(
                f"cannot select an axis to squeeze out which has size not equal to one: axes {self.axes} of shape"
                f" {shape}; name axes of length 1, or use reshape"
            )
        return _moved(operand_types[0], tuple([n for axis, n in enumerate(shape) if axis not in self.axes]))

    def evaluate(self, *operands: Array) -> Array:
        return np.squeeze(operands[0], self.axes)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [context.xp.expand_dims(context.cotangents[0], self.axes)]


# One cache serves all operations here, because each has one parameter, a tuple of integers.
@lru_cache(maxsize=8192)
def _planned(
    kind: Callable[[tuple[int, ...]], Operation], parameter: tuple[int, ...], operand: TensorType
) -> tuple[Operation, tuple[TensorType, ...]]:
    operation = kind(parameter)
    return operation, operation.result_types(operand)


def view_by(
    kind: Callable[[Any], Operation], parameter: tuple[int, ...], base: Any, given: TensorLike | None
) -> LazyTensor:
    """Return the node's tensor, marked as a view of `base` if the user gave a tensor: a write to one shows in both."""
    operation, types = _planned(kind, parameter, base.type)
    result = new_tensor(operation, (base._node or base.node, base._output_index), types, find_source())
    # A broadcast view is read-only even if `given` was an array or a number.
    if base is given or operation.is_read_only:
        mark_view(result, base)
    return result


@rule_for(np.transpose)
def transpose(a: TensorLike, axes: AxesLike | None = None) -> LazyTensor:
    """Return the tensor with its axes in the given order, by default reversed. See np.transpose."""
    tensor = handle_of(a)
    ndim = tensor.ndim
    if axes is None:
        order: Axes = tuple(range(ndim - 1, -1, -1))
    else:
        order = _permutation(axes, tensor.shape)
    return view_by(Transpose, order, tensor, a)


permute_dims = transpose


def _permutation(axes: AxesLike, shape: Shape) -> Axes:
    given = as_tuple(axes)
    ndim = len(shape)
    if len(given) != ndim:
        raise ShapeError(
            f"axes don't match array: transpose of shape {shape} was given axes {given}; each of the {ndim} axes must"
            " appear once"
        )
    order = tuple([normalize_axis(axis, ndim) for axis in given])
    if len(set(order)) != ndim:
        raise ShapeError(
            f"repeated axis in transpose: axes {given} is not a permutation of the {ndim} axes of shape {shape}; each"
            " axis must appear once"
        )
    return order


@rule_for(np.matrix_transpose)
def matrix_transpose(x: TensorLike, /) -> LazyTensor:
    """Return the tensor with its last two axes exchanged. See np.matrix_transpose."""
    tensor = handle_of(x)
    if tensor.ndim < 2:
        raise ShapeError(
            f"Input array must be at least 2-dimensional, but it is {tensor.ndim}: matrix_transpose exchanges the last"
            f" two axes and was given shape {tensor.shape}; use expand_dims first"
        )
    return swapaxes(x, -1, -2)


@rule_for(np.swapaxes)
def swapaxes(a: TensorLike, axis1: AxisLike, axis2: AxisLike) -> LazyTensor:
    """Return the tensor with two axes exchanged. See np.swapaxes."""
    tensor = handle_of(a)
    first = normalize_axis(axis1, tensor.ndim, "axis1")
    second = normalize_axis(axis2, tensor.ndim, "axis2")
    order = list(range(tensor.ndim))
    order[first], order[second] = second, first
    return view_by(Transpose, tuple(order), tensor, a)


@rule_for(np.moveaxis)
def moveaxis(a: TensorLike, source: AxesLike, destination: AxesLike) -> LazyTensor:
    """Return the tensor with some axes at new positions and the others in their old order. See np.moveaxis."""
    tensor = handle_of(a)
    origins = normalize_axes(source, tensor.ndim, "source")
    targets = normalize_axes(destination, tensor.ndim, "destination")
    if len(origins) != len(targets):
        raise ShapeError(
            "`source` and `destination` arguments must have the same number of elements: "
            f"{source} has {len(origins)}, {destination} has {len(targets)}; pair each axis with its new position"
        )
    order = [axis for axis in range(tensor.ndim) if axis not in origins]
    for target, origin in sorted(zip(targets, origins, strict=True)):
        order.insert(target, origin)
    return view_by(Transpose, tuple(order), tensor, a)


@rule_for(np.rollaxis)
def rollaxis(a: TensorLike, axis: AxisLike, start: AxisLike = 0) -> LazyTensor:
    """Return the tensor with one axis moved to before the position `start`. See np.rollaxis."""
    tensor = handle_of(a)
    ndim = tensor.ndim
    origin = normalize_axis(axis, ndim)
    place = whole(start)
    if not -ndim <= place <= ndim:
        raise AxisError(f"'start' arg requires {-ndim} <= start < {ndim + 1}, but {place} was passed in; use moveaxis")
    place += ndim if place < 0 else 0
    order = [other for other in range(ndim) if other != origin]
    order.insert(place - (1 if origin < place else 0), origin)
    return view_by(Transpose, tuple(order), tensor, a)


@rule_for(np.reshape)
def reshape(a: TensorLike, /, shape: ShapeLike, order: str = "C", *, copy: bool | None = None) -> LazyTensor:
    """Return the elements in another shape; one length may be -1. See np.reshape.

    Order "F" reads and writes with the first axis fastest; "A" does so if the elements lie in Fortran order.
    """
    tensor = handle_of(a)
    chosen = _resolved_order(order, tensor, "reshape")
    if copy:
        tensor = new_handle(tensor)
    if chosen == "C":
        result = view_by(Reshape, resolve_shape(shape, tensor.shape), tensor, None if copy else a)
    else:
        reversed_shape = resolve_shape(shape, tensor.shape)[::-1]
        result = transpose(reshape(transpose(tensor), reversed_shape))
    if copy is False:
        _check_shared(result)
    return new_handle(result) if copy else result


def _check_shared(view: Any) -> None:
    root = root_of(view)
    if root is not None and not shares_memory(root, steps_of(view)):
        raise ValueError(
            f"Unable to avoid creating a copy while reshaping.: {described(view)} of elements that lie in another order; leave out"
            " copy=False"
        )


@rule_for(np.ravel)
def ravel(a: TensorLike, order: str = "C") -> LazyTensor:
    """Return the elements along one axis. See np.ravel."""
    tensor = handle_of(a)
    if named_order(order, "C") == "K":
        return ravel(transpose(a, axes_in_memory(tensor)) if tensor.ndim > 1 else a)
    if _resolved_order(order, tensor, "ravel") == "F":
        return ravel(transpose(tensor))
    result = reshape(tensor, -1 if tensor.size else 0)
    if tensor is a and root_of(result) is not None:
        mark_view(result, tensor, Ravel(result.shape))
    return result


def _resolved_order(order: str, tensor: Any, function: str) -> str:
    """Return "C" or "F"; for "A" this depends on how the elements lie in memory."""
    name = named_order(order, "C")
    if name in "CF":
        return name
    if name == "K":
        raise NoRuleError(f"{function}: the order 'K', which numpy does not permit")
    flags = flags_of(tensor)
    return "F" if flags.f_contiguous and not flags.c_contiguous else "C"


@rule_for(np.expand_dims)
def expand_dims(a: TensorLike, axis: AxesLike) -> LazyTensor:
    """Return the tensor with axes of length 1 inserted at these positions of the result. See np.expand_dims."""
    tensor = handle_of(a)
    given = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
    positions = normalize_axes(given, tensor.ndim + len(given))
    return view_by(ExpandDims, tuple(sorted(positions)), tensor, a)


@rule_for(np.squeeze)
def squeeze(a: TensorLike, axis: AxesLike | None = None) -> LazyTensor:
    """Return the tensor without axes of length 1: those named, or all. See np.squeeze."""
    tensor = handle_of(a)
    if axis is None:
        axes = tuple(position for position, length in enumerate(tensor.shape) if length == 1)
    else:
        axes = _squeezed_axes(axis, tensor.ndim)
    return view_by(Squeeze, axes, tensor, a)


def _squeezed_axes(axis: AxesLike, ndim: int) -> Axes:
    given = axis if isinstance(axis, tuple) else (axis,)
    if not ndim and len(given) == 1:
        # numpy takes axis 0 and -1 of a scalar.
        normalize_axis(given[0], 1)
        return ()
    axes = tuple(sorted(normalize_axis(one, ndim) for one in given))
    if len(set(axes)) != len(axes):
        raise ShapeError(f"duplicate value in 'axis': squeeze was given {given} for {ndim} axes; each may appear once")
    return axes
