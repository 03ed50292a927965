"""Memory of numpy's that a tensor shows while others write to it element by element, as numpy's iterators do.

A tensor whose memory is held becomes a view of that memory: looking at it copies what is there at that moment, and
assigning to it writes there. When the last holder lets go it is a tensor like any other again. May import layout,
assignment, apply, guards, handle.
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
    """The views of live memory: none keeps the node that it was looked at with."""

    __slots__ = ()

    def append(self, reference: weakref.ref[TensorHandle]) -> None:
        view = reference()
        # One that copied has what was there when it was made.
        if view is not None and is_connected(view):
            take_node(view)

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Any]:
        return iter(())


_NO_VIEWS: Any = _NoViews()


class LiveMemory(TensorHandle):
    """What a held tensor is a view of: its node is a new input at each look, holding a copy.

    memory:  the array that others write to
    holders: how many of them there are
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
        # What a write moves a tensor on to, set after its node. Elements that are not written to may be another thread's.
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
        """There are none to forget."""


def memory_of(tensor: TensorHandle) -> Array:
    """Return the array of a tensor as numpy would lay it out: part of the memory held for its base, if that is held."""
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
    """Return the memory of a tensor's base, to be written to, and make the tensor and all its views show it.

    memory: the array that becomes the memory, by default a copy of the value
    """
    with write_lock(tensor):
        root = _base_in_memory(tensor)
        if not isinstance(root, LiveMemory):
            value = np.array(_laid_out(root), order="K", copy=True) if memory is None else memory
            root = _made_live(root, value)
        root.holders += 1
        return root


def _made_live(root: TensorHandle, memory: Array) -> LiveMemory:
    # To ask of a view whether it copied may take others away from the tensor.
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
    """Let go of memory; with the last holder the tensor gets what is there now."""
    with write_lock(live):
        live.holders -= 1
        if not live.holders:
            _end(live)


def _end(live: LiveMemory) -> None:
    node = live._node
    root = live._owner()
    if root is None:
        # Only views of the tensor are left, as in `x = ones((3, 3)).T`: they become views of the value.
        root = make_tensor(node)
        root._lock = live._lock
        live._base = root
        return
    # The node first: another thread may look at the tensor at any step.
    give_node(root, node)
    root._base = None
    del root._is_connected
    # Views of the memory are views of the tensor again: `root_of` follows one step.
    live._base = root


def record_at(tensor: TensorHandle, index: tuple[Any, ...]) -> Any:
    """Return one record of a tensor, which numpy lets people write to: the tensor shows what is written there."""
    root = _base_in_memory(tensor)
    if root._type.dtype.kind != "V":
        # Numbers have a history that holding their memory would end: their records can be read only.
        return np.asarray(read_value(tensor, "getitem"))[index]
    live = hold(tensor)
    memory = memory_of(tensor).view()
    weakref.finalize(memory, release, live)
    return memory[index]
