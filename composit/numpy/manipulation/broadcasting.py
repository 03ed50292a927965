"""Broadcasting: broadcast_to, broadcast_arrays, broadcast_shapes, meshgrid, and their operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import ParameterError, ShapeError
from composit.handle import TensorHandle
from composit.numpy.arguments.normalizing import (
    ShapeLike,
    TensorLike,
    as_tuple,
    handle_of,
    integer,
    new_handle,
    spell_shape,
)
from composit.numpy.arguments.normalizing import (
    broadcast_shapes as _broadcast_shapes,
)
from composit.numpy.calls.declarations import rule_for
from composit.numpy.manipulation.reshaping import reshape, view_by
from composit.numpy.views.layout import InOrder, in_c_order
from composit.operation import Array, Operation, OperationKind, Shape, TensorType, VjpContext, tensor_type
from composit.storage import mark_view

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["meshgrid", "broadcast_arrays", "broadcast_shapes", "broadcast_to"]


@dataclass(frozen=True, slots=True)
class BroadcastTo(Operation):
    """The elements repeated along new axes and axes of length 1.

    Derivative:  g; chain_rule sums it over the repeated axes
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.broadcast_to.html
    """

    shape: Shape
    is_view = True
    is_read_only = True
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "broadcast_to"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        old = operand_types[0].shape
        if any(length < 0 for length in self.shape):
            raise ShapeError(
                f"all elements of broadcast shape must be non-negative: {self.shape} was given for an array of shape"
                f" {old}; -1 has no meaning here, name the length"
            )
        _check_broadcast(old, self.shape)
        return (tensor_type(self.shape, operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return np.broadcast_to(operands[0], self.shape)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [context.cotangents[0]]


@dataclass(frozen=True, slots=True)
class WritableBroadcast(BroadcastTo):
    """The views that `broadcast_arrays` returns: as BroadcastTo, but writing to one only warns, as numpy still does.

    Derivative:  as that of `BroadcastTo`
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.broadcast_arrays.html
    """

    is_read_only = False
    warning_of_writes = (
        "Numpy has detected that you (may be) writing to an array with\noverlapping memory from np.broadcast_arrays."
        " If this is intentional\nset the WRITEABLE flag True or make a copy immediately before writing."
    )

    def view_of(self, array: Array) -> Array:
        shown = np.broadcast_to(array, self.shape)
        return np.lib.stride_tricks.as_strided(array, self.shape, shown.strides)


def _check_broadcast(old: Shape, new: Shape) -> None:
    if len(old) > len(new):
        raise ShapeError(
            f"input operand has more dimensions than allowed by the axis remapping: an array of shape {old} cannot be"
            f" broadcast to {new}; the new shape needs at least {len(old)} axes"
        )
    aligned = new[len(new) - len(old) :]
    if any(length not in (1, wanted) for length, wanted in zip(old, aligned, strict=True)):
        raise ShapeError(
            f"operands could not be broadcast together with remapped shapes [original->remapped]: {spell_shape(old)} "
            f" and requested shape {spell_shape(new)}; aligned at the last axis, each length must be 1 or the"
            " requested one"
        )


@rule_for(np.broadcast_to)
def broadcast_to(array: TensorLike, shape: ShapeLike, subok: bool = False) -> LazyTensor:
    """Return the tensor repeated to a shape, as a read-only view. See np.broadcast_to."""
    tensor = handle_of(array)
    new = tuple(map(integer, as_tuple(shape)))
    return view_by(BroadcastTo, new, tensor, array)


@rule_for(np.broadcast_shapes)
def broadcast_shapes(*args: ShapeLike) -> Shape:
    """Return the common shape that these shapes broadcast to. See np.broadcast_shapes."""
    return np.broadcast_shapes(*(tuple(map(integer, as_tuple(shape))) for shape in args))


@rule_for(np.broadcast_arrays)
def broadcast_arrays(*args: TensorLike, subok: bool = False) -> tuple[LazyTensor, ...]:
    """Return all tensors broadcast to their common shape. See np.broadcast_arrays."""
    tensors = [handle_of(value) for value in args]
    shape = _broadcast_shapes(*(tensor.shape for tensor in tensors))
    return tuple(_broadcast_with_others(tensor, shape) for tensor in tensors)


def _broadcast_with_others(tensor: LazyTensor, shape: Shape) -> LazyTensor:
    if tensor.type.is_scalar:
        tensor = apply(InOrder("C"), tensor)
    if tensor.shape == shape:
        return tensor
    result = new_handle(broadcast_to(tensor, shape))
    mark_view(result, tensor, WritableBroadcast(shape))
    return result


@rule_for(np.meshgrid)
def meshgrid(*xi: TensorLike, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """Return coordinate matrices of coordinate vectors. See np.meshgrid."""
    if indexing not in ("xy", "ij"):
        raise ParameterError(f"Valid values for `indexing` are 'xy' and 'ij'.: meshgrid was given {indexing!r}")
    vectors = [handle_of(x) for x in xi]
    order = list(range(len(vectors)))
    if indexing == "xy" and len(vectors) > 1:
        order[0], order[1] = 1, 0
    sparse_grids = [_along(vector, order[i], len(vectors)) for i, vector in enumerate(vectors)]
    grids = sparse_grids if sparse else broadcast_arrays(*sparse_grids)
    return tuple(in_c_order(grid) for grid in grids) if copy else tuple(grids)


def _along(vector: TensorHandle, axis: int, ndim: int) -> LazyTensor:
    shape: Sequence[int] = [-1 if position == axis else 1 for position in range(ndim)]
    return reshape(vector, tuple(shape))
