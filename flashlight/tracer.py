"""`trace`: the context in which unmodified torch code records composit graphs.

May import recording, reading and torch's modes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch._ops import OpOverload
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from composit.errstates import SILENT_ERRSTATE, current_errstate, set_errstate
from composit.source import describe_source, find_source, register_internal_package, warn_user
from flashlight.capture.recorder import Recorder
from flashlight.comparison import kept_values

# Errors and guards show the line of the model, not torch's line inside nn.Linear.
register_internal_package(os.path.dirname(os.path.abspath(__file__)))
register_internal_package(os.path.dirname(os.path.abspath(torch.__file__)))


class DataLeavesWarning(UserWarning):
    """Values left the graph through numpy or a list; what is made of them is a constant in the graph."""


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
        dispatch = _RecordingMode()  # type: ignore[no-untyped-call]
        recorder = dispatch.recorder = Recorder(lambda: dispatch, None)
        _current.recorder = recorder
        stack.callback(delattr, _current, "recorder")
        stack.callback(recorder.close)
        for hook in (register_module_forward_pre_hook(_enter), register_module_forward_hook(_leave, always_call=True)):
            stack.callback(hook.remove)
        stack.enter_context(_ReadingMode(recorder, dispatch))
        stack.enter_context(dispatch)
        stack.enter_context(_keeping(recorder, run_torch))
        yield recorder


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


class _RecordingMode(TorchDispatchMode):
    """Hands each operation that reaches the dispatcher to the recorder."""

    recorder: Recorder
    is_paused = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Torch's hook for modes that need no protection from its compiler: without it each operation passes through a
        # wrapper of torch._dynamo, whose import alone takes a second.
        return False

    def __torch_dispatch__(
        self,
        func: OpOverload[..., Any],
        types: Any,  # Any: torch's declared types, here and below
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if self.is_paused:
            return func(*args, **(kwargs or {}))
        before = current_errstate()
        # Torch warns of no division by zero, so neither does what is made of its programs.
        set_errstate(SILENT_ERRSTATE)
        try:
            return self.recorder.run(func, args, kwargs or {})
        finally:
            set_errstate(before)


class _ReadingMode(TorchFunctionMode):
    """Notices what the dispatcher does not see: values that leave for numpy or lists, and printing, which steers nothing."""

    def __init__(self, recorder: Recorder, dispatch: _RecordingMode) -> None:
        super().__init__()
        self._recorder = recorder
        self._dispatch = dispatch

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _LEAVING:
            self._note(_LEAVING[func], args[0])
        with self._pause() if func in _PRINTING or func in _LEAVING else nullcontext():
            return func(*args, **(kwargs or {}))

    @contextmanager
    def _pause(self) -> Iterator[None]:
        before = self._dispatch.is_paused
        self._dispatch.is_paused = True
        try:
            yield
        finally:
            self._dispatch.is_paused = before

    def _note(self, kind: str, tensor: torch.Tensor) -> None:
        self._recorder.settle()
        lazy = self._recorder.read(tensor)
        self._recorder.reads.mark(lazy, kind, tensor)
        if lazy.node.operands:
            warn_user(
                f"trace: the values of a traced tensor of shape {tuple(tensor.shape)} left the graph through {kind}; what is computed from "
                "them outside of torch comes back as a constant. A guard notices when later inputs would change these values; use torch "
                f"operations to keep the computation in the graph. The line:\n  {describe_source(find_source())}",
                DataLeavesWarning,
            )


_Tensor = torch.Tensor
_LEAVING: dict[Callable[..., Any], str] = {
    _Tensor.tolist: "tolist",
    _Tensor.numpy: "numpy",
    _Tensor.__array__: "numpy",
    _Tensor.__dlpack__: "dlpack",
}
_PRINTING: frozenset[Callable[..., Any]] = frozenset({_Tensor.__repr__, _Tensor.__format__})
