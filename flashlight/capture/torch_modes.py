"""torch's two modes during a trace: `RecordingMode` sees each operation, `ReadingMode` sees values that leave torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from composit.errstates import SILENT_ERRSTATE, current_errstate, set_errstate
from composit.source import describe_source, find_source, warn_user
from flashlight.capture.recorder import Recorder


class DataLeavesWarning(UserWarning):
    """Traced values left torch through numpy or a list; results computed from them are constants in the graph."""


class RecordingMode(TorchDispatchMode):
    """Hands each operation that reaches the dispatcher to the recorder."""

    recorder: Recorder
    is_paused = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Returning False tells torch to call the mode directly. Otherwise each operation passes through a wrapper of
        # torch._dynamo, whose import alone takes a second.
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
        # torch does not warn of divisions by zero, so evaluating captured programs must not either.
        set_errstate(SILENT_ERRSTATE)
        try:
            return self.recorder.run(func, args, kwargs or {})
        finally:
            set_errstate(before)


class ReadingMode(TorchFunctionMode):
    """Guards values that leave for numpy or lists, which the dispatcher does not see. Printing a tensor is no read."""

    def __init__(self, recorder: Recorder, dispatch: RecordingMode) -> None:
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
                f"trace: the values of a traced tensor of shape {tuple(tensor.shape)} left the graph through {kind}; results computed "
                "from them outside torch are constants in the graph. A guard raises when later inputs change these values; use torch "
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
