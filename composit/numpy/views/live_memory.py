"""Memory that a tensor shows while others write to it element by element, as nditer does.

While memory is held, the tensor is a view of it: reading copies what is there at that moment, and assigning writes
there. After the last holder has released it, the tensor is an ordinary one again.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from composit.apply import input_of
from composit.guards import read_value
from composit.handle import TensorHandle, make_tensor
from composit.node import Node
from composit.numpy.views.layout import stand_in_of
from composit.numpy.views.writes import is_connected
from composit.operation import Array
from composit.source import Source
from composit.storage import (
    IsConnected,
    Storage,
    View,
    give_node,
    is_view_of,
    root_of,
    share,
    steps_of,
    storage_of,
    take_node,
    write_lock,
)


class _LiveStorage(Storage):
    """Memory that others write to: a read makes a new input with a copy of it, and a write changes the array itself."""

    __slots__ = ()
    is_live = True

    def read(self, tensor: TensorHandle, source: Source | None) -> Node:
        return input_of(_array_of(tensor).copy(order="K")).node

    def write(self, tensor: TensorHandle, node: Node, output_index: int, is_connected: IsConnected) -> None:
        # Write only the elements of this write: the others may be another thread's.
        operation = node.operation
        if operation.updates_operand:
            others = [read_value(make_tensor(*pair), "") for pair in node.operands[1:]]
            operation.update_in_place(_array_of(tensor), *others)
        else:
            _array_of(tensor)[...] = read_value(make_tensor(node, output_index), "")

    def add(self, view: TensorHandle) -> None:
        # The list stays empty: views keep no node from read to read, except one that copied, which keeps its old value.
        if is_connected(view):
            take_node(view)


class LiveMemory(TensorHandle):
    """The base of a tensor whose memory is held. Its node is a new input, with a copy of the memory, at each read.

    memory:  the array that others write to
    holders: the number of those
    before:  the tensor's storage, which it gets back at the end
    """

    __slots__ = ("before", "holders", "memory")

    def __init__(self, tensor: TensorHandle, memory: Array) -> None:
        self.memory = memory
        self.holders = 0
        self.before = storage_of(tensor)
        self._node = None
        self._output_index = 0
        self._type = tensor._type
        self._early = None
        share(self, _LiveStorage(write_lock(tensor), weakref.ref(tensor)))


def _array_of(base: TensorHandle) -> Array:
    assert isinstance(base, LiveMemory), "live storage belongs to live memory"
    return base.memory


def memory_of(tensor: TensorHandle) -> Array:
    """Return the tensor's value as an array with numpy's layout; a view of the memory if that is held."""
    root = _base_in_memory(tensor)
    array = root.memory if isinstance(root, LiveMemory) else _laid_out(root)
    for step in steps_of(tensor) if root is not tensor else ():
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
    # `is_connected` may detach other views of the tensor, so it is called for all before anything changes.
    before = storage_of(root)
    for view in before.present_views():
        if is_view_of(view, root):
            is_connected(view)
    live = LiveMemory(root, memory)
    shown = View(live, ())
    shown.is_connected = True
    share(root, shown)
    take_node(root)
    # The tensor's views still name it as their base: `View.root` follows to the memory.
    before.take_nodes_of_views(live, is_connected)
    return live


def release(live: LiveMemory) -> None:
    """Release the memory. With the last holder, the tensor gets the value that is there now."""
    with write_lock(live):
        live.holders -= 1
        if not live.holders:
            _end(live)


def _end(live: LiveMemory) -> None:
    node, storage = live.node, live.before
    owner = storage_of(live).owner_now()
    if owner is not None and not is_view_of(owner, live):
        # Resized meanwhile: it has other memory now.
        owner = None
    if owner is not None and not steps_of(owner):
        base: TensorHandle = owner
        # The node goes first, since another thread may read the tensor at any step.
        give_node(base, node)
    else:
        # Only views are left, as in `x = ones((3, 3)).T`, or the tensor has a new shape: all become views of the value.
        base = make_tensor(node)
        storage.owner = None if owner is None else weakref.ref(owner)
    share(base, storage)
    # Views of the memory become views of this base: `View.root` follows.
    share(live, View(base, ()))


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
