"""insert, delete, trim_zeros and block.

insert and delete first apply numpy's function to the positions 0, 1, 2, ... and then take the elements at the
positions that result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError
from composit.guards import read_value
from composit.numpy.arguments.normalizing import (
    AxesLike,
    AxisLike,
    TensorLike,
    handle_of,
    normalize_axes,
    normalize_axis,
)
from composit.numpy.arguments.positions import positions_of
from composit.numpy.calls.array_function import ArrayFunction
from composit.numpy.calls.declarations import rule_for, without_rule
from composit.numpy.calls.expressions import Expressed, expressed
from composit.numpy.elementwise.casting import astype
from composit.numpy.indexing.advanced_indices import known_integers
from composit.numpy.indexing.taking import TakeAdjoint
from composit.numpy.manipulation.broadcasting import broadcast_to
from composit.numpy.manipulation.joining import concatenate
from composit.numpy.manipulation.reshaping import moveaxis, ravel, reshape
from composit.operation import Array, OperationKind, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["block", "delete", "insert", "row_stack", "trim_zeros"]


row_stack = without_rule(np.row_stack)


@expressed(np.row_stack)
def _row_stack(xp: Any, results: Sequence[Any], tup: Any, **options: Any) -> Expressed:
    return xp.vstack(tup)


@rule_for(np.trim_zeros)
def trim_zeros(filt: TensorLike, trim: str = "fb", axis: AxesLike | None = None) -> LazyTensor:
    """Return a view without the zeros at the ends of axes. See np.trim_zeros. The tensor is evaluated to find them."""
    tensor = handle_of(filt)
    axes = range(tensor.ndim) if axis is None else normalize_axes(axis, tensor.ndim)
    if (
        trim.lower() not in ("f", "b", "fb", "bf")
        or not tensor.ndim
        or tensor.dtype.kind == "O"
        or isinstance(filt, list | tuple)
    ):
        raise NoRuleError(f"trim_zeros: ends {trim!r}, or no array")
    places = np.nonzero(read_value(tensor, "trim_zeros"))
    if not places[0].size:
        raise NoRuleError("trim_zeros: zeros only")
    index = [slice(None)] * tensor.ndim
    for position in axes:
        found = places[position]
        start = found.min() if "f" in trim.lower() else 0
        index[position] = slice(start, found.max() + 1 if "b" in trim.lower() else None)
    trimmed: LazyTensor = tensor[tuple(index)]
    return trimmed


@dataclass(frozen=True, slots=True)
class TakeInOrder(ArrayFunction):
    """Elements at positions along an axis. Unlike np.take it keeps Fortran order, as np.delete, np.insert, np.pad do.

    Derivative:  g added to zeros at these places
    Reference:   numpy.delete
    """

    function = staticmethod(np.take)
    axis: int
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "take in order"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (operand, places), axis = operand_types, self.axis
        return (tensor_type((*operand.shape[:axis], *places.shape, *operand.shape[axis + 1 :]), operand.dtype),)

    def evaluator(self) -> Callable[..., Results]:
        return self._take

    def _take(self, array: Array, places: Array) -> Array:
        result = np.take(array, places, self.axis)
        return np.asfortranarray(result) if array.flags.fnc else result

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x, places) = context.xp, context.cotangents, context.operands
        return [xp.apply(TakeAdjoint(self.axis, "raise", xp.shape(x)), g, places), None]


def take_in_order(tensor: LazyTensor, places: Array, axis: int) -> LazyTensor:
    """Return the elements at known positions along an axis, in Fortran order if the tensor is."""
    return apply(TakeInOrder(axis), tensor, positions_of(places))


def _place_of(obj: Any) -> Any:
    """Return positions that numpy can use: a tensor of positions must already have known values."""
    if not hasattr(obj, "__lazy_tensor__"):
        return obj
    values = known_integers(obj.__lazy_tensor__())
    if values is None:
        raise NoRuleError("positions: they are not known, and decide the shape")
    return values


def _along(arr: TensorLike, axis: AxisLike | None) -> tuple[LazyTensor, int]:
    tensor = handle_of(arr)
    if axis is None:
        return (tensor if tensor.ndim == 1 else ravel(tensor)), 0
    if not tensor.ndim:
        raise NoRuleError("positions: no axis")
    return tensor, normalize_axis(axis, tensor.ndim)


@rule_for(np.delete)
def delete(arr: TensorLike, obj: Any, axis: AxisLike | None = None) -> LazyTensor:
    """Return the tensor without the elements at positions along an axis. See np.delete.

    Derivative:  g at the elements that stay
    """
    tensor, position = _along(arr, axis)
    kept = np.delete(np.arange(tensor.shape[position]), _place_of(obj))
    return take_in_order(tensor, kept, position)


@rule_for(np.insert)
def insert(arr: TensorLike, obj: Any, values: TensorLike, axis: AxisLike | None = None) -> LazyTensor:
    """Return the tensor with values inserted before positions along an axis. See np.insert.

    Derivative:  g at the elements of the tensor, and at those of the values
    """
    tensor, position = _along(arr, axis)
    place = _place_of(obj)
    given = handle_of(values)
    if tensor.dtype.kind not in "biufc" or given.dtype.kind not in "biufc":
        raise NoRuleError("insert: elements that are no numbers")
    if not tensor.dtype.isnative:
        raise NoRuleError("insert: another byte order, which joining would change")
    if given.dtype.kind == "c" and tensor.dtype.kind != "c":
        raise NoRuleError("insert: complex numbers into real ones, of which numpy warns")
    added = _added(tensor, position, place, given)
    length, count = tensor.shape[position], added.shape[position]
    order = np.insert(np.arange(length), place, np.arange(length, length + count))
    return take_in_order(concatenate([tensor, added], position), order, position)


def _added(tensor: LazyTensor, axis: int, place: Any, values: LazyTensor) -> LazyTensor:
    """Return the values cast to the tensor's dtype and broadcast to its shape, except along the axis."""
    values = values if values.dtype == tensor.dtype else astype(values, tensor.dtype)
    missing = tensor.ndim - values.ndim
    if missing < 0:
        raise NoRuleError("insert: values with more axes than the array")
    values = reshape(values, (1,) * missing + values.shape)
    if _is_one(place):
        # At a single position the first axis of the values runs along `axis`, as in numpy.
        values = moveaxis(values, 0, axis)
        count = values.shape[axis]
    else:
        count = np.insert(np.empty(tensor.shape[axis]), place, 0).shape[0] - tensor.shape[axis]
    return broadcast_to(values, (*tensor.shape[:axis], count, *tensor.shape[axis + 1 :]))


def _is_one(place: Any) -> bool:
    return not isinstance(place, slice) and np.ndim(place) == 0


def _depth(arrays: Any) -> int:
    """Return the depth of the nested lists, which must be equal everywhere."""
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(part) for part in arrays}
    if len(depths) != 1:
        raise NoRuleError("block: lists that are empty or of different depths")
    return depths.pop() + 1


def _leaves(arrays: Any) -> list[LazyTensor]:
    if isinstance(arrays, tuple):
        raise NoRuleError("block: a tuple")
    return [leaf for part in arrays for leaf in _leaves(part)] if isinstance(arrays, list) else [handle_of(arrays)]


@rule_for(np.block)
def block(arrays: Any) -> LazyTensor:
    """Return nested lists of tensors joined: the innermost along the last axis. See np.block.

    Derivative:  g cut into the blocks
    """
    depth = _depth(arrays)
    leaves = _leaves(arrays)
    ndim = max(depth, *(leaf.ndim for leaf in leaves))
    if not depth:
        raise NoRuleError("block: an array that is in no list, which is copied")
    return _joined(arrays, depth, ndim)


def _joined(arrays: Any, depth: int, ndim: int) -> LazyTensor:
    if not depth:
        tensor = handle_of(arrays)
        values = np.asarray(arrays)[()] if tensor.type.weak else tensor
        return reshape(values, (1,) * (ndim - tensor.ndim) + tensor.shape)
    return concatenate([_joined(part, depth - 1, ndim) for part in arrays], -depth)
