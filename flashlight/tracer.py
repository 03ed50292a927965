"""`trace` captures unmodified torch code as graphs; `lazy_tensor` returns the lazy tensor of a torch tensor.

The capture of each operation is in flashlight/capture.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from composit.containers import flatten
from composit.errors import OperandError
from composit.handle import described
from composit.source import register_internal_package
from flashlight.capture.recorder import Recorder
from flashlight.capture.torch_modes import ReadingMode, RecordingMode
from flashlight.comparison import kept_values

# Errors and guards show the line of the model, not torch's line inside nn.Linear.
register_internal_package(os.path.dirname(os.path.abspath(__file__)))
register_internal_package(os.path.dirname(os.path.abspath(torch.__file__)))


_current = threading.local()


@contextmanager
def trace(*, run_torch: bool = False) -> Iterator[Recorder]:
    """Capture the torch operations inside as composit graphs, while torch computes as always on ordinary tensors.

    Each resulting tensor carries its lazy tensor (`flashlight.lazy_tensor(tensor)`), and composit's functions take it as it
    is. Parameters are inputs under their dotted names and share torch's memory; modules are name scopes. A value that Python
    reads (`.item()`, `if tensor:`) becomes a guard. `run_torch=True` keeps torch's value of every node, for
    `flashlight.compare`.

    A trace captures only its own thread, as torch's modes do; tensors from other threads are inputs when used inside. A trace
    inside a trace joins the outer one. Leaving the trace, also by an exception, restores torch.

    Example:
        >>> import torch, composit as cnp
        >>> with trace():
        ...     y = torch.ones(3).exp()
        >>> cnp.evaluate(y).shape
        (3,)
    """
    outer: Recorder | None = getattr(_current, "recorder", None)
    if outer is not None:
        with _keeping(outer, run_torch):
            yield outer
        return
    with ExitStack() as stack:
        dispatch = RecordingMode()  # type: ignore[no-untyped-call]
        recorder = dispatch.recorder = Recorder(lambda: dispatch, None)
        _current.recorder = recorder
        stack.callback(delattr, _current, "recorder")
        stack.callback(recorder.close)
        for hook in (register_module_forward_pre_hook(_enter), register_module_forward_hook(_leave, always_call=True)):
            stack.callback(hook.remove)
        stack.enter_context(ReadingMode(recorder, dispatch))
        stack.enter_context(dispatch)
        stack.enter_context(_keeping(recorder, run_torch))
        yield recorder


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


# torch calls global hooks in every thread, so each looks up the trace of its own thread.
def _enter(module: torch.nn.Module, arguments: Any) -> None:  # Any: torch's declared type
    recorder = getattr(_current, "recorder", None)
    if recorder is not None:
        recorder.scopes.enter(module, arguments)


def _leave(module: torch.nn.Module, arguments: Any, output: Any) -> None:  # Any: torch's declared types
    recorder = getattr(_current, "recorder", None)
    if recorder is not None:
        recorder.scopes.leave(module)
