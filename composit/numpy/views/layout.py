"""The strides that numpy's array would have, computed only when something depends on them.

For example, a reshape shares memory or copies depending on the layout of its operand. The layout of a view follows
from its base, and that of an input is given. Most operations turn C order into C order; the others are computed, to
look at the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from composit.apply import apply
from composit.guards import read_value
from composit.handle import TensorHandle, make_tensor
from composit.node import Node
from composit.operation import Array, Input, Operation, OperationKind, TensorType, VjpContext, tensor_type
from composit.storage import root_of, steps_of, storage_of

if TYPE_CHECKING:
    from numpy._core.multiarray import flagsobj

    from composit.numpy.tensor.lazy_tensor import LazyTensor


@dataclass(frozen=True, slots=True)
class InOrder(Operation):
    """The same elements, copied to memory in the given order.

    order:       "C" or "F"
    Derivative:  g
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.ndarray.copy.html
    """

    order: str
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "copy"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(operand_types[0].shape, operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        order: Any = self.order
        return np.array(operands[0], order=order, copy=True)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [context.cotangents[0]]


# Among the steps of views: a copy that keeps the order of the axes.
_WITHOUT_GAPS = InOrder("K")


def shares_memory(base: TensorHandle, steps: Sequence[Operation]) -> bool:
    """Return whether numpy would share memory between a tensor and the view that these operations make of it."""
    if not any(step.depends_on_layout for step in steps):
        return True
    stand_in: Array | None = stand_in_of(base)
    for step in steps:
        if stand_in is not None:
            stand_in = _part(step, stand_in)
    return stand_in is not None


def strides_of(tensor: TensorHandle) -> tuple[int, ...]:
    """Return the strides in bytes of the array that numpy would have here."""
    return stand_in_of(tensor).strides


def stand_in_of(tensor: TensorHandle) -> Array:
    """Return the stand-in: an array with the layout of the tensor's, whose elements may not be read or written.

    It has the tensor's dtype; for StringDType bytes of the same size.
    """
    root = root_of(tensor)
    if root is not None:
        return _after(steps_of(tensor), stand_in_of(root))
    storage = storage_of(tensor)
    if storage.layout is None:
        node = tensor.node
        array = _of_pair(node, tensor._output_index)
        # The tensor is no view although its node is one: it is a copy, in the same order without gaps.
        storage.layout = _without_gaps(array) if node.operation.is_view else array
    # A write does not move an array, so the layout of a tensor never changes.
    return storage.layout


def _without_gaps(array: Array) -> Array:
    return _with_strides(tensor_type(array.shape, array.dtype), np.empty_like(array))


def _after(steps: Sequence[Operation], array: Array) -> Array:
    for step in steps:
        if step is _WITHOUT_GAPS:
            array = _without_gaps(array)
            continue
        (value_type,) = step.result_types(tensor_type(array.shape, array.dtype))
        part = _part(step, array)
        array = _in_c_order(value_type) if part is None else part
    return array


def _of_pair(node: Node, index: int) -> Array:
    steps: list[Operation] = []
    is_written = False
    while node.operation.is_view or node.operation.updates_operand:
        if node.operation.is_view:
            if is_written:
                # The write copied the view first.
                steps.append(_WITHOUT_GAPS)
            steps.append(node.operation)
        is_written = node.operation.updates_operand
        node, index = node.operands[0]
    return _after(steps[::-1], _laid_out(node, index))


def _part(step: Operation, array: Array) -> Array | None:
    """Return the view of a stand-in; None if numpy would copy, as a stand-in has no elements to copy."""
    if not step.depends_on_layout:
        return step.view_of(array)
    return step.view_without_copy(array)


def _laid_out(node: Node, index: int) -> Array:
    value_type = node.types[index]
    if isinstance(node.operation, Input):
        # An input without a value is in C order, by definition.
        array = node.operation.read() if node.operation.has_value else None
        return _in_c_order(value_type) if array is None else _with_strides(value_type, np.asarray(array))
    if _is_in_c_order(node):
        return _in_c_order(value_type)
    return _with_strides(value_type, np.asarray(read_value(make_tensor(node, index), "")))


def _in_c_order(value_type: TensorType) -> Array:
    if not value_type.size:
        # numpy's arrays without elements have strides of 0.
        return _strided(value_type, (0,) * value_type.ndim)
    strides = []
    step = value_type.dtype.itemsize
    for length in reversed(value_type.shape):
        strides.append(step)
        step *= max(length, 1)
    return _strided(value_type, tuple(reversed(strides)))


def _with_strides(value_type: TensorType, array: Array) -> Array:
    return _strided(value_type, array.strides)


def _strided(value_type: TensorType, strides: tuple[int, ...]) -> Array:
    # as_strided refuses StringDType, so bytes of the same size stand in.
    dtype = np.dtype((np.void, value_type.dtype.itemsize)) if value_type.dtype.kind == "T" else value_type.dtype
    # One element of memory is enough: only addresses are computed from it.
    return np.lib.stride_tricks.as_strided(np.empty(1, dtype), value_type.shape, strides, writeable=True)


def axes_in_memory(tensor: TensorHandle) -> tuple[int, ...]:
    """Return the axes ordered from the largest stride to the smallest: numpy's order "K"."""
    if is_surely_in_c_order(tensor):
        return tuple(range(tensor.ndim))
    strides = [abs(stride) for stride in strides_of(tensor)]

    def compared(a: int, b: int) -> int:
        # Axes that repeat elements (stride 0) stay where they are.
        return strides[b] - strides[a] if strides[a] and strides[b] else a - b

    return tuple(sorted(range(len(strides)), key=cmp_to_key(compared)))


def in_c_order(tensor: TensorHandle) -> LazyTensor:  # Any: the tensors' class, which cannot be imported here
    """Return a copy of the value in C order, never a view."""
    if len(tensor._type.shape) < 2:
        return make_tensor(tensor.node, tensor._output_index)
    return apply(InOrder("C"), tensor)


def _known_strides(tensor: TensorHandle) -> tuple[int, ...] | None:
    """Return the strides of a copy without gaps that keeps the order of axes; None if that is C order or not known."""
    if tensor.ndim < 2 or is_surely_in_c_order(tensor):
        return None
    node = tensor.node
    while node.operation.is_view:
        node = node.operands[0][0]
    if not isinstance(node.operation, Input) and not _is_in_c_order(node):
        return None
    packed = np.empty_like(stand_in_of(tensor))
    return None if packed.flags.c_contiguous else packed.strides


def order_of_axes(tensor: TensorHandle) -> tuple[int, ...] | None:
    """Return the axes from the slowest to the fastest; None if they are in C order or the order is not known."""
    strides = _known_strides(tensor)
    return None if strides is None else tuple(sorted(range(len(strides)), key=lambda axis: -strides[axis]))


def is_given_in_fortran_order(tensor: TensorHandle) -> bool:
    """Return whether it is an input in Fortran order, or a view of an input with that layout."""
    node = tensor.node
    while node.operation.is_view:
        node = node.operands[0][0]
    is_given = isinstance(node.operation, Input) and node.operation.has_value
    return is_given and bool(stand_in_of(tensor).flags.fnc)


def is_surely_in_c_order(tensor: TensorHandle) -> bool:
    """Return whether the elements surely lie in C order without gaps, without computing anything."""
    node = tensor.node
    return root_of(tensor) is None and not node.operation.is_view and _is_in_c_order(node)


# Caches, by id: nodes whose values lie in C order, and nodes of which that is not sure. So a program that asks often
# walks each node once.
_known_in_c_order: WeakValueDictionary[int, Node] = WeakValueDictionary()
_known_unsure: WeakValueDictionary[int, Node] = WeakValueDictionary()


def _is_in_c_order(root: Node) -> bool:
    """Return whether the value surely lies in C order: all operations on the way keep it, and all leaves have it."""
    walked: dict[int, Node] = {}
    answer = _follows_in_c_order(root, walked)
    # Views are left out: as the root a view must have no gaps, on the way it may have some.
    if answer:
        _known_in_c_order.update({key: node for key, node in walked.items() if not node.operation.is_view})
    elif not root.operation.is_view:
        _known_unsure[id(root)] = root
    return answer


def _follows_in_c_order(root: Node, walked: dict[int, Node]) -> bool:
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) in walked or _known_in_c_order.get(id(node)) is node:
            continue
        if _known_unsure.get(id(node)) is node:
            return False
        walked[id(node)] = node
        operation = node.operation
        if isinstance(operation, Input):
            if operation.has_value and not np.asarray(operation.read()).flags.c_contiguous:
                return False
        elif isinstance(operation, InOrder) and operation.order == "C":
            continue
        elif operation.updates_operand or (node is not root and _keeps_axes(node)):
            stack.append(node.operands[0][0])
        elif operation.keeps_c_order:
            stack.extend(operand for operand, index in node.operands if operand.types[index].ndim > 1)
        elif any(value_type.ndim > 1 for value_type in node.types):
            return False
    return True


def _keeps_axes(node: Node) -> bool:
    """Return whether a view keeps the order of its axes. It may have gaps; results computed from it have none."""
    if not node.operation.is_view or node.operation.depends_on_layout:
        return False
    operand, index = node.operands[0]
    part = node.operation.view_of(_in_c_order(operand.types[index]))
    strides = [stride for stride, length in zip(part.strides, part.shape, strict=True) if length != 1]
    return all(stride > 0 for stride in strides) and strides == sorted(strides, reverse=True)


def flags_of(tensor: TensorHandle) -> flagsobj:
    """Return the flags of the array that numpy would have here; ask the tensor for `writeable` and `owndata`."""
    return stand_in_of(tensor).flags
