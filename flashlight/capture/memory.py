"""`Memory`: the traced tensors on one torch storage, and how a write to one of them reaches the others.

The elements live in *roots*: results of operations, and tensors made before the trace, which are inputs of their own even
where they share memory (a cache and a row of it). All other tensors are views of a root. A write replaces the value of a
root, and of the roots that overlap it:

    row = cache[0]       # before the trace: two roots
    row.copy_(x)         # inside: row is x, and cache is concatenate([x, cache[1:]])
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import numpy as np
import torch

from composit.errors import AssignmentError
from composit.handle import described
from composit.operation import Array, Input
from composit.types import LazyTensor
from flashlight.capture.layouts import Layout, layout_of, overwritten
from flashlight.capture.trace_record import TraceRecord
from flashlight.capture.views import LayoutView, SameView, View
from flashlight.conversion import array_of, bytes_of
from flashlight.inputs import TorchInput, checksum

if TYPE_CHECKING:
    from flashlight.capture.traced_tensors import TracedTensor

_MEMORY = "_flashlight_memory"


class Memory:
    """One torch storage: the number of writes seen, the roots and their views, and the inputs that share the bytes.

    The storage holds it as an attribute, so both die together.

    written_in:  the trace that wrote to it last, None if no trace did
    is_unfilled: whether it is of `torch.empty` and no operation has written to it; C++ may have, through a pointer
    is_nested:   whether a nested tensor lies in it, whose parts are followed apart: nothing can be written to it
    exported:    elements that Python got as an array, with the checksum of what torch last left in them; else None
    """

    __slots__ = ("exported", "inputs", "is_nested", "is_unfilled", "roots", "version", "views", "written_in")

    def __init__(self) -> None:
        self.version = 0
        self.roots: list[TracedTensor] = []
        self.views: list[weakref.ref[TracedTensor]] = []
        self.inputs: list[weakref.ref[TorchInput]] = []
        self.written_in: TraceRecord | None = None
        self.is_unfilled = False
        self.is_nested = False
        self.exported: tuple[Array, int] | None = None

    def export(self, tensor: torch.Tensor) -> None:
        """Note that Python got the elements of a tensor as memory that it may write to."""
        array = bytes_of(tensor)
        self.exported = (array, checksum(array))

    def was_written_outside(self) -> bool:
        """Return whether exported elements have changed, other than by an operation of torch; True once for each change."""
        if self.exported is None:
            return False
        before = self.exported[1]
        self.note_contents()
        return self.exported[1] != before

    def note_contents(self) -> None:
        """Take what exported elements hold now as what torch left in them."""
        if self.exported is not None:
            self.exported = (self.exported[0], checksum(self.exported[0]))

    def traced_tensors(self) -> list[TracedTensor]:
        """Return the roots and all live views."""
        views = (reference() for reference in self.views)
        return [*self.roots, *(view for view in views if view is not None)]

    def add_root(self, traced: TracedTensor) -> None:
        """Add a root, and drop those whose tensors are gone and which no trace can meet any more."""
        self.roots = [root for root in self.roots if root.tensor() is not None or root.seen_in is traced.seen_in]
        self.roots.append(traced)

    def _forget_lost_roots(self) -> None:
        """Drop roots whose values nothing can say any more; tensors on their elements are then inputs of their own."""
        self.roots = [root for root in self.roots if not root.is_lost()]

    def add_input(self, operation: Input) -> None:
        """Add an input that shares the memory."""
        self.inputs = [reference for reference in self.inputs if reference() is not None]
        if isinstance(operation, TorchInput):
            self.inputs.append(weakref.ref(operation))

    def forget_counts(self) -> None:
        """Watch the elements of the inputs, not torch's count of writes: an operation moves a tensor and changes no element."""
        for operation in (reference() for reference in self.inputs):
            if operation is not None:
                operation.forget_count()

    def was_changed(self) -> bool:
        """Return whether some living root was written to outside of traces."""
        return any(root.was_written_unseen() for root in self.roots)

    def base_of(self, tensor: torch.Tensor, is_made_inside: bool = False) -> tuple[TracedTensor, View] | None:
        """Return the root that a tensor is a view of, and how; None if it is an input of its own.

        is_made_inside: an operation of the trace made the tensor, so that it depends on any root that contains it

        A result holds all there is in its memory. A tensor made before the trace does only for one on the same elements, and
        for its views that autograd follows.
        """
        self._forget_lost_roots()
        layout = layout_of(tensor)
        for root in self.roots:
            if root.layout == layout:
                return root, SameView()
        for root in self.roots:
            owner = root.tensor()
            is_followed = tensor.grad_fn is not None and owner is not None and owner.requires_grad
            if (
                (root.node is None or is_followed or is_made_inside)
                and root.layout.reads == layout.reads
                and (layout.positions_in(root.layout) >= 0).all()
            ):
                return root, LayoutView(layout, root.layout)
        return None

    def begin_writes(self, trace: TraceRecord) -> None:
        """Get ready for the first write of a trace: remember what tensors made before it held, and copy inputs' values."""
        if self.written_in is not trace:
            self.written_in = trace
            for traced in self.traced_tensors():
                if traced.made_in is not trace and traced.tensor() is not None:
                    if traced.seen_in is not trace:
                        traced.begin(trace)
                    traced.remember_start()
                    trace.starts.append(traced.current())
                    trace.written.append(traced)
        for reference in self.inputs:
            shared = reference()
            if shared is not None:
                shared.snapshot()
        self.inputs.clear()

    def overwrite(self, written: TracedTensor, value: LazyTensor) -> None:
        """Set the value of a root that torch has just overwritten, and of the roots that share elements with it."""
        self._forget_lost_roots()
        others = [root for root in self.roots if root is not written and root.layout.may_overlap(written.layout)]
        before = [root.current() for root in others]
        self.version += 1
        self.is_unfilled = False
        for root, old in zip(others, before, strict=True):
            check_same_elements(root.layout, written.layout, value)
            root.set_written(overwritten(old, root.layout, value, written.layout))
        for root in self.roots:
            root.at = self.version
        written.set_written(value)

    def value_at_start(self, tensor: torch.Tensor) -> Array:
        """Return what a tensor that the trace meets late held at its start: its memory with the writes taken back.

        Raises:  AssignmentError: a result of an earlier trace was written to, whose old value is in no memory
        """
        layout, values = layout_of(tensor), np.array(array_of(tensor))
        for root in self.roots:
            if not root.is_written() or not root.layout.may_overlap(layout):
                continue
            positions = layout.positions_in(root.layout)
            if (positions < 0).all():
                continue
            start = root.input_at_start()
            if start is None:
                raise AssignmentError(_met_late(tensor))
            np.copyto(values, start.value.reshape(-1)[np.maximum(positions, 0)], where=positions >= 0)
        return values

    def value_of_late(self, tensor: torch.Tensor, start: LazyTensor) -> LazyTensor:
        """Return the present value of a tensor that the trace meets late: the value at its start with the writes."""
        layout, value = layout_of(tensor), start
        for root in self.roots:
            if root.is_written() and root.layout.may_overlap(layout):
                check_same_elements(layout, root.layout, start)
                value = overwritten(value, layout, root.current(), root.layout)
        return value


def memory_of(tensor: torch.Tensor) -> Memory | None:
    """Return the `Memory` of the tensor's storage, None if no trace has seen it."""
    return memory_in(_storage_of(tensor))


def memory_in(storage: torch.UntypedStorage) -> Memory | None:
    """Return the `Memory` of a storage, None if no trace has seen it."""
    known: Memory | None = getattr(storage, _MEMORY, None)
    return known


def keep_memory(tensor: torch.Tensor, memory: Memory) -> None:
    """Keep a `Memory` with the tensor's storage."""
    setattr(_storage_of(tensor), _MEMORY, memory)


def _storage_of(tensor: torch.Tensor) -> torch.UntypedStorage:
    # Past the replacement of this method while a trace is open.
    return torch._C.TensorBase.untyped_storage(tensor)


def check_same_elements(layout: Layout, other: Layout, value: LazyTensor) -> None:
    """Raise unless two tensors on one memory read its bytes alike, so that a write to one can reach the other."""
    if layout.reads != other.reads:
        raise AssignmentError(
            f"trace: a write of {described(value)} into memory that the trace met as {_words(other)} and as {_words(layout)}; expected "
            "tensors of one dtype; give the trace a clone of the second"
        )


def _words(layout: Layout) -> str:
    dtype, is_conjugate, is_negative = layout.reads
    return f"{'conjugate ' if is_conjugate else ''}{'negative ' if is_negative else ''}{dtype}"


def _met_late(tensor: torch.Tensor) -> str:
    return (
        f"trace: a tensor of shape {tuple(tensor.shape)} was met after the memory that it shares with a result of an earlier trace was "
        "written to, so its value before the write is not known; expected the result itself; use it, or a view of it made "
        "inside the trace, or a clone"
    )
