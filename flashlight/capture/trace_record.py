"""`TraceRecord`: what the recorders of one trace share, one for each of its threads."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any

import torch

from composit.guards import Guard
from composit.read_spans import Span
from composit.types import LazyTensor
from flashlight.capture.other_threads import watch_other_threads

if TYPE_CHECKING:
    from flashlight.capture.traced_tensors import TracedTensor


class TraceRecord:
    """One trace, from its beginning to its end.

    leaves: the tensors made before the trace that it has met
    starts: what tensors made before it held before it wrote to them; kept because tensors met later may need them
    written: the tensors made before it on memory that it wrote to
    moved:   the shapes of tensors made before it that it gave other memory or another shape
    reads:  the values that Python read through torch
    span:   the nodes that were built while it was open
    has_threads: whether another thread took part
    follows_gradients: whether autograd was enabled when it began
    others: watches for tensors of threads that are not recorded; None where there is no other thread
    lock:   held while a thread records an operation, so that two that meet a tensor at once make one input of it
    """

    __slots__ = (
        "follows_gradients",
        "has_threads",
        "is_open",
        "leaves",
        "lock",
        "moved",
        "others",
        "reads",
        "span",
        "starts",
        "written",
    )

    def __init__(self) -> None:
        self.leaves: list[TracedTensor] = []
        self.starts: list[LazyTensor] = []
        self.written: list[TracedTensor] = []
        self.moved: list[tuple[int, ...]] = []
        self.reads: list[Guard] = []
        self.span = Span()
        self.is_open = True
        self.has_threads = False
        self.follows_gradients = torch.is_grad_enabled()
        self.lock = RLock()
        self.others = watch_other_threads()

    def own(self, result: Any) -> Any:  # Any: what an operation returns
        """Return a result that the trace made and did not record: it is none of another thread."""
        if self.others is not None:
            self.others.own(result)
        return result

    def note_moved(self, tensor: torch.Tensor, traced: TracedTensor | None) -> None:
        """Note that a tensor made before the trace gets other memory or another shape, which no value of a graph says."""
        if traced is None or traced.made_in is not self:
            self.moved.append(tuple(tensor.shape))

    def close(self) -> None:
        """End the trace: keep inputs of tensors made before it only weakly."""
        self.is_open = False
        self.span.close()
        if self.others is not None:
            self.others.close(self.leaves, self.span)
        for traced in self.leaves:
            traced.release()
        self.leaves.clear()
        self.starts.clear()
        self.written.clear()
        self.moved.clear()
        self.reads.clear()
