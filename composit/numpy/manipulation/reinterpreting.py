"""ndarray's methods view(dtype), getfield and resize on tensors, and copies in a given memory order."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.handle import TensorHandle, become, described, make_tensor, reinterpret
from composit.numpy.arguments.normalizing import named_order
from composit.numpy.manipulation.reshaping import reshape, transpose
from composit.numpy.views.layout import InOrder, stand_in_of
from composit.numpy.views.view_operations import MemoryField, ViewAs
from composit.numpy.views.writes import base_of, writing_to
from composit.operation import Array, Dtype, Operation, OperationKind, Shape, TensorType, VjpContext, tensor_type
from composit.storage import mark_view, storage_of

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# Any, everywhere here: tensors, and anything that numpy accepts as a dtype.


@dataclass(frozen=True, slots=True)
class Resized(Operation):
    """The elements in C order, cut off or filled up with zeros to a shape.

    Derivative:  g at the elements that are kept
    Reference:   numpy.ndarray.resize
    """

    shape: Shape
    kind = OperationKind.MOVEMENT

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self.shape, operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        result = np.array(operands[0], order="C", copy=True)
        result.resize(self.shape, refcheck=False)
        return result

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        (g,), (x,) = context.cotangents, context.operands
        return [context.xp.apply(Resized(context.xp.shape(x)), g)]


def copied_in_order(tensor: Any, order: Any) -> LazyTensor:
    """Return a copy in the given memory order: a new handle, and a new node only if elements move."""
    name = named_order(order, "K")
    chosen = _resolved(tensor, name) if tensor.ndim > 1 else "K"
    if chosen == "K":
        return make_tensor(tensor.node, tensor.output_index)
    return apply(InOrder(chosen), tensor)


def _resolved(tensor: TensorHandle, name: str) -> str:
    """Return "K" if a copy that keeps the order of the axes already has the order asked for, else that order."""
    if name == "K":
        # Before the layout is asked for: it may only be known once the tensor is computed.
        return "K"
    packed = np.empty_like(stand_in_of(tensor))
    fortran = name == "F" or (name == "A" and stand_in_of(tensor).flags.fnc)
    lies_so = packed.flags.f_contiguous if fortran else packed.flags.c_contiguous
    if lies_so:
        return "K"
    return "F" if fortran else "C"


def viewed_as(tensor: TensorHandle, dtype: Any) -> LazyTensor:
    """Return the tensor's memory read as another dtype: a view.

    Raises:  ValueError, TypeError: numpy's, where the sizes do not fit
    """
    target: Dtype = np.dtype(dtype)
    if target.kind == "T" and target == tensor.dtype:
        # StringDType can be viewed only as itself. Its stand-in holds bytes, for which numpy would refuse that.
        return reshape(tensor, tensor.shape)
    stand_in_of(tensor).view(target)
    result = apply(ViewAs(target), tensor)
    mark_view(result, tensor)
    return result


def field_at(tensor: TensorHandle, dtype: Any, offset: int = 0) -> LazyTensor:
    """Return a view of the bytes at an offset in each element, read as another dtype. See np.ndarray.getfield."""
    np.zeros((), tensor.dtype).getfield(dtype, offset)
    result = apply(MemoryField(np.dtype(dtype), offset), tensor)
    mark_view(result, tensor)
    return result


def resize_in_place(tensor: Any, new_shape: tuple[Any, ...], refcheck: bool) -> None:
    """Give a tensor another number of elements, zeros at the end. See np.ndarray.resize.

    Raises:  ValueError: it shares memory with another tensor, or has gaps between its elements
    """
    probe = np.ndarray((0,), tensor.dtype)
    probe.resize(*new_shape, refcheck=False)
    operator.index(refcheck)
    if not new_shape or new_shape == (None,):
        return
    flags = stand_in_of(tensor).flags
    if not flags.forc and tensor.nbytes:
        raise ValueError(
            f"resize only works on single-segment arrays: {described(tensor)} has gaps between its elements or another order than C"
            " and Fortran; resize a copy()"
        )
    if probe.shape == tensor.shape:
        return
    if base_of(tensor) is not None and probe.nbytes != tensor.nbytes:
        raise ValueError(
            f"cannot resize this array: it does not own its data: {described(tensor)} is a view; resize a copy()"
        )
    if probe.size == tensor.size:
        _reshape_in_place(tensor, probe.shape, flags.fnc)
        return
    if refcheck and base_of(tensor) is None and any(view is not tensor for view in storage_of(tensor).present_views()):
        raise ValueError(
            "cannot resize an array that references or is referenced\nby another array in this way.\nUse the np.resize"
            f" function or refcheck=False: {described(tensor)} has views"
        )
    # numpy keeps the bytes and the kind of order: a tensor in Fortran order is resized as its transpose.
    with writing_to(tensor):
        resized = (
            transpose(apply(Resized(probe.shape[::-1]), transpose(tensor)))
            if flags.fnc
            else apply(Resized(probe.shape), tensor)
        )
        become(tensor, resized)


def _reshape_in_place(tensor: Any, shape: Shape, is_fortran: bool) -> None:
    if not is_fortran:
        tensor.shape = shape
        return
    for shown in (transpose, partial(reshape, shape=shape[::-1]), transpose):
        with writing_to(tensor):
            result = shown(tensor)
            reinterpret(tensor, result.node.operation, result)
