"""`trace`, the context in which unmodified torch code is captured, and `lazy_tensor`, which gives what was captured.

flashlight/capture does the work.
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
    """Record what torch computes inside as composit graphs; torch computes as always, and model code sees ordinary tensors.

    Each tensor that comes out carries its lazy tensor (`flashlight.lazy_tensor(tensor)`), and composit's functions take it
    as it is. Parameters are inputs under their dotted names and share torch's memory; modules are name scopes. A value that
    Python reads (`.item()`, `if tensor:`) becomes a guard. With `run_torch=True` torch's value is kept at every node, for
    `flashlight.compare`.

    A trace belongs to its thread, as torch's modes do: what other threads compute meanwhile is not recorded, and its results
    are inputs if they are used inside. A trace inside a trace joins it. On leaving, also by an exception, torch is as before.

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
    """Return the lazy tensor that a torch tensor carries; of a container (a ModelOutput, a dict), the same of lazy tensors.

    Raises:  OperandError: nothing in it was seen by a trace; StaleTensorError: torch wrote to it after its trace
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


# The hooks are torch's global ones, which all threads call: each looks for the trace of its own thread.
def _enter(module: torch.nn.Module, arguments: Any) -> None:  # Any: torch's declared type
    recorder = getattr(_current, "recorder", None)
    if recorder is not None:
        recorder.scopes.enter(module, arguments)


def _leave(module: torch.nn.Module, arguments: Any, output: Any) -> None:  # Any: torch's declared types
    recorder = getattr(_current, "recorder", None)
    if recorder is not None:
        recorder.scopes.leave(module)
