"""`trace` captures unmodified torch code as graphs; `lazy_tensor` returns the lazy tensor of a torch tensor.

The capture of each operation is in flashlight/capture.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

import torch

from composit.containers import flatten
from composit.errors import OperandError, TracingError
from composit.handle import described
from composit.read_spans import current_span
from composit.source import register_internal_package
from flashlight.capture.active import active, active_recorder, thread_patches
from flashlight.capture.autograd_functions import function_patches
from flashlight.capture.other_threads import OtherThreads, gradient_patch
from flashlight.capture.patches import Patch, patched
from flashlight.capture.recorder import Recorder
from flashlight.capture.torch_modes import RecordingMode, torch_patches
from flashlight.capture.trace_record import TraceRecord
from flashlight.comparison import TorchValues, kept_values
from flashlight.sizes.recording import SizedRecorder
from flashlight.sizes.sessions import Dynamic, sized

# Errors and guards show the line of the model, not torch's line inside nn.Linear.
register_internal_package(os.path.dirname(os.path.abspath(__file__)))
register_internal_package(os.path.dirname(os.path.abspath(torch.__file__)))


@contextmanager
def trace(*, run_torch: bool = False, dynamic: Dynamic | None = None) -> Iterator[Recorder]:
    """Capture the torch operations inside as composit graphs, while torch computes as always on ordinary tensors.

    Each resulting tensor carries its lazy tensor (`flashlight.lazy_tensor(tensor)`), and composit's functions take it as it
    is. Parameters are inputs under their dotted names and share torch's memory; modules are name scopes. A value that Python
    reads (`.item()`, `if tensor:`) becomes a guard. `run_torch=True` keeps torch's value of every node, for
    `flashlight.compare`.

    `dynamic={tokens: {0: "batch", 1: "length"}}` names sizes: the graph is built again for arrays of other such sizes, in
    `evaluate(..., inputs={tokens: array})`. Where Python's code looked at a size, other answers raise GuardError with its line.

    Threads that start inside, and tasks given to a ThreadPoolExecutor, belong to the trace. A trace inside a trace joins the
    outer one. Leaving the trace, also by an exception, restores torch.

    Raises:  OperandError, ParameterError, ShapeError: `dynamic` does not name sizes of tensors; TracingError: it does in an inner trace
    Example:
        >>> import torch, composit as cnp
        >>> with trace():
        ...     y = torch.ones(3).exp()
        >>> cnp.evaluate(y).shape
        (3,)
    """
    outer = active_recorder()
    if outer is not None:
        _check_outermost(dynamic)
        with _keeping(outer, run_torch):
            yield outer
        return
    record = TraceRecord()
    with ExitStack() as stack:
        stack.callback(record.close)
        stack.enter_context(
            patched(
                (
                    *torch_patches(),
                    *thread_patches(_inside),
                    gradient_patch(_watch),
                    *function_patches(trace),
                    Patch(torch.nn.Module, "__call__", _calling),
                )
            )
        )
        mode = RecordingMode() if not dynamic else stack.enter_context(sized(dynamic, record))  # type: ignore[no-untyped-call]
        recorder = stack.enter_context(_recording(record, None, mode))
        stack.enter_context(_keeping(recorder, run_torch))
        with _own_errors(recorder):
            yield recorder


@contextmanager
def _own_errors(recorder: Recorder) -> Iterator[None]:
    """Raise the error of an operation where torch's interpreter of scripts, which ran it, raises one without its words."""
    try:
        yield
    except RuntimeError as error:
        if recorder.raised is not None and "TorchScript interpreter" in str(error):
            raise recorder.raised from error
        raise


def _check_outermost(dynamic: Dynamic | None) -> None:
    if dynamic:
        raise TracingError(
            f"trace: dynamic= of {len(dynamic)} tensors was given inside another trace; expected it where the trace begins; name the sizes "
            "in the outer trace"
        )


@contextmanager
def _recording(record: TraceRecord, values: TorchValues | None, mode: RecordingMode) -> Iterator[Recorder]:
    """Record what this thread does in a trace."""
    before = active.recorder
    recorder = active.recorder = mode.record(record, values)
    if record.others is not None:
        record.others.join()
    span = current_span.set(record.span)
    try:
        with mode:
            yield recorder
    finally:
        active.recorder = before
        current_span.reset(span)
        recorder.close()


def _watch() -> OtherThreads | None:
    recorder = active_recorder()
    return None if recorder is None else recorder.trace.others


def _inside(outer: Recorder, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that another thread runs, recorded in the trace of the one that starts it."""

    @wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        own = active_recorder()
        # A thread of a pool that an earlier trace started still has the recorder of that.
        if not outer.trace.is_open or (own is not None and own.trace.is_open):
            return function(*args, **kwargs)
        outer.trace.has_threads = True
        if isinstance(outer, SizedRecorder):
            outer.mode.obstruct("another thread took part in the trace")
        with _recording(outer.trace, outer.values, RecordingMode()):  # type: ignore[no-untyped-call]
            return function(*args, **kwargs)

    return recorded


def lazy_tensor(output: Any) -> Any:  # Any: torch tensors in containers of any kind, and lazy tensors in the same
    """Return the lazy tensor of a torch tensor; for a container (a ModelOutput, a dict), the same container of lazy tensors.

    Raises:  OperandError: no trace saw a tensor in it; StaleTensorError: torch wrote to it after its trace
    """
    handles, rebuild = flatten(output)
    if not handles:
        raise OperandError(
            f"lazy_tensor: {described(output):.80} of type {type(output).__name__} carries no lazy tensor; expected a tensor that was "
            "computed or used inside flashlight.tracer.trace(), or a container of such; run the model inside a trace"
        )
    return rebuild(handles)


@contextmanager
def _keeping(recorder: Recorder, run_torch: bool) -> Iterator[None]:
    before = recorder.values
    if run_torch:
        recorder.values = kept_values
    try:
        yield
    finally:
        recorder.values = before


def _calling(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the call of modules that opens their scopes in the trace of the thread that calls."""

    @wraps(original)
    def call(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        recorder = active_recorder()
        if recorder is None or recorder.is_paused:
            return original(module, *args, **kwargs)
        recorder.enter(module, args, kwargs)
        output = None
        try:
            output = original(module, *args, **kwargs)
        finally:
            recorder.leave(module, output)
        return output

    return call
