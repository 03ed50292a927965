"""What is known of each torch tensor: its lazy tensor, the memory it looks at, and how to derive it again after a write.

Nodes belong to tensors, writes to memory: all tensors on one storage share a `Memory`; one of them is its root, the others
are views with steps back to it. A write moves the memory to a new version; views derive their value again when they are
asked for it. May import carrying, inputs, views and composit's core.
"""

from __future__ import annotations

import math
import weakref
from itertools import islice
from typing import Any, TypeAlias

import torch

from composit.apply import leaf
from composit.errors import AssignmentError, StaleTensorError
from composit.guards import mention_read, reads_of
from composit.handle import described, make_tensor
from composit.node import Node
from composit.operation import Array, Input, Shape
from composit.source import Source
from flashlight.capture.tensor_attributes import TensorAttribute, attach, attribute_of
from flashlight.capture.views import View
from flashlight.conversion import numpy_dtype
from flashlight.inputs import TorchInput, version_of

Lazy: TypeAlias = Any  # Any: LazyTensor, whose operators mypy would check against numpy's overloads

_MEMORY = "_flashlight_memory"

MAX_REMEMBERED_READS = 3  # as many as an error shows


class Memory:
    """One torch storage: how often the trace saw it written to, its root, and the inputs that share its bytes.

    It lives as long as the storage, which holds it as an attribute.
    """

    __slots__ = ("inputs", "num_roots", "root", "version", "views")

    def __init__(self) -> None:
        self.version = 0
        self.num_roots = 0
        self.root: TracedTensor | None = None
        self.inputs: list[weakref.ref[TorchInput]] = []
        self.views: list[weakref.ref[TracedTensor]] = []

    def traced_tensors(self) -> list[TracedTensor]:
        """Return the root and all views that live."""
        views = (reference() for reference in self.views)
        return [traced for traced in (self.root, *views) if traced is not None]

    def snapshot(self) -> None:
        """Copy the inputs' values: torch is about to write to the memory that they share."""
        for reference in self.inputs:
            shared = reference()
            if shared is not None:
                shared.snapshot()
        self.inputs.clear()


class TracedTensor(TensorAttribute):
    """One torch tensor's lazy tensor.

    handle:   the lazy tensor at version `at` of the memory; None where only a weak reference to a leaf is kept
    parent:   the traced tensor this one is a view of, None for a root; `view` says how
    node:     for a tensor made before the trace, its node, weakly: known while some graph uses it
    version:  torch's own count of writes when the value was taken, to notice writes that the trace did not see
    """

    __slots__ = (
        "__weakref__",
        "address",
        "at",
        "handle",
        "index",
        "memory",
        "node",
        "offset",
        "parent",
        "reads",
        "shape",
        "stride",
        "version",
        "view",
    )

    def __init__(self, tensor: torch.Tensor, memory: Memory, handle: Lazy) -> None:
        super().__init__(tensor)
        self.memory = memory
        self.handle = handle
        self.at = memory.version
        self.version = version_of(tensor)
        self.parent: TracedTensor | None = None
        self.view: View | None = None
        self.node: weakref.ref[Node] | None = None
        self.index = 0
        self.reads: tuple[tuple[str, Source | None, Array], ...] = ()
        self.address = 0
        self.shape: Shape = ()
        self.stride: Shape = ()
        self.offset = 0

    def __call__(self) -> Lazy:
        """Return the lazy tensor; the protocol of composit, called outside of traces.

        Raises:  StaleTensorError: torch wrote to the tensor after the trace, so its graph no longer gives its value
        """
        tensor = self._owner()
        if self.is_stale(tensor):
            self._check_stale(tensor)
        return self.current()

    def _check_stale(self, tensor: torch.Tensor) -> None:
        node = self.node() if self.node is not None else None
        if self.node is None:
            raise StaleTensorError(
                f"lazy_tensor: the torch tensor of shape {tuple(tensor.shape)} was written to after its trace ended, so the graph no "
                "longer gives its value; write inside the trace, or keep a clone of it before writing"
            )
        if node is None or not isinstance(node.operation, Input):
            # A buffer that the trace wrote to and others wrote to since: its value now is a fresh input.
            self.node, self.index = weakref.ref(_input_of(tensor, self.memory, None).node), 0

    def is_stale(self, tensor: torch.Tensor) -> bool:
        """Return whether the tensor was written to, or given other memory, where the trace could not see it."""
        if self.at == self.memory.version and version_of(tensor) != self.version:
            return True
        return (self.node is not None and tensor.data_ptr() != self.address) or self.tensor() is not tensor

    def current(self) -> Lazy:
        """Return the lazy tensor of the tensor's present value."""
        if self.at != self.memory.version:
            self._catch_up()
        if self.handle is not None:
            return self.handle
        return self.revived()

    def _catch_up(self) -> None:
        if self.parent is not None and self.view is not None:
            self.handle = self.view.of(self.parent.current())
        self.at = self.memory.version
        self.settle()

    def revived(self, label: str | None = None) -> Lazy:
        """Return the lazy tensor of a leaf that a trace let go: its node if some graph still has it, else a new input."""
        assert self.node is not None, "only leaves let go of their handle"
        node = self.node()
        if node is not None:
            return make_tensor(node, self.index)
        handle = _input_of(self._owner(), self.memory, label)
        # What Python read of it before says, in errors, why nothing depends on it; no graph is checked against it.
        leaf_node = handle.node
        for kind, source, value in self.reads:
            mention_read(leaf_node, kind, source, value)
        self.node, self.index = weakref.ref(leaf_node), 0
        return handle

    def was_changed(self) -> bool:
        """Return whether the tensor still lives and was written to where the trace could not see it."""
        tensor = self.tensor()
        return tensor is not None and self.is_stale(tensor)

    def has_layout_of(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor on the memory of this root has the very same elements."""
        return (
            self._has_dtype_of(tensor)
            and self.offset == tensor.storage_offset()
            and self.shape == tuple(tensor.shape)
            and self.stride == tensor.stride()
        )

    def contains(self, tensor: torch.Tensor) -> bool:
        """Return whether this root is contiguous, and all elements of a tensor on its memory are among its own."""
        spans = (stride * (length - 1) for stride, length in zip(tensor.stride(), tensor.shape, strict=True))
        first = int(tensor.storage_offset()) - self.offset
        is_contiguous = self.stride == torch.empty(self.shape, device="meta").stride()
        return (
            self._has_dtype_of(tensor)
            and is_contiguous
            and first >= 0
            and tensor.numel() > 0
            and first + sum(spans) < math.prod(self.shape)
        )

    def _has_dtype_of(self, tensor: torch.Tensor) -> bool:
        return bool(self.current().dtype == numpy_dtype(tensor.dtype))

    def write(self, value: Lazy) -> None:
        """Take the value that torch has just written into the tensor; its other views follow when they are read.

        Raises:  AssignmentError: the memory was met through tensors that overlap in ways that cannot be followed
        """
        if self.parent is not None and self.view is not None:
            parent = self.parent.current()
            self.parent.write(self.view.write(parent, value))
        elif self.memory.num_roots > 1:
            raise AssignmentError(_overlapping(value))
        else:
            self.memory.version += 1
        self.handle = value
        self.at = self.memory.version

    def settle(self) -> None:
        """Take torch's present count of writes as the one that belongs to the value.

        Torch counts a write, and lets a view share its base's count, only after the trace has seen the operation.
        """
        tensor = self.tensor()
        if tensor is not None:
            self.version = version_of(tensor)

    def let_go(self) -> None:
        """Keep a leaf's node weakly only: the trace is over."""
        if self.handle is not None:
            operation = self.handle.node.operation
            if isinstance(operation, Input) and not self.reads:
                guards = islice(reads_of(self.handle.node), MAX_REMEMBERED_READS)
                self.reads = tuple((guard.kind, guard.source, guard.value) for guard in guards)
            self.node, self.index = weakref.ref(self.handle.node), self.handle.output_index
            self.handle = None


def _overlapping(value: Lazy) -> str:
    return (
        f"capture: a write of {described(value)} into memory that the trace met through several tensors, none of which contains the "
        "others; expected one tensor that the others are views of; use that tensor, or clones of its parts, inside the trace"
    )


def memory_of(tensor: torch.Tensor) -> Memory | None:
    """Return what is known of the tensor's storage, None if nothing."""
    known: Memory | None = getattr(tensor.untyped_storage(), _MEMORY, None)
    return known


def add_result(tensor: torch.Tensor, handle: Lazy) -> TracedTensor:
    """Record a tensor that an operation has just made in memory of its own."""
    memory = Memory()
    traced = TracedTensor(tensor, memory, handle)
    _make_root(tensor, traced, memory)
    return traced


def add_view(tensor: torch.Tensor, handle: Lazy, parent: TracedTensor, view: View) -> TracedTensor:
    """Record a tensor that looks at another's memory."""
    traced = TracedTensor(tensor, parent.memory, handle)
    traced.parent = parent
    traced.view = view
    parent.memory.views.append(weakref.ref(traced))
    attach(tensor, traced)
    return traced


def add_leaf(tensor: torch.Tensor, label: str | None, memory: Memory | None = None) -> TracedTensor:
    """Record a tensor that was made where no trace saw it: an input that shares the tensor's memory."""
    memory = Memory() if memory is None else memory
    handle = _input_of(tensor, memory, label)
    traced = TracedTensor(tensor, memory, handle)
    traced.node = weakref.ref(handle.node)
    traced.address = tensor.data_ptr()
    if memory.root is None:
        _make_root(tensor, traced, memory)
    else:
        memory.num_roots += 1
        attach(tensor, traced)
    return traced


def _make_root(tensor: torch.Tensor, traced: TracedTensor, memory: Memory) -> None:
    memory.root = traced
    memory.num_roots = 1
    traced.shape, traced.stride, traced.offset = tuple(tensor.shape), tensor.stride(), int(tensor.storage_offset())
    setattr(tensor.untyped_storage(), _MEMORY, memory)
    attach(tensor, traced)


def _input_of(tensor: torch.Tensor, memory: Memory, label: str | None) -> Lazy:
    operation = TorchInput(tensor)
    memory.inputs = [reference for reference in memory.inputs if reference() is not None]
    memory.inputs.append(weakref.ref(operation))
    return leaf(operation, label)


def traced_tensor_of(tensor: torch.Tensor) -> TracedTensor | None:
    """Return the tensor's own record, None if it has none."""
    traced: TracedTensor | None = attribute_of(tensor)
    return traced
