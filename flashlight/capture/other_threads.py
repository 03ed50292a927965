"""`OtherThreads`: tensors that threads which a trace did not start make while it is open.

    pool thread: y = x * 5          # not recorded: the thread is older than the trace
    the trace:   z = y + 1          # y looks like a parameter, a tensor made before the trace

Of other `x` the value of `y` is not known, so a guard compares every tensor that the trace met, unless `inputs=` gives `y` too.
A tensor counts as made by such a thread if Python has known it only since the trace began, its memory is torch's own, and some
other thread has run meanwhile. A write of such a thread to a tensor that the trace has not met yet is not seen.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves

from composit.errors import GuardError
from composit.guards import Guard
from composit.node import Node, next_serial, root_origin
from composit.operation import Array, Input
from composit.read_spans import Span
from composit.source import Source, describe_source, find_source
from composit.types import LazyTensor
from composit.value import Identity, Value
from flashlight.capture.patches import Patch

if TYPE_CHECKING:
    from flashlight.capture.traced_tensors import TracedTensor

FOREIGN = "a tensor of a thread that the trace did not start"
# The nanoseconds that a thread has run, by Linux.
_SCHEDULER = "/proc/self/task/{}/schedstat"


class ForeignTensorGuard(Guard):
    """The value that a leaf had when another thread made a tensor, which may depend on it.

    foreign: that tensor; where it is given too, nothing depends on what the thread computed
    """

    __slots__ = ("foreign",)

    def __init__(self, leaf: Node, foreign: _Foreign) -> None:
        super().__init__((leaf, 0), FOREIGN, foreign.source, np.bool_(True), foreign.after)
        self.foreign = foreign.value

    @property
    def released_by(self) -> Identity | None:  # type: ignore[override]  # of all others it is None
        """The tensor of the other thread."""
        return self.foreign.identity

    def check(self, value: Array, cause: Exception | None = None) -> None:
        """Raise GuardError unless the leaf has its old value."""
        operation = self.read.node.operation
        if isinstance(operation, Input) and np.array_equal(operation.read(), value, equal_nan=value.dtype.kind in "fc"):
            return
        raise GuardError(
            f"guard: a thread that the trace did not start made a tensor {self.foreign.node.types[0]} used at\n"
            f"  {describe_source(self.source)}\nso the trace does not know how it follows from the tensors that are given other values "
            "now; start the thread inside the trace, or give inputs= the tensor too, or pass guards='ignore' if it does not depend on them"
        ) from cause


class _Foreign:
    """A tensor of another thread, as the trace met it. after: as `Guard.after`"""

    __slots__ = ("after", "source", "value")

    def __init__(self, lazy: LazyTensor) -> None:
        self.value = Value(lazy.node, 0)
        self.source: Source | None = find_source()
        self.after = next_serial()


class OtherThreads:
    """Watches, from its beginning to `close`, which tensors are new to Python and whether threads run that are not recorded."""

    __slots__ = ("_found", "_new", "_owned", "_ran_before", "_recorded")

    def __init__(self) -> None:
        self._found: list[_Foreign] = []
        # By id: where a new tensor has gone, only another new object can get its address.
        self._new: set[int] = set()
        self._owned: set[int] = set()
        self._recorded = {threading.get_native_id()}
        self._ran_before = _running_times()
        # Objects that Python makes from now on are in the youngest generation until the next collection.
        gc.collect(0)
        gc.callbacks.append(self._before_collection)

    def join(self) -> None:
        """Note that this thread is recorded."""
        self._recorded.add(threading.get_native_id())

    def own(self, result: Any) -> None:  # Any: what an operation returns
        """Note that tensors that are new to Python are none of another thread, as `parameter.grad`."""
        self._owned.update(id(each) for each in tree_leaves(result) if isinstance(each, torch.Tensor))

    def meet(self, tensor: torch.Tensor, lazy: LazyTensor) -> bool:
        """Note a leaf that the trace meets; return whether another thread may have made it."""
        is_owned = id(tensor) in self._owned
        self._owned.discard(id(tensor))
        has_values = tensor.numel() > 0  # what is empty depends on nothing, as the start of a cache
        is_foreign = has_values and not is_owned and self._is_new(tensor) and _is_of_torch(tensor) and self._have_run()
        if is_foreign:
            self._found.append(_Foreign(lazy))
        return is_foreign

    def _is_new(self, tensor: torch.Tensor) -> bool:
        return id(tensor) in self._new or any(each is tensor for each in gc.get_objects(0))

    def _before_collection(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._new.update(id(each) for each in gc.get_objects(0) if issubclass(type(each), torch.Tensor))

    def _have_run(self) -> bool:
        """Return whether a thread that is not recorded has run Python since the beginning."""
        now, before = _running_times(), self._ran_before
        if now is None or before is None:
            return True
        return any(before.get(thread) != now.get(thread) for thread in (before.keys() | now.keys()) - self._recorded)

    def close(self, leaves: Sequence[TracedTensor], span: Span) -> None:
        """End the watch: guard the values of the leaves that the trace has met."""
        gc.callbacks.remove(self._before_collection)
        for foreign in self._found:
            guards = [
                ForeignTensorGuard(node, foreign) for node in _replaceable(leaves) if node is not foreign.value.node
            ]
            for guard in guards:
                guard.span = span
                origin = root_origin(guard.read.node)
                if origin is not None:
                    origin.note(guard)
            if guards:
                span.note(guards[0])
        self._found.clear()


def watch_other_threads() -> OtherThreads | None:
    """Return a watch, None where no thread but this one runs Python."""
    return OtherThreads() if len(sys._current_frames()) > 1 else None


def gradient_patch(watch_of_this_thread: Any) -> Patch:  # Any: a function without arguments
    """Return the patch by which a gradient that Python has not asked for before is known as torch's."""

    def make(original: Any) -> property:  # Any: torch's descriptor
        def get(tensor: torch.Tensor) -> torch.Tensor | None:
            found: torch.Tensor | None = original.__get__(tensor)
            watch = watch_of_this_thread()
            if watch is not None:
                watch.own(found)
            return found

        return property(get, original.__set__, original.__delete__)

    return Patch(torch.Tensor, "grad", make)


def _is_of_torch(tensor: torch.Tensor) -> bool:
    """Return whether torch allocated the memory: that of numpy's arrays and of other libraries it cannot resize."""
    return torch._C.TensorBase.untyped_storage(tensor).resizable()


def _replaceable(leaves: Sequence[TracedTensor]) -> Iterator[Node]:
    for traced in leaves:
        if traced.tensor() is not None:
            yield from (lazy.node for lazy in traced.__lazy_inputs__())


def _running_times() -> dict[int, int] | None:
    """Return how long each thread of Python has run, by its number; None where the system does not tell."""
    times: dict[int, int] = {}
    threads = threading.enumerate()
    if len(threads) < len(sys._current_frames()):
        # Some were not started by `threading`.
        return None
    for thread in threads:
        try:
            with open(_SCHEDULER.format(thread.native_id), encoding="ascii") as file:
                times[thread.native_id or 0] = int(file.read().split()[0])
        except FileNotFoundError:
            # It has ended, unless the system has no such files.
            if thread.is_alive():
                return None
    return times
