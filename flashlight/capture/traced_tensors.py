"""`TracedTensor`: the lazy tensor of a torch tensor, and how it follows writes to the memory it shares.

All tensors on one storage share a `Memory`. One of them is the root, the others are views of it. A write gives the root a new
value and the memory a new version; a view derives its value again when it is next read:

    y = x[0]     # y's lazy tensor is x[0]
    x.add_(1)    # it becomes (x + 1)[0] when y is next used
"""

from __future__ import annotations

import math
import weakref
from itertools import islice

import torch

from composit.apply import leaf
from composit.errors import AssignmentError, StaleTensorError
from composit.guards import mention_read, reads_of
from composit.handle import described, make_tensor
from composit.node import Node
from composit.operation import Array, Input, Shape
from composit.source import Source
from composit.types import LazyTensor
from flashlight.capture.tensor_attributes import TensorAttribute, attach, attribute_of
from flashlight.capture.views import View
from flashlight.conversion import numpy_dtype
from flashlight.inputs import TorchInput, version_of

_MEMORY = "_flashlight_memory"

MAX_REMEMBERED_READS = 3  # as many as an error shows


class Memory:
    """One torch storage: the number of writes seen, the root and its views, and the inputs that share the bytes.

    The storage holds it as an attribute, so both die together.
    """

    __slots__ = ("inputs", "num_roots", "root", "version", "views")

    def __init__(self) -> None:
        self.version = 0
        self.num_roots = 0
        self.root: TracedTensor | None = None
        self.inputs: list[weakref.ref[TorchInput]] = []
        self.views: list[weakref.ref[TracedTensor]] = []

    def traced_tensors(self) -> list[TracedTensor]:
        """Return the root and all live views."""
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
    """The lazy tensor of one torch tensor.

    handle:   the lazy tensor at version `at` of the memory; None for a leaf whose trace has ended
    parent:   the traced tensor this one is a view of, None for a root; `view` says how
    node:     of a leaf, a tensor made before the trace: a weak reference to its node, alive while a graph uses it
    version:  torch's count of writes when the value was taken; another count now means a write that no trace saw
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

    def __init__(self, tensor: torch.Tensor, memory: Memory, handle: LazyTensor) -> None:
        super().__init__(tensor)
        self.memory = memory
        self.handle: LazyTensor | None = handle
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

    def __call__(self) -> LazyTensor:
        """Return the lazy tensor: composit's protocol, called outside of traces.

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
            # A buffer (a running mean) written in the trace and again after it: its present value is a fresh input.
            self.node, self.index = weakref.ref(_input_of(tensor, self.memory, None).node), 0

    def is_stale(self, tensor: torch.Tensor) -> bool:
        """Return whether the tensor was written to, or got other memory, outside of traces."""
        if self.at == self.memory.version and version_of(tensor) != self.version:
            return True
        return (self.node is not None and tensor.data_ptr() != self.address) or self.tensor() is not tensor

    def current(self) -> LazyTensor:
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

    def revived(self, label: str | None = None) -> LazyTensor:
        """Return the lazy tensor of a released leaf: on its node if a graph still uses it, else on a new input."""
        assert self.node is not None, "only leaves let go of their handle"
        node = self.node()
        if node is not None:
            return make_tensor(node, self.index)
        handle = _input_of(self._owner(), self.memory, label)
        # Errors about an input that nothing depends on mention its earlier reads; these reads guard no new graph.
        leaf_node = handle.node
        for kind, source, value in self.reads:
            mention_read(leaf_node, kind, source, value)
        self.node, self.index = weakref.ref(leaf_node), 0
        return handle

    def was_changed(self) -> bool:
        """Return whether the tensor is alive and stale."""
        tensor = self.tensor()
        return tensor is not None and self.is_stale(tensor)

    def has_layout_of(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor on this root's memory has exactly the root's elements, in the same order."""
        return (
            self._has_dtype_of(tensor)
            and self.offset == tensor.storage_offset()
            and self.shape == tuple(tensor.shape)
            and self.stride == tensor.stride()
        )

    def contains(self, tensor: torch.Tensor) -> bool:
        """Return whether this root is contiguous and contains all elements of a tensor on its memory."""
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

    def write(self, value: LazyTensor) -> None:
        """Set the value that torch has just written into the tensor; views of its memory follow when they are next read.

        Raises:  AssignmentError: several tensors share the memory, and none contains the others
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
        """Store torch's present count of writes as the count of the present value.

        To be called after the operation: only then does torch count its write, and let a view share its base's count.
        """
        tensor = self.tensor()
        if tensor is not None:
            self.version = version_of(tensor)

    def release(self) -> None:
        """Release a leaf at the end of a trace: keep its node only weakly."""
        if self.handle is not None:
            operation = self.handle.node.operation
            if isinstance(operation, Input) and not self.reads:
                guards = islice(reads_of(self.handle.node), MAX_REMEMBERED_READS)
                self.reads = tuple((guard.kind, guard.source, guard.value) for guard in guards)
            self.node, self.index = weakref.ref(self.handle.node), self.handle.output_index
            self.handle = None


def _overlapping(value: LazyTensor) -> str:
    return (
        f"trace: a write of {described(value)} into memory that the trace met through several tensors, none of which contains the "
        "others; expected one tensor that the others are views of; use that tensor, or clones of its parts, inside the trace"
    )


def memory_of(tensor: torch.Tensor) -> Memory | None:
    """Return the `Memory` of the tensor's storage, None if no trace has seen it."""
    known: Memory | None = getattr(tensor.untyped_storage(), _MEMORY, None)
    return known


def add_result(tensor: torch.Tensor, handle: LazyTensor) -> TracedTensor:
    """Attach a lazy tensor to a result that has memory of its own."""
    memory = Memory()
    traced = TracedTensor(tensor, memory, handle)
    _make_root(tensor, traced, memory)
    return traced


def add_view(tensor: torch.Tensor, handle: LazyTensor, parent: TracedTensor, view: View) -> TracedTensor:
    """Attach a lazy tensor to a view of another traced tensor."""
    traced = TracedTensor(tensor, parent.memory, handle)
    traced.parent = parent
    traced.view = view
    parent.memory.views.append(weakref.ref(traced))
    attach(tensor, traced)
    return traced


def add_leaf(tensor: torch.Tensor, label: str | None, memory: Memory | None = None) -> TracedTensor:
    """Make a tensor that no trace has seen an input that shares its memory."""
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


def _input_of(tensor: torch.Tensor, memory: Memory, label: str | None) -> LazyTensor:
    operation = TorchInput(tensor)
    memory.inputs = [reference for reference in memory.inputs if reference() is not None]
    memory.inputs.append(weakref.ref(operation))
    return leaf(operation, label)


def traced_tensor_of(tensor: torch.Tensor) -> TracedTensor | None:
    """Return what is attached to the tensor, None if no trace has seen it."""
    traced: TracedTensor | None = attribute_of(tensor)
    return traced
