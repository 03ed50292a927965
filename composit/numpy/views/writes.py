"""Writes: `x[i] = v`, `x += 1`, `out=`. A write makes a new node and moves the handle on to it. Views follow.

The node's operation is `Assign`: the base with the elements that a view and an index choose replaced, or `AddAt`, with
these elements added to; other functions of them are in `composit/numpy/assignment/function_at.py`. Evaluation updates the
old array in place if nobody else reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from composit.apply import as_tensor, is_given
from composit.eager_results import compute_at_call, compute_if_caught, eager
from composit.errors import DtypeError, ReadOnlyError, ShapeError
from composit.errstates import DEFAULT_ERRSTATE, acts_at_call
from composit.handle import TensorHandle, described
from composit.node import FlatOperands, Node, new_node
from composit.numpy.arguments.normalizing import spell_shape
from composit.numpy.views.layout import is_surely_in_c_order, shares_memory
from composit.operation import Array, Operation, OperationKind, Shape, TensorType, VjpContext, tensor_type
from composit.scalar_nodes import scalar_node
from composit.source import Source, find_source, warn_user
from composit.storage import give_node, is_view_of, root_of, steps_of, storage_of, view_of, write_lock

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# An index as numpy takes it: integers, slices, None, Ellipsis. ARRAY stands for the next operand.
Index: TypeAlias = tuple[Any, ...]
ARRAY = "array"
EVERYTHING: Index = (Ellipsis,)


class Write(Operation):
    """The first operand with the second, which broadcasts, written to some elements. Index arrays are further operands.

    steps: the view operations from the first operand to the view that was written to
    index: the elements of that view; ARRAY stands for an index array (integers or mask) among the operands
    """

    __slots__ = ()
    steps: tuple[Operation, ...]
    index: Index
    updates_operand = True
    raises_by_value = True
    kind = OperationKind.WRITE

    def may_raise(self, operand_types: Sequence[TensorType], are_known: Sequence[bool]) -> bool:
        # An index may be out of bounds, or a mask may choose another number of elements than there are values.
        masks = [each.dtype.kind == "b" for each in operand_types[2:]]
        return any(masks) or not all(are_known[2:])

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(operand_types[0].shape, operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return self.update_in_place(copied(operands[0]), *operands[1:])

    def update_in_place(self, target: Array, *operands: Any) -> Array:
        """Write to `target` and return it."""
        value, *indices = operands
        if not self.steps:
            self.write(target, with_arrays(self.index, indices) if indices else self.index, value)
            return target
        parts = [target]
        for step in self.steps:
            parts.append(step.view_of(parts[-1]))
        self.write(parts[-1], with_arrays(self.index, indices) if indices else self.index, value)
        if not any(step.depends_on_layout for step in self.steps):
            return target
        for whole, part in zip(parts[-2::-1], parts[:0:-1], strict=True):
            if part.size and not np.may_share_memory(part, whole):
                # `part` is a copy, because this target has another layout than the base had: copy it back.
                whole[...] = part.reshape(whole.shape)
        return target

    def write(self, part: Array, index: Index, value: Any) -> None:
        """Write to elements of a numpy array."""
        raise TypeError(f"{type(self).__name__}: a write must define write(part, index, value)")

    def reader(self, xp: Any, base: Any, indices: Sequence[Any]) -> Chosen:
        """Return the operation that reads the elements which this one writes to."""
        stand_in = _through(self.steps, np.broadcast_to(np.False_, xp.shape(base)))
        shape = stand_in[with_arrays(self.index, [_of_its_shape(index) for index in indices])].shape
        return Chosen(self.steps, self.index, shape)


@dataclass(frozen=True, slots=True)
class Assign(Write):
    """The first operand with elements replaced.

    Derivative:  base: g with zeros at these elements; value: g at these elements, for the last write to each
    Reference:   https://numpy.org/doc/stable/user/basics.indexing.html#assigning-values-to-indexed-arrays
    """

    steps: tuple[Operation, ...]
    index: Index

    @property
    def name(self) -> str:
        return "setitem"

    def update_in_place(self, target: Array, *operands: Any) -> Array:
        # First what most writes are, since programs by elements make one after the other.
        if len(operands) == 1 and not self.steps:
            target[self.index] = operands[0]
            return target
        return super(Assign, self).update_in_place(target, *operands)

    def write(self, part: Array, index: Index, value: Any) -> None:
        part[index] = value

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (base, _, *indices) = context.xp, context.cotangents, context.operands
        to_base = xp.apply(self, g, 0, *indices) if context.needs[0] else None
        to_value = self._to_value(xp, g, indices, self.reader(xp, base, indices)) if context.needs[1] else None
        return [to_base, to_value, *[None] * len(indices)]

    def _to_value(self, xp: Any, g: Any, indices: Sequence[Any], read: Chosen) -> Any:
        result = xp.apply(read, g, *indices)
        if not indices:
            return result
        # If an element is chosen twice, the last write stays, so only that one gets the gradient.
        numbers = np.arange(result.size).reshape(read.shape)
        written = xp.apply(self, np.full(xp.shape(g), -1), numbers, *indices)
        return xp.where(xp.equal(xp.apply(read, written, *indices), numbers), result, 0)


@dataclass(frozen=True, slots=True)
class AddAt(Write):
    """The first operand with values added to elements, once for each time that one is chosen.

    Derivative:  base: g; values: g at these elements
    Reference:   numpy.ufunc.at
    """

    steps: tuple[Operation, ...]
    index: Index

    @property
    def name(self) -> str:
        return "add_at"

    def write(self, part: Array, index: Index, value: Any) -> None:
        np.add.at(part, index, value)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (base, _, *indices) = context.xp, context.cotangents, context.operands
        to_value = xp.apply(self.reader(xp, base, indices), g, *indices) if context.needs[1] else None
        return [g, to_value, *[None] * len(indices)]


@dataclass(frozen=True, slots=True)
class Chosen(Operation):
    """The elements to which a write with the same steps and index writes.

    Derivative:  g added to zeros at these elements
    """

    steps: tuple[Operation, ...]
    index: Index
    shape: Shape
    kind = OperationKind.ELEMENTWISE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self.shape, operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        part = _through(self.steps, np.asarray(operands[0]))
        return part[with_arrays(self.index, operands[1:])]

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (base, *indices) = context.xp, context.operands
        zeros = xp.zeros_like(base, dtype=context.cotangents[0].dtype)
        # Without index arrays no element is chosen twice.
        write = AddAt(self.steps, self.index) if indices else Assign(self.steps, self.index)
        return [xp.apply(write, zeros, context.cotangents[0], *indices), *[None] * len(indices)]


def _of_its_shape(index: Any) -> Array:
    """Return an index array that chooses as many elements: zeros for integers, whose values would be read for nothing; a mask itself."""
    return np.asarray(index) if index.dtype.kind == "b" else np.zeros(index.shape, np.intp)


def copied(array: Any) -> Array:
    """Return a copy with the same layout, to be written to. (Tests count the calls.)"""
    return np.array(array, order="K", copy=True)


def _through(steps: Sequence[Operation], array: Array) -> Array:
    for step in steps:
        array = step.view_of(array)
    return array


def with_arrays(index: Index, arrays: Sequence[Array]) -> Index:
    """Return the index with the arrays in the places of ARRAY."""
    following = iter(arrays)
    return tuple([next(following) if entry.__class__ is str and entry == ARRAY else entry for entry in index])


def assign_elements(
    tensor: Any,
    index: Index,
    value: Any,
    indices: Sequence[Any] = (),
    further: tuple[Operation, ...] = (),
    write: Callable[[tuple[Operation, ...], Index], Write] = Assign,
    source: Source | None = None,
) -> None:
    """Write to elements of a tensor. `index` is as in `Assign`, checked by the caller; `value` is a tensor or scalar.

    further: the view operations from the tensor to the view that `index` belongs to
    write:   makes the operation: Assign, AddAt or another Write
    source:  the user's line, if the caller has found it

    Raises:  ValueError: the tensor is read-only, such as a broadcast
    """
    lock = write_lock(tensor)
    lock.acquire()
    try:
        root, steps = (tensor, further) if view_of(tensor) is None else _root_and_steps(tensor, further)
        if steps:
            steps = _settled(steps, tensor)
        if isinstance(value, TensorHandle):
            flat: FlatOperands = (
                root._node or root.node,
                root._output_index,
                value._node or value.node,
                value._output_index,
            )
        else:
            flat = (root._node or root.node, root._output_index, *_value_to_write(value))
        if indices:
            flat = (*flat, *[part for operand in indices for part in _value_to_write(operand)])
        _move_on(root, write(steps, index), flat, source or find_source())
    finally:
        lock.release()


def _root_and_steps(tensor: TensorHandle, further: tuple[Operation, ...]) -> tuple[TensorHandle, tuple[Operation, ...]]:
    root, steps = _root_of(tensor)
    return root, (*steps, *further)


def _value_to_write(value: Any) -> tuple[Node, int]:
    if isinstance(value, TensorHandle):
        return value.node, value._output_index
    if isinstance(value, bool | int | float) and not isinstance(value, np.generic):
        return scalar_node(value), 0
    handle = as_tensor(value)
    return handle.node, handle._output_index


def _move_on(root: TensorHandle, operation: Write, flat_operands: FlatOperands, source: Source | None) -> None:
    # The written array has the type of the old one. Sharing the tuple saves making one per turn of a loop.
    before = (root._node or root.node)._types
    node = new_node(operation, flat_operands, before if len(before) == 1 else (root._type,), source)
    storage_of(root).write(root, node, 0, is_connected)
    if eager.strict or (node._errstate is not DEFAULT_ERRSTATE and acts_at_call(node._errstate)):
        _compute_or_return(root, compute_at_call)
    elif len(flat_operands) > 4:
        pairs = node.operands
        if operation.may_raise([each.types[i] for each, i in pairs], [is_given(each) for each, _ in pairs]):
            _compute_or_return(root, compute_if_caught)


def _compute_or_return(root: TensorHandle, compute: Callable[[TensorHandle], None]) -> None:
    """Compute what was just written. If that raises, undo the write."""
    is_written = False
    try:
        compute(root)
        is_written = True
    finally:
        if not is_written:
            give_node(root, *root.node.operands[0])


def assign_result(tensor: Any, result: Any) -> None:
    """Move a tensor on to a result of its shape and dtype, as `x += 1` and `out=` do; through a view, write to its base.

    A caller that computes the result from the tensor itself holds its lock meanwhile (`writing_to`).
    """
    with write_lock(tensor):
        assign_result_locked(tensor, result)


def assign_result_locked(tensor: Any, result: Any) -> None:
    """Like `assign_result`, for a caller that holds the tensor's lock."""
    root, steps = _root_of(tensor)
    if steps or result.type.is_scalar or not _lie_alike(root, result):
        steps = _settled(steps, tensor)
        flat = (root.node, root._output_index, result.node, result._output_index)
        _move_on(root, Assign(steps, EVERYTHING), flat, find_source())
        return
    storage_of(root).write(root, result.node, result._output_index, is_connected)


@contextmanager
def writing_to(*targets: Any) -> Iterator[None]:
    """Hold the locks of the tensors among the targets, while their new values are computed and written."""
    locks = {id(lock): lock for lock in [write_lock(each) for each in targets if isinstance(each, TensorHandle)]}
    with ExitStack() as stack:
        # Always in the same order, else two threads that write to the same tensors could wait for each other.
        for _, lock in sorted(locks.items()):
            stack.enter_context(lock)
        yield


def _lie_alike(tensor: TensorHandle, result: Any) -> bool:
    """Return whether both surely lie in the same order in memory. A write must not change the order of its target."""
    if tensor.ndim < 2 or tensor.node is result.node:
        return True
    return is_surely_in_c_order(result) and is_surely_in_c_order(tensor)


def is_writable(tensor: TensorHandle) -> bool:
    """Return whether numpy would allow writes to the tensor."""
    _, steps = _root_of(tensor)
    return not tensor._type.is_scalar and not any(step.is_read_only for step in steps)


def base_of(tensor: TensorHandle) -> TensorHandle | None:
    """Return the tensor that a view shares memory with; None for a tensor with memory of its own."""
    root, steps = _root_of(tensor)
    if not steps:
        return None
    owner = storage_of(root).owner_now()
    if owner is tensor:
        return None
    return root if owner is None else owner


def _root_of(tensor: TensorHandle) -> tuple[TensorHandle, tuple[Operation, ...]]:
    while (root := root_of(tensor)) is not None:
        if is_connected(tensor):
            return root, steps_of(tensor)
    return tensor, ()


def is_connected(view: TensorHandle) -> bool:
    """Return whether numpy shares memory between a view and its base. Asked once, by the first write, of the layout.

    A view that numpy would have copied (a reshape of an array with gaps) is detached here: it becomes a tensor of its
    own. A view that was detached earlier shares nothing; views of live memory are detached when they are taken.
    """
    shared = view_of(view)
    if shared is None:
        return False
    if shared.is_connected is not None:
        return shared.is_connected
    root, via = shared.root(), shared.via
    if via is not None and is_view_of(via, root) and not is_connected(via):
        # `via`, the view that this one was taken of, has been detached: it is the base now.
        return is_view_of(view, root)
    shared.is_connected = shares_memory(root, shared.steps)
    if not shared.is_connected:
        shared.detach(view)
    return shared.is_connected


def _check_writable(steps: Sequence[Operation], tensor: TensorHandle) -> None:
    if any(step.is_read_only for step in steps):
        raise ReadOnlyError(
            f"assignment destination is read-only: {described(tensor)} shows elements several times, is a"
            " diagonal of another tensor or was made read-only; take a copy() and assign to that"
        )
    for step in steps:
        if step.warning_of_writes:
            warn_user(step.warning_of_writes, DeprecationWarning)


def _settled(steps: tuple[Operation, ...], tensor: TensorHandle) -> tuple[Operation, ...]:
    """Return the steps with lazy parameters read; raises numpy's error if the tensor is read-only."""
    if not steps:
        return steps
    _check_writable(steps, tensor)
    return tuple([step.settled() for step in steps])


def cast_for_writing(
    tensor: Any, result: Any, function_name: str, casting: Any = "same_kind", shape: Shape | None = None
) -> LazyTensor:
    """Return a ufunc's result in the dtype of the tensor to which it is written.

    casting: numpy's casting rule
    shape:   the shape to which the result will be broadcast; its own without

    Raises:  DtypeError: the casting rule forbids the tensor's dtype; ShapeError: the tensor has another shape
    """
    if not np.can_cast(result.dtype, tensor.dtype, casting):
        raise DtypeError(
            f"Cannot cast ufunc {function_name!r} output from {result.dtype!r} to {tensor.dtype!r} with casting rule"
            f" {casting!r}: the in-place operator keeps the dtype of {described(tensor)}; write x = x + y, or convert with"
            " astype first"
        )
    shape = result.shape if shape is None else shape
    if shape != tensor.shape:
        raise ShapeError(
            f"non-broadcastable output operand with shape {spell_shape(tensor.shape)} doesn't match the"
            f" broadcast shape {spell_shape(shape)}: the in-place operator keeps the shape of"
            f" {described(tensor)}; write x = x + y"
        )
    cast: LazyTensor = result if result.dtype == tensor.dtype else result.astype(tensor.dtype)
    return cast
