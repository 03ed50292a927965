"""Elements of traced tensors that are read, or may be written, as the bytes of a storage: guards of the tensors whose they are."""

from __future__ import annotations

from typing import Protocol

import torch

from composit.guards import Guard
from composit.types import LazyTensor
from flashlight.capture.layouts import Layout, layout_of
from flashlight.capture.memory import memory_in, memory_of
from flashlight.capture.read_guards import ReadGuards
from flashlight.capture.tensor_attributes import forget
from flashlight.capture.trace_record import TraceRecord
from flashlight.capture.traced_tensors import TracedTensor, traced_tensor_of
from flashlight.table import Call


class _Recorder(Protocol):
    """The part of the recorder that is needed here."""

    reads: ReadGuards
    trace: TraceRecord

    def settle(self) -> None: ...
    def read(self, tensor: torch.Tensor) -> LazyTensor: ...
    def export(self, tensor: torch.Tensor) -> None: ...


def hand_out(recorder: _Recorder, storage: torch.UntypedStorage, kind: str) -> tuple[Guard, ...]:
    """Guard the elements in a storage, and watch for writes to them; return the guards. kind: of the read"""
    memory = memory_in(storage)
    if memory is None or memory.is_nested:
        return ()
    recorder.settle()
    guards = [_guarded(recorder, root, storage, kind) for root in list(memory.roots)]
    whole = Layout(_address_of(storage), (storage.nbytes(),), (1,), (torch.uint8, False, False))
    recorder.export(_tensor_on(storage, whole))
    return tuple(guard for guard in guards if guard is not None)


def take_memory(recorder: _Recorder, call: Call) -> object:
    """Run `tensor.set_(storage)`, after which the tensor is met anew: an input, or a view of what the storage holds.

    The values of a view under another dtype have no expression, so they are guarded.
    """
    tensor = call.arguments[0]
    recorder.trace.note_moved(tensor, traced_tensor_of(tensor))
    result = call.result
    forget(tensor)
    memory, layout = memory_of(tensor), layout_of(tensor)
    for root in [] if memory is None else list(memory.roots):
        if root.layout.reads != layout.reads and root.layout.may_overlap(layout):
            _guarded(recorder, root, tensor.untyped_storage(), "set_")
    return result


def _guarded(recorder: _Recorder, root: TracedTensor, storage: torch.UntypedStorage, kind: str) -> Guard | None:
    owner = root.tensor()
    if owner is not None:
        return recorder.reads.mark(recorder.read(owner), kind, owner)
    return recorder.reads.mark(root.current(), kind, _tensor_on(storage, root.layout))


def _tensor_on(storage: torch.UntypedStorage, layout: Layout) -> torch.Tensor:
    """Return a tensor in a storage with the layout of one that is gone."""
    dtype, is_conjugate, is_negative = layout.reads
    begin = (layout.address - _address_of(storage)) // dtype.itemsize
    # Unseen by modes: nothing is computed.
    with torch._C._DisableTorchDispatch(), torch.no_grad():
        made = torch.empty(0, dtype=dtype).set_(storage, begin, layout.shape, layout.strides)
        made = made.conj() if is_conjugate else made
        return torch._neg_view(made) if is_negative else made


def _address_of(storage: torch.UntypedStorage) -> int:
    # Past the replacement of this method while a trace is open.
    address: int = super(torch.UntypedStorage, storage).data_ptr()
    return address
