"""Memory that a tensor shows while others write to it element by element, as nditer does.

While memory is held, the tensor is a view of it: reading copies what is there at that moment, and assigning writes
there. After the last holder has released it, the tensor is an ordinary one again. May import guards, node, operation,
apply, handle, view_lists, and layout, writes of this folder.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from composit.apply import input_of
from composit.guards import read_value
from composit.handle import (
    TensorHandle,
    give_node,
    make_tensor,
    root_of,
    take_node,
    write_lock,
)
from composit.node import Node
from composit.numpy.views.layout import stand_in_of
from composit.numpy.views.writes import is_connected
from composit.operation import Array
from composit.view_lists import present_views, taken_views


class _NoViews:
    """The list of views of live memory, always empty: no view keeps the node of its last read."""

    __slots__ = ()

    def append(self, reference: weakref.ref[TensorHandle]) -> None:
        view = reference()
        # A view that copied keeps its old value, so it keeps its node.
        if view is not None and is_connected(view):
            take_node(view)

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Any]:
        return iter(())


_NO_VIEWS: Any = _NoViews()


class LiveMemory(TensorHandle):
    """The base of a tensor whose memory is held. Its node is a new input, with a copy of the memory, at each read.

    memory:  the array that others write to
    holders: the number of those
    """

    __slots__ = ("_written", "holders", "memory")
    shows_memory = True

    def __init__(self, tensor: TensorHandle, memory: Array) -> None:
        self.memory = memory
        self.holders = 0
        self._type = tensor._type
        self._base = None
        self._steps = ()
        self._lock = write_lock(tensor)
        self._owner = weakref.ref(tensor)
        self._early = None

    @property
    def _node(self) -> Node:
        return input_of(self.memory.copy(order="K"))._node

    @_node.setter
    def _node(self, node: Node) -> None:
        self._written = node

    @property
    def _output_index(self) -> int:
        return 0

    @_output_index.setter
    def _output_index(self, index: int) -> None:
        # A write sets first the node, then this. Write only its elements: the others may be another thread's.
        operation = self._written.operation
        if operation.updates_operand:
            others = [read_value(make_tensor(*pair), "") for pair in self._written.operands[1:]]
            operation.update_in_place(self.memory, *others)
        else:
            self.memory[...] = read_value(make_tensor(self._written, index), "")

    @property
    def _views(self) -> Any:
        return _NO_VIEWS

    @_views.setter
    def _views(self, views: Any) -> None:
        """Live memory has no views to forget."""


def memory_of(tensor: TensorHandle) -> Array:
    """Return the tensor's value as an array with numpy's layout; a view of the memory if that is held."""
    root = _base_in_memory(tensor)
    array = root.memory if isinstance(root, LiveMemory) else _laid_out(root)
    for step in tensor._steps if root is not tensor else ():
        part = step.view_without_copy(array) if step.depends_on_layout else step.view_of(array)
        assert part is not None, "a view that is connected shares memory"
        array = part
    return array


def _base_in_memory(tensor: TensorHandle) -> TensorHandle:
    while (root := root_of(tensor)) is not None:
        if is_connected(tensor):
            return root
    return tensor


def _laid_out(tensor: TensorHandle) -> Array:
    value = np.asarray(read_value(tensor, "nditer"))
    layout = stand_in_of(tensor)
    if value.strides == layout.strides:
        return value
    array = np.empty_like(layout, value.dtype)
    array[...] = value
    array.flags.writeable = False
    return array


def hold(tensor: TensorHandle, memory: Array | None = None) -> LiveMemory:
    """Make a tensor and its views show memory that may be written to, and return that memory.

    memory: the array to use, by default a copy of the value
    """
    with write_lock(tensor):
        root = _base_in_memory(tensor)
        if not isinstance(root, LiveMemory):
            value = np.array(_laid_out(root), order="K", copy=True) if memory is None else memory
            root = _made_live(root, value)
        root.holders += 1
        return root


def _made_live(root: TensorHandle, memory: Array) -> LiveMemory:
    # `is_connected` may remove views from the tensor's list, so it is called for all before the list is taken.
    for view in present_views(root):
        if view._base is root:
            is_connected(view)
    live = LiveMemory(root, memory)
    root._base, root._steps, root._is_connected = live, (), True
    take_node(root)
    for view in taken_views(root):
        if view._base is root and is_connected(view):
            view._base = live
            take_node(view)
    return live


def release(live: LiveMemory) -> None:
    """Release the memory. With the last holder, the tensor gets the value that is there now."""
    with write_lock(live):
        live.holders -= 1
        if not live.holders:
            _end(live)


def _end(live: LiveMemory) -> None:
    node = live._node
    root = live._owner()
    if root is None:
        # The tensor is gone and only views of it are left, as in `x = ones((3, 3)).T`: they become views of the value.
        root = make_tensor(node)
        root._lock = live._lock
        live._base = root
        return
    # The node goes first, since another thread may read the tensor at any step.
    give_node(root, node)
    root._base = None
    del root._is_connected
    # Views of the memory become views of the tensor: `root_of` follows one such step.
    live._base = root


def record_at(tensor: TensorHandle, index: tuple[Any, ...]) -> Any:
    """Return one record, which numpy lets people write to. The tensor shows what they write."""
    root = _base_in_memory(tensor)
    if root._type.dtype.kind != "V":
        # A record viewed in an array of numbers is read-only: holding the memory would end the history of the numbers.
        return np.asarray(read_value(tensor, "getitem"))[index]
    live = hold(tensor)
    memory = memory_of(tensor).view()
    weakref.finalize(memory, release, live)
    return memory[index]
