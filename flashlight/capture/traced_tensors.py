"""`TracedTensor`: the lazy tensor of a torch tensor, and how it follows writes to the memory it shares.

A write gives a root of the memory a new value and the memory a new version (flashlight/capture/memory.py); a view derives its
value again when it is next read:

    y = x[0]     # y's lazy tensor is x[0]
    x.add_(1)    # it becomes (x + 1)[0] when y is next used

What is given for a tensor later, in `inputs={x: array}`, takes the place of its value at the start of the trace.
"""

from __future__ import annotations

import weakref
from itertools import islice
from typing import Any

import torch

from composit.apply import leaf
from composit.errors import StaleTensorError
from composit.guards import mention_read, reads_of
from composit.handle import make_tensor
from composit.node import Node, relabelled
from composit.operation import Array, Input
from composit.source import Source
from composit.types import LazyTensor
from flashlight.capture.active import active_recorder
from flashlight.capture.layouts import Layout, address_of, layout_of, overwritten
from flashlight.capture.memory import Memory, check_same_elements, keep_memory
from flashlight.capture.scatter import scatter
from flashlight.capture.tensor_attributes import TensorAttribute, attach, attribute_of
from flashlight.capture.trace_record import TraceRecord
from flashlight.capture.views import View
from flashlight.conversion import has_elements
from flashlight.inputs import TorchInput, copied_input, version_of

MAX_REMEMBERED_READS = 3  # as many as an error shows
MAX_STARTS = 8  # traces whose outputs can still be given other values for a tensor that each of them wrote to


class TracedTensor(TensorAttribute):
    """The lazy tensor of one torch tensor.

    handle:   the lazy tensor at version `at` of the memory; None for a leaf that no write has changed since its trace ended
    parent:   the traced tensor this one is a view of, None for a root; `view` says how
    node:     of a leaf, a tensor made before the trace: a weak reference to its input, alive while a graph uses it
    starts:   what the tensor was at the start of traces that wrote to it, the latest first, as weak references
    made_in:  the trace that made the tensor, None for one from outside of traces; seen_in: the last trace that read it
    named_in: the last trace that gave a leaf its name, None if none did
    layout:   of a root, and of a view with an inverse: where its elements lie
    version:  torch's count of writes when the value was taken; another count now means a write that no trace saw
    """

    __slots__ = (
        "__weakref__",
        "address",
        "at",
        "handle",
        "layout",
        "made_in",
        "memory",
        "named_in",
        "node",
        "parent",
        "reads",
        "seen_in",
        "starts",
        "version",
        "view",
    )

    layout: Layout

    def __init__(self, tensor: torch.Tensor, memory: Memory, handle: LazyTensor, trace: TraceRecord) -> None:
        super().__init__(tensor)
        self.memory = memory
        self.handle: LazyTensor | None = handle
        self.at = memory.version
        self.version = version_of(tensor)
        self.address = address_of(tensor)
        self.parent: TracedTensor | None = None
        self.view: View | None = None
        self.node: weakref.ref[Node] | None = None
        self.made_in: TraceRecord | None = trace
        self.seen_in = trace
        self.named_in: TraceRecord | None = None
        self.starts: tuple[tuple[weakref.ref[Node], int], ...] = ()
        self.reads: tuple[tuple[str, Source | None, Array], ...] = ()

    def __call__(self) -> LazyTensor:
        """Return the lazy tensor: composit's protocol, called outside of traces.

        Raises:  StaleTensorError: torch wrote to the tensor after the trace, so its graph no longer gives its value
        """
        tensor = self._owner()
        if self.is_stale(tensor):
            self._check_stale(tensor)
        return self.current()

    def __lazy_inputs__(self) -> list[LazyTensor]:
        """Return the values that `inputs={tensor: array}` may replace: at the start of each trace that is alive, latest first."""
        starts = ((reference(), index) for reference, index in self.starts)
        alive = [make_tensor(node, index) for node, index in starts if node is not None]
        if not alive and self.starts and self.memory.written_in is self.seen_in:
            # The trace overwrote all of it, as `x.copy_(y)` does: what it held before decides nothing, and what it holds now
            # is computed from other tensors. An input that no graph uses makes `inputs=` say so.
            alive.append(self._unused_input())
        return alive or [self.current()]

    def reduce_ex(self, protocol: int) -> Any:  # Any: what pickle takes
        """Pickle the tensor without the attributes; inside a trace that is a read of its values, which torch's patched method notes."""
        tensor, recorder = self._owner(), active_recorder()
        if recorder is None or recorder.is_paused or not has_elements(tensor):
            return super().reduce_ex(protocol)
        return type(tensor).__reduce_ex__(tensor, protocol)

    def deepcopy(self, memo: dict[int, Any]) -> torch.Tensor:
        """Copy the tensor without the attributes; inside a trace the copy has the same value in the graph."""
        recorder = active_recorder()
        if recorder is None or recorder.is_paused:
            return super().deepcopy(memo)
        return recorder.copied(self, lambda: super(TracedTensor, self).deepcopy(memo))

    def _check_stale(self, tensor: torch.Tensor) -> None:
        if self.node is None:
            raise StaleTensorError(
                f"lazy_tensor: the torch tensor of shape {tuple(tensor.shape)} was written to after its trace ended, so the graph no "
                "longer gives its value; write inside the trace, or keep a clone of it before writing"
            )
        if self.handle is not None:
            # A buffer (a running mean) written in the trace and again after it: its present value is a fresh input.
            self._restart(None)

    def is_stale(self, tensor: torch.Tensor) -> bool:
        """Return whether the tensor was written to, or got other memory, outside of traces."""
        if self.at == self.memory.version and version_of(tensor) != self.version:
            return True
        return address_of(tensor) != self.address or self.tensor() is not tensor

    def current(self) -> LazyTensor:
        """Return the lazy tensor of the tensor's present value."""
        if self.at != self.memory.version:
            self._catch_up()
        if self.handle is not None:
            return self.handle
        node = self._known_input()
        return self._restart(None) if node is None else make_tensor(node)

    def _catch_up(self) -> None:
        if self.parent is not None and self.view is not None:
            self.handle = self.view.of(self.parent.current())
        self.at = self.memory.version
        self.settle()

    def begin(self, trace: TraceRecord, label: str | None = None) -> None:
        """Begin a trace with the tensor: a leaf is an input, the one it was before if its value is still the same."""
        self.seen_in = trace
        if self.node is None:
            if self.parent is not None and self.made_in is None and self.parent.seen_in is not trace:
                # A view made before all traces: what its base is in this one decides its value.
                self.parent.begin(trace)
            return
        if label is not None:
            self.named_in = trace
        node = self._known_input()
        if node is not None and self.handle is None and not _was_changed(node):
            # Another model may call the same tensor by another name.
            self.handle = make_tensor(node if label in (None, node.label) else relabelled(node, label))
            self.node = weakref.ref(self.handle.node)
        else:
            self.handle = self._restart(label)
        trace.leaves.append(self)

    def renew(self) -> LazyTensor:
        """Make the present value of a leaf a fresh input, which no earlier trace has used; return it."""
        self.handle = self._restart(None)
        return self.handle

    def give_name(self, label: str) -> None:
        """Name a leaf that has no name yet in its trace, as an argument of a model that was used before the model was called."""
        node = self._known_input()
        is_named = self.named_in is self.seen_in
        if node is not None and not is_named and self.handle is not None and self.handle.node is node:
            self.named_in = self.seen_in
            self.handle = make_tensor(relabelled(node, label))
            self.node = weakref.ref(self.handle.node)
            self.remember_start()

    def is_lost(self) -> bool:
        """Return whether the tensor is gone, and its input too: another tensor may keep the memory of both."""
        return self.node is not None and self.handle is None and self.tensor() is None and self._known_input() is None

    def _known_input(self) -> Node | None:
        return None if self.node is None else self.node()

    def _unused_input(self) -> LazyTensor:
        handle: LazyTensor = copied_input(self._owner())
        for kind, source, value in self.reads:
            mention_read(handle.node, kind, source, value)
        return handle

    def _restart(self, label: str | None) -> LazyTensor:
        """Make a leaf's present value a fresh input."""
        assert self.node is not None, "only leaves let go of their handle"
        before, tensor = self._known_input(), self._owner()
        handle = _input_of(tensor, self.memory, label or (before.label if before is not None else None))
        # Not kept here: the input keeps the tensor, which keeps this.
        self.handle = None
        # Errors about an input that nothing depends on mention its earlier reads; these reads guard no new graph.
        for kind, source, value in self.reads:
            mention_read(handle.node, kind, source, value)
        self.node = weakref.ref(handle.node)
        self.memory.version += 1
        for root in self.memory.roots:
            root.at = self.memory.version
        self.settle()
        self.remember_start()
        return handle

    def remember_start(self) -> None:
        """Remember the present value as the one at the start of a trace, which `inputs=` replaces."""
        self._remember(self.current())

    def _remember(self, handle: LazyTensor) -> None:
        start = (weakref.ref(handle.node), handle.output_index)
        # By identity: an equal node with another label may be all that is left of the input when the other one dies.
        alive = [(each, each[0]()) for each in self.starts]
        older = [each for each, node in alive if node is not None and (node is not handle.node or each[1] != start[1])]
        self.starts = (start, *older[: MAX_STARTS - 1])

    def starts_for_other_memory(self, trace: TraceRecord) -> tuple[tuple[weakref.ref[Node], int], ...]:
        """Return `starts` for the tensor's next record: the trace gives it other memory or another shape, as `t_` does."""
        if self.made_in is not trace and self.memory.written_in is not trace:
            self.remember_start()
        return self.starts

    def value_at_start(self, trace: TraceRecord) -> LazyTensor:
        """Return what a tensor from before the trace was at its start."""
        if self.parent is not None and self.view is not None:
            return self.view.of(self.parent.value_at_start(trace))
        is_start_known = self.node is not None or self.memory.written_in is trace
        return self.__lazy_inputs__()[0] if is_start_known else self.current()

    def is_written(self) -> bool:
        """Return whether the trace that began last with the tensor has written to it."""
        return bool(self.starts) and self.starts[0][0]() is not self.current().node

    def input_at_start(self) -> TorchInput | None:
        """Return the input that the tensor was at the start of the present trace, None if it was a result."""
        node = self._known_input()
        operation = None if node is None else node.operation
        return operation if isinstance(operation, TorchInput) else None

    def was_written_unseen(self) -> bool:
        """Return whether the tensor is alive, still on its memory, and was written to outside of traces."""
        tensor = self.tensor()
        return tensor is not None and address_of(tensor) == self.address and self.is_stale(tensor)

    def write(self, value: LazyTensor) -> None:
        """Set the value that torch has just written into the tensor; views of its memory follow when they are next read.

        Raises:  AssignmentError: tensors of several dtypes, made before the trace, share the memory
        """
        if self.parent is None:
            self.memory.overwrite(self, value)
            return
        inverse = None if self.view is None else self.view.inverse
        if inverse is not None:
            self.parent.write(inverse(self.parent.current(), value))
            self.set_written(value)
            return
        holder, layout = self._holder(), layout_of(self._owner())
        check_same_elements(layout, holder.layout, value)
        positions = layout.positions_in(holder.layout)
        if holder.layout.overlaps_itself:
            holder.write(overwritten(holder.current(), holder.layout, value, layout))
        else:
            holder.write(scatter(holder.current(), value, positions))
        if _all_differ(positions.reshape(-1)):
            self.set_written(value)

    def _holder(self) -> TracedTensor:
        """Return the nearest base whose elements are this view's: a root, or a view with an inverse."""
        holder = self
        while holder.parent is not None and holder.view is not None and holder.view.inverse is None:
            holder = holder.parent
        return holder

    def set_written(self, value: LazyTensor) -> None:
        """Set the value at the memory's present version."""
        self.handle = value
        self.at = self.memory.version

    def settle(self) -> None:
        """Store torch's present count of writes as the count of the present value, and where the elements lie now.

        To be called after the operation: only then does torch count its write, and let a view share its base's count.
        """
        tensor = self.tensor()
        if tensor is None:
            return
        self.version = version_of(tensor)
        if self.address != address_of(tensor):
            # The operation resized the tensor, as `out=` does.
            self.address = address_of(tensor)
            if self.parent is None:
                self.layout = layout_of(tensor)

    def release(self) -> None:
        """Release a leaf at the end of a trace: keep its input only weakly, and what the trace wrote to it strongly."""
        handle = self.handle
        if handle is None or not isinstance(handle.node.operation, Input):
            return
        if not self.reads:
            guards = islice(reads_of(handle.node), MAX_REMEMBERED_READS)
            self.reads = tuple((guard.kind, guard.source, guard.value) for guard in guards)
        if handle.node is self._known_input():
            self.handle = None


def _was_changed(node: Node) -> bool:
    return isinstance(node.operation, TorchInput) and node.operation.was_changed()


def _all_differ(positions: Array) -> bool:
    steps = positions[1:] - positions[:-1]
    return bool((steps > 0).all()) or len(set(positions.tolist())) == positions.size


def add_result(tensor: torch.Tensor, handle: LazyTensor, trace: TraceRecord) -> TracedTensor:
    """Attach a lazy tensor to a result that has memory of its own."""
    memory = Memory()
    traced = TracedTensor(tensor, memory, handle, trace)
    traced.layout = layout_of(tensor)
    memory.roots.append(traced)
    keep_memory(tensor, memory)
    attach(tensor, traced)
    return traced


def add_view(
    tensor: torch.Tensor, handle: LazyTensor, parent: TracedTensor, view: View, trace: TraceRecord
) -> TracedTensor:
    """Attach a lazy tensor to a view of another traced tensor."""
    earlier = traced_tensor_of(tensor)
    traced = TracedTensor(tensor, parent.memory, handle, trace)
    traced.starts = () if earlier is None else earlier.starts_for_other_memory(trace)
    traced.parent = parent
    traced.view = view
    if view.inverse is not None:
        traced.layout = layout_of(tensor)
    parent.memory.views.append(weakref.ref(traced))
    attach(tensor, traced)
    return traced


def add_adopted_view(tensor: torch.Tensor, parent: TracedTensor, view: View, trace: TraceRecord) -> TracedTensor:
    """Attach to a tensor made before the trace its view of a traced tensor, which the trace may have written to by now."""
    start = parent.value_at_start(trace)
    traced = add_view(tensor, view.of(parent.current()), parent, view, trace)
    traced.made_in = None
    if parent.memory.written_in is trace:
        traced._remember(view.of(start))
    return traced


def add_leaf(tensor: torch.Tensor, label: str | None, trace: TraceRecord, memory: Memory | None = None) -> TracedTensor:
    """Make a tensor that no trace has seen an input that shares its memory.

    memory: that of other tensors on the same storage
    """
    memory = Memory() if memory is None else memory
    is_late = memory.written_in is trace and bool(memory.roots)
    start = memory.value_at_start(tensor) if is_late else None
    handle = _input_of(tensor, memory, label, start)
    traced = TracedTensor(tensor, memory, handle, trace)
    traced.made_in = None
    traced.named_in = None if label is None else trace
    traced.node = weakref.ref(handle.node)
    traced.layout = layout_of(tensor)
    earlier = traced_tensor_of(tensor)
    traced.starts = () if earlier is None else earlier.starts
    traced.remember_start()
    trace.leaves.append(traced)
    if is_late:
        traced.handle = memory.value_of_late(tensor, handle)
    memory.add_root(traced)
    keep_memory(tensor, memory)
    attach(tensor, traced)
    return traced


def _input_of(tensor: torch.Tensor, memory: Memory, label: str | None, value: Array | None = None) -> LazyTensor:
    operation = TorchInput(tensor, value)
    memory.add_input(operation)
    return leaf(operation, label)


def traced_tensor_of(tensor: torch.Tensor) -> TracedTensor | None:
    """Return what is attached to the tensor, None if no trace has seen it."""
    traced: TracedTensor | None = attribute_of(tensor)
    return traced
