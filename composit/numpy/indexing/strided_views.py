"""sliding_window_view and as_strided: views that may show an element several times. Writes to the base show in them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError, OutOfBoundsError
from composit.handle import TensorHandle, described, reinterpret
from composit.numpy.arguments.normalizing import as_tuple, truth
from composit.numpy.arguments.signatures import signature_of
from composit.numpy.calls.declarations import rule_for
from composit.numpy.creation.from_values import asarray
from composit.numpy.manipulation.reshaping import reshape, transpose
from composit.numpy.views.layout import stand_in_of
from composit.numpy.views.view_operations import ReadOnly
from composit.numpy.views.writes import is_connected, is_writable, writing_to
from composit.operation import Array, Axes, Dtype, Operation, OperationKind, Shape, TensorType, VjpContext, tensor_type
from composit.storage import View, mark_view, root_of, share, steps_of

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["as_strided", "sliding_window_view"]

# Any, everywhere here: tensors, and what numpy takes for shapes and strides.


@dataclass(frozen=True, slots=True)
class SlidingWindows(Operation):
    """The windows at all positions along some axes. The axes of the windows come last.

    Derivative:  the g of each window, added at its position
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.lib.stride_tricks.sliding_window_view.html
    """

    window_shape: Shape
    axes: Axes
    is_view = True
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "sliding_window_view"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        lengths = list(operand_types[0].shape)
        for axis, length in zip(self.axes, self.window_shape, strict=True):
            lengths[axis] -= length - 1
        return (tensor_type((*lengths, *self.window_shape), operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        array = np.asarray(operands[0])
        return np.lib.stride_tricks.sliding_window_view(array, self.window_shape, self.axes, writeable=True)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        (g,) = context.cotangents
        for axis, length in zip(self.axes[::-1], self.window_shape[::-1], strict=True):
            g = _summed(context.xp, g, axis, length)
        return [g]


def _summed(xp: Any, g: Any, axis: int, length: int) -> Any:
    """Return g summed over the last axis (the positions within a window), each element added where it came from."""
    total = None
    for position in range(length):
        widths = [(0, 0)] * (g.ndim - 1)
        widths[axis] = (position, length - 1 - position)
        part = xp.pad(g[..., position], widths)
        total = part if total is None else total + part
    return total


@dataclass(frozen=True, slots=True)
class Strided(Operation):
    """Elements of a vector, chosen by an offset and strides, both counted in elements.

    Derivative:  g added at these elements, once for each time that an element is shown
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.lib.stride_tricks.as_strided.html
    """

    shape: Shape
    strides: tuple[int, ...]
    offset: int
    is_view = True
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "as_strided"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self.shape, operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        array = np.ascontiguousarray(operands[0])[self.offset :]
        strides = tuple(stride * array.itemsize for stride in self.strides)
        return np.lib.stride_tricks.as_strided(array, self.shape, strides)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp = context.xp
        return [xp.apply(StridedAdjoint(self, xp.shape(context.operands[0])), context.cotangents[0])]


@dataclass(frozen=True, slots=True)
class StridedAdjoint(Operation):
    """Zeros, with the operand added wherever the view shows an element: the adjoint of Strided. Derivative: the view of g."""

    view: Strided
    shape: Shape
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "as_strided_adjoint"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self.shape, operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        g = np.asarray(operands[0])
        result = np.zeros(self.shape, g.dtype)
        np.add.at(result, self.view.evaluate(np.arange(result.size)), g)
        return result

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [context.xp.apply(self.view, context.cotangents[0])]


@dataclass(frozen=True, slots=True)
class ByteStrided(Operation):
    """Elements of a dtype, made of the bytes in a vector by an offset and strides in bytes.

    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.lib.stride_tricks.as_strided.html
    """

    dtype: Dtype
    shape: Shape
    strides: tuple[int, ...]
    offset: int
    is_view = True
    kind = OperationKind.MOVEMENT
    no_derivative = "its elements are made of the bytes of others"

    @property
    def name(self) -> str:
        return "as_strided"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self.shape, self.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        array = np.ascontiguousarray(operands[0])
        return np.ndarray(self.shape, self.dtype, array.data, self.offset, self.strides)


def _finished(view: LazyTensor, writeable: bool) -> LazyTensor:
    if writeable:
        return view
    fixed = apply(ReadOnly(), view)
    mark_view(fixed, view)
    return fixed


@rule_for(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> LazyTensor:
    """Return the windows of a shape at all positions, read-only. See np.lib.stride_tricks.sliding_window_view."""
    if subok and isinstance(x, np.ndarray):
        raise NoRuleError("sliding_window_view: an array of a subclass, whose class numpy keeps")
    tensor = asarray(x)
    window, given = as_tuple(window_shape), range(tensor.ndim) if axis is None else as_tuple(axis)
    # This call raises numpy's errors for wrong shapes and axes.
    np.lib.stride_tricks.sliding_window_view(np.broadcast_to(np.False_, tensor.shape), window, axis)
    view = apply(SlidingWindows(tuple(map(int, window)), tuple(int(number) % tensor.ndim for number in given)), tensor)
    mark_view(view, tensor)
    return _finished(view, truth(writeable))


def as_strided(x: Any, shape: Any = None, strides: Any = None, subok: bool = False, writeable: bool = True) -> Any:
    """Return a view of x's memory with a shape and strides in bytes. See np.lib.stride_tricks.as_strided.

    Raises:  ValueError: numpy's; OutOfBoundsError: the strides lead out of the memory of x's base, or into objects
    """
    if subok and isinstance(x, np.ndarray):
        return np.lib.stride_tricks.as_strided(x, shape, strides, subok, writeable=writeable)
    return _strided(asarray(x), shape, strides, writeable)


def _strided(tensor: LazyTensor, shape: Any, strides: Any, writeable: bool = True) -> LazyTensor:
    stand_in = stand_in_of(tensor)
    if strides is None and not stand_in.flags.c_contiguous:
        # Without strides numpy keeps those of x; for an array in C order they follow from the new shape.
        strides = stand_in.strides
    wanted = np.lib.stride_tricks.as_strided(
        np.empty(1, tensor.dtype), stand_in.shape if shape is None else shape, strides
    )
    whole, first = _memory_of(tensor)
    # The stride of an axis of length 1 is never used.
    steps = tuple(step if length > 1 else 0 for length, step in zip(wanted.shape, wanted.strides, strict=True))
    _check_reach(tensor, wanted, first, steps, whole)
    size = tensor.itemsize
    if whole.dtype != tensor.dtype or any(number % size for number in (first, *steps)):
        whole = whole.view(np.uint8)
        view = apply(ByteStrided(tensor.dtype, wanted.shape, steps, first), whole)
    else:
        view = apply(Strided(wanted.shape, tuple(step // size for step in steps), first // size), whole)
    mark_view(view, whole)
    return _finished(view, writeable and is_writable(tensor))


def view_of_part(tensor: Any, value: Any, part: Array) -> LazyTensor | None:
    """Return the view of a tensor that shows the same elements as a part of its value; None if there is none."""
    if not isinstance(value, np.ndarray) or not part.size or not np.may_share_memory(part, value):
        return None
    if part.dtype != value.dtype:
        return _view_as_another_dtype(tensor, value, part)
    order = _order_of_one_piece(value, stand_in_of(tensor))
    if order is not None and value.ndim > 1:
        return view_of_part(reshape(transpose(tensor, order), (-1,)), value.transpose(order).reshape(-1), part)
    found = _affine_index(value, part)
    if found is None:
        return None
    first, steps = found
    start = tensor[tuple([slice(position, None) for position in first])] if any(first) else tensor
    # The strides of numpy's array, since the value may have another layout.
    strides = stand_in_of(tensor).strides
    return _strided(start, part.shape, [sum(map(operator.mul, step, strides)) for step in steps])


def _order_of_one_piece(*arrays: Array) -> tuple[int, ...] | None:
    """Return an order of axes in which all arrays are in C order without gaps, None if there is none."""
    order = tuple(sorted(range(arrays[0].ndim), key=lambda axis: -arrays[0].strides[axis]))
    return order if all(array.transpose(order).flags.c_contiguous for array in arrays) else None


def _view_as_another_dtype(tensor: Any, value: Array, part: Array) -> LazyTensor | None:
    whole = _both_as(part.dtype, tensor, value)
    found = None if whole is None else view_of_part(*whole, part)
    # Else compare bytes: each element of the part may be within one element of the value.
    inner = _both_as(np.dtype(np.uint8), tensor[..., None], value[..., None]) if found is None else None
    if inner is not None:
        shown = view_of_part(*inner, part[..., None].view(np.uint8))
        found = None if shown is None else shown.view(part.dtype)[..., 0]
    return found


def _both_as(dtype: Dtype, tensor: Any, value: Array) -> tuple[Any, Array] | None:
    """Return a tensor and its value with both read as another dtype, None if numpy cannot."""
    try:
        return tensor.view(dtype), value.view(dtype)
    except (TypeError, ValueError):
        return None


def _affine_index(value: Array, part: Array) -> tuple[list[int], list[list[int]]] | None:
    """Return the index in the value of the part's first element, and the change of that index along each axis of the part."""
    first = _index_at(value, _address(part))
    if first is None:
        return None
    steps = []
    for length, stride in zip(part.shape, part.strides, strict=True):
        following = first if length == 1 else _index_at(value, _address(part) + stride)
        if following is None:
            return None
        steps.append(list(map(operator.sub, following, first)))
    reaches = [[(length - 1) * number for number in step] for length, step in zip(part.shape, steps, strict=True)]
    for axis, length in enumerate(value.shape):
        moves = [reach[axis] for reach in reaches]
        lowest = first[axis] + sum(min(move, 0) for move in moves)
        if lowest < 0 or first[axis] + sum(max(move, 0) for move in moves) >= length:
            return None
    return first, steps


def _index_at(value: Array, address: int) -> list[int] | None:
    """Return the index of the element at an address; None if there is none, or if elements overlap."""
    backwards = [min(stride, 0) * (length - 1) for stride, length in zip(value.strides, value.shape, strict=True)]
    rest = address - _address(value) - sum(backwards)
    index = [0] * value.ndim
    for axis in sorted(range(value.ndim), key=lambda axis: -abs(value.strides[axis])):
        stride, length = value.strides[axis], value.shape[axis]
        if length > 1 and stride:
            count, rest = divmod(rest, abs(stride))
            index[axis] = count if stride > 0 else length - 1 - count
    fits = all(0 <= position < length for position, length in zip(index, value.shape, strict=True))
    return index if fits and rest == 0 else None


def set_strides(tensor: Any, strides: Any) -> None:
    """Carry out `x.strides = ...`: the tensor shows its memory with other strides, in bytes.

    Raises:  ValueError: numpy's, the strides lead out of the memory
    """
    whole, first = _memory_of(tensor)
    memory = np.empty(-(-whole.nbytes // tensor.itemsize), tensor.dtype)
    present = stand_in_of(tensor).strides
    probe: Any = np.ndarray(tensor.shape, tensor.dtype, memory, first, present)  # Any: to be set
    probe.strides = strides
    with writing_to(tensor):
        view = _strided(tensor, tensor.shape, probe.strides)
        steps = steps_of(view)
        reinterpret(tensor, steps[-1], view)
        # The new steps start at the memory; those of the old view do not apply any more.
        root = root_of(tensor)
        assert root is not None, "reinterpret has made it a view"
        share(tensor, View(root, steps))


def _memory_of(tensor: Any) -> tuple[Any, int]:
    """Return the memory that a tensor is part of as a vector of elements, and the byte at which the tensor begins."""
    root = _root_of(tensor)
    stand_in = stand_in_of(root)
    part: Array | None = stand_in
    for step in steps_of(tensor) if root is not tensor else ():
        if part is not None:
            part = step.view_without_copy(part) if step.depends_on_layout else step.view_of(part)
    assert part is not None, "a view that is connected shares memory"
    order = sorted(range(root.ndim), key=lambda axis: -stand_in.strides[axis])
    whole: Any = reshape(transpose(root, tuple(order)), (-1,) if root.size else (0,))
    return whole, _address(part) - _address(stand_in)


def _root_of(tensor: TensorHandle) -> TensorHandle:
    while (root := root_of(tensor)) is not None:
        if is_connected(tensor):
            return root
    return tensor


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def _check_reach(tensor: Any, wanted: Array, first: int, steps: Sequence[int], whole: Any) -> None:
    size = tensor.itemsize
    reaches = [(length - 1) * step for length, step in zip(wanted.shape, steps, strict=True)]
    lowest = first + sum(min(reach, 0) for reach in reaches)
    highest = first + sum(max(reach, 0) for reach in reaches)
    cuts_objects = tensor.dtype.hasobject and any(step % size for step in steps)
    if wanted.size and (cuts_objects or lowest < 0 or highest + size > whole.nbytes):
        raise OutOfBoundsError(
            f"as_strided: shape {wanted.shape} with strides {wanted.strides} was asked of {described(tensor)}, whose memory holds"
            f" {whole.size} elements of {whole.itemsize} bytes, its first at byte {first}; the strides must lead to no"
            " element outside, and between objects; numpy would read foreign memory"
        )


as_strided.__signature__ = signature_of(np.lib.stride_tricks.as_strided)  # type: ignore[attr-defined]  # for inspect
