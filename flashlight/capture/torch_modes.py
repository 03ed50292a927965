"""What a trace sees of torch: `RecordingMode` each operation, `torch_patches` values that leave torch, and `tensor.data`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import torch
from torch._ops import HigherOrderOperator, OpOverload
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from composit.errstates import SILENT_ERRSTATE, current_errstate, set_errstate
from composit.source import describe_source, find_source, warn_user
from flashlight.capture.active import active_recorder, paused
from flashlight.capture.higher_order import call_higher_order
from flashlight.capture.patches import Patch, patch_meanwhile
from flashlight.capture.read_guards import DRAWING, UNSEEN_WRITE, withdraw
from flashlight.capture.recorder import Recorder
from flashlight.capture.sequences import sequence_patches
from flashlight.capture.shown_texts import is_shown
from flashlight.capture.storages import ADDRESS, STORAGE, storage_patches
from flashlight.capture.tensor_attributes import attribute_of
from flashlight.capture.trace_record import TraceRecord
from flashlight.comparison import TorchValues
from flashlight.conversion import can_be_read, has_elements

_NUMBER_OF = torch.ops.aten._local_scalar_dense.default


class DataLeavesWarning(UserWarning):
    """Traced values left torch through numpy or a list; results computed from them are constants in the graph."""


class RecordingMode(TorchDispatchMode):
    """Hands each operation that reaches the dispatcher to the recorder."""

    recorder: Recorder
    supports_higher_order_operators = True

    def record(self, record: TraceRecord, values: TorchValues | None) -> Recorder:
        """Begin to record in a trace. values: keeps torch's value of each node"""
        self.recorder = Recorder(lambda: self, values, record)
        return self.recorder

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Returning False tells torch to call the mode directly. Otherwise each operation passes through a wrapper of
        # torch._dynamo, whose import alone takes a second.
        return False

    def __torch_dispatch__(
        self,
        func: OpOverload[..., Any] | HigherOrderOperator,
        types: Any,  # Any: torch's declared types, here and below
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        recorder = self.recorder
        if func is _NUMBER_OF and not isinstance(args[0], torch.Tensor):
            # A constant of a script, which torch shows to modes as the number that it is.
            return args[0]
        if recorder.is_paused or not recorder.trace.is_open:
            return func(*args, **(kwargs or {}))
        if isinstance(func, HigherOrderOperator):
            with self:
                return call_higher_order(func, args, kwargs or {})
        wrapper = wrapper_among(types) if types else None
        if wrapper is FakeTensor:
            # Sizes are asked for, as by torch.export; there is nothing to record.
            return func(*args, **(kwargs or {}))
        if wrapper is not None:
            # A tensor made of tensors: what its class does with these is recorded.
            with self:
                return wrapper.__torch_dispatch__(func, types, args, kwargs or {})
        return self.hand_over(func, args, kwargs or {})

    def hand_over(
        self, operation: OpOverload[..., Any], arguments: Sequence[Any], keywords: Mapping[str, Any]
    ) -> object:
        """Have the recorder run an operation."""
        before = current_errstate()
        # torch does not warn of divisions by zero, so evaluating captured programs must not either.
        set_errstate(SILENT_ERRSTATE)
        try:
            return self.recorder.run(operation, arguments, keywords)
        except BaseException as error:
            self.recorder.raised = error
            raise
        finally:
            set_errstate(before)


def wrapper_among(types: Sequence[Any]) -> Any:  # Any: torch declares no types of this method
    """Return the first class that computes with other tensors, such as torch.jagged's nested tensors; None if there is none."""
    return next((kind for kind in types if kind.__torch_dispatch__ is not _NO_DISPATCH), None)


# What classes have that only handle functions, before the dispatcher.
_NO_DISPATCH = torch._C._disabled_torch_dispatch_impl


def _recorder_of(tensor: torch.Tensor) -> Recorder | None:
    """Return the recorder that has to know of what is done with a tensor behind the dispatcher; None if none has."""
    recorder = active_recorder()
    return None if recorder is None or recorder.is_paused or not has_elements(tensor) else recorder


def torch_patches() -> tuple[Patch, ...]:
    """Return the patches of torch's tensors by which a trace sees what the dispatcher does not.

    Values that leave for numpy or lists are guarded. A text made of a tensor is a read, unless it is only
    shown (`print`). `tensor.data` is the same memory under
    another name, as are `torch.nn.Parameter(tensor)` and `tensor.as_subclass`, and `tensor.data = other` the memory of the other.
    """
    tensor = torch.Tensor
    return (
        *(Patch(tensor, name, _leaving(kind)) for name, kind in _LEAVING.items()),
        *(Patch(tensor, name, _printing) for name in ("__repr__", "__format__")),
        Patch(tensor, "data", _data),
        Patch(tensor, "as_subclass", _as_class),
        Patch(tensor, "_make_subclass", _made_of_class),
        Patch(tensor, "__deepcopy__", _copying),
        Patch(torch.nn.Parameter, "__deepcopy__", _copying),
        Patch(tensor, "__copy__", _copying_shallowly),
        *(Patch(kind, "__reduce_ex__", _pickling) for kind in (tensor, torch.nn.Parameter)),
        *(Patch(module, "from_dlpack", _importing) for module in (torch, torch.utils.dlpack)),
        *(Patch(module, "to_dlpack", _exporting) for module in (torch, torch.utils.dlpack)),
        Patch(torch.utils, "swap_tensors", _swapping),
        Patch(torch, "compile", _compiling),
        *(Patch(torch.jit, name, _without_modes) for name in ("trace", "trace_module")),
        *(
            Patch(tensor, name, _asked_by_torch)
            for name in ("__float__", "__int__", "__index__", "__complex__", "__bool__")
        ),
        *sequence_patches(),
        *storage_patches(),
        *_eager_patches(),
    )


def _eager_patches() -> tuple[Patch, ...]:
    """Return the patch by which functions of torch.compile run as they were written, so that their operations are recorded.

    It does what `torch.compiler.set_stance("force_eager")` does, for all threads until the last trace ends. Without torch's compiler
    in memory nothing is compiled yet, and importing it takes a second.
    """
    frames = sys.modules.get("torch._dynamo.eval_frame")
    return () if frames is None else (Patch(frames, "_stance", lambda _: frames.DynamoStance("force_eager")),)


def _compiling(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def compile_eagerly(*args: Any, **options: Any) -> Any:
        compiled = original(*args, **options)
        if active_recorder() is not None:
            # The first call may have imported the compiler.
            patch_meanwhile(_eager_patches())
        return compiled

    return compile_eagerly


def _swapping(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def swap(first: torch.Tensor, second: torch.Tensor) -> None:
        # torch swaps no tensors that have weak references; it swaps the attributes with our records.
        records = [attribute_of(first), attribute_of(second)]
        for record in records:
            if record is not None:
                record.let_go()
        try:
            original(first, second)
        finally:
            for tensor in (first, second):
                record = attribute_of(tensor)
                if record is not None:
                    record.take(tensor)

    return swap


# What each is called in guards.
_PICKLE = "pickle"
_TEXT = "text"
_LEAVING = {
    "tolist": "tolist",
    "numpy": "numpy",
    "__array__": "numpy",
    "__dlpack__": "dlpack",
    # Functions of Python that read and write each element; those of `map_` get the elements of other tensors too.
    "apply_": "apply_",
    "map_": "map_",
    "map2_": "map2_",
}
# Reads whose values went to code that no trace sees, so that what it made of them is constant.
LEAVING_KINDS = frozenset((*_LEAVING.values(), _PICKLE, STORAGE, ADDRESS, DRAWING, UNSEEN_WRITE))


def _leaving(kind: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def leave(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            recorder = _recorder_of(tensor)
            if recorder is None:
                return original(tensor, *args, **kwargs)
            for read in (tensor, *(each for each in (*args, *kwargs.values()) if isinstance(each, torch.Tensor))):
                _note(recorder, kind, read)
            recorder.export(tensor)
            with paused(recorder):
                return original(tensor, *args, **kwargs)

        return leave

    return make


def _printing(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def print_unseen(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        recorder = active_recorder()
        if recorder is None:
            return original(tensor, *args, **kwargs)
        is_read = not recorder.is_paused and can_be_read(tensor) and not is_shown(sys._getframe(1))
        if is_read:
            recorder.reads.mark(recorder.lazy_of(tensor), _TEXT, tensor)
        with paused(recorder):
            return original(tensor, *args, **kwargs)

    return print_unseen


def _copying(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def deepcopy(tensor: torch.Tensor, memo: dict[int, Any]) -> Any:
        recorder = _recorder_of(tensor)
        if recorder is None:
            return original(tensor, memo)
        recorder.lazy_of(tensor)
        # The record copies the tensor by the original, while the recorder is paused.
        return attribute_of(tensor).deepcopy(memo)

    return deepcopy


def _copying_shallowly(original: None) -> Callable[..., Any]:
    # torch's tensors have no such method: copy.copy makes another tensor on the same memory, by the way in which they are pickled.
    def copy_on_the_same_memory(tensor: torch.Tensor) -> Any:
        recorder = _recorder_of(tensor)
        if recorder is None:
            return _rebuilt(tensor)
        recorder.lazy_of(tensor)
        with paused(recorder):
            other = _rebuilt(tensor)
        return _aliased(other, tensor)

    return copy_on_the_same_memory


def _rebuilt(tensor: torch.Tensor) -> torch.Tensor:
    rebuild, arguments, *_ = tensor.__reduce_ex__(4)
    rebuilt: torch.Tensor = rebuild(*arguments)
    return rebuilt


def _pickling(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def reduce_ex(tensor: torch.Tensor, protocol: Any) -> Any:
        recorder = _recorder_of(tensor)
        if recorder is None:
            return original(tensor, protocol)
        _note(recorder, _PICKLE, tensor)
        with paused(recorder):
            # The record pickles the tensor by the original, which it finds while the recorder is paused.
            return attribute_of(tensor).reduce_ex(protocol)

    return reduce_ex


def _asked_by_torch(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def number(tensor: torch.Tensor) -> Any:
        # The dispatcher shows a read to the mode, unless torch's own code asks: torch.FloatTensor([tensor]), as it fills its memory.
        is_hidden = torch._C._dispatch_tls_is_dispatch_key_excluded(torch._C.DispatchKey.Python)
        recorder = _recorder_of(tensor) if is_hidden else None
        if recorder is None:
            return original(tensor)
        _note(recorder, "item", tensor)
        with paused(recorder):
            return original(tensor)

    return number


def _without_modes(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def trace(*args: Any, **kwargs: Any) -> Any:
        # While it traces, torch.jit hands numbers to modes where operations take tensors. What it computes, it throws away.
        with _disable_current_modes():
            return original(*args, **kwargs)

    return trace


def _as_class(original: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    @wraps(original)
    def as_subclass(tensor: torch.Tensor, kind: type[torch.Tensor]) -> torch.Tensor:
        return _aliased(original(tensor, kind), tensor)

    return as_subclass


def _made_of_class(original: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    @wraps(original)
    def make_subclass(kind: type[torch.Tensor], tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return _aliased(original(kind, tensor, *args, **kwargs), tensor)

    return make_subclass


def _aliased(other: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor that was made of another's memory, recorded as that."""
    recorder = _recorder_of(tensor)
    if recorder is not None and has_elements(other):
        recorder.alias(other, tensor)
    return other


def _data(original: Any) -> Any:  # Any: torch's descriptor, and the property in its place
    def get(tensor: torch.Tensor) -> torch.Tensor:
        recorder = active_recorder()
        if recorder is not None and torch.nn.parameter.is_lazy(tensor):
            # torch asks for its device and dtype; it has no shape, by which the dispatcher's call could be recorded.
            with paused(recorder):
                unsized: torch.Tensor = original.__get__(tensor)
            return unsized
        return _aliased(original.__get__(tensor), tensor)

    def put(tensor: torch.Tensor, other: torch.Tensor) -> None:
        recorder = _recorder_of(other)
        if recorder is None:
            original.__set__(tensor, other)
            return
        recorder.rebind(tensor, other, lambda: original.__set__(tensor, other))

    return property(get, put)


def _exporting(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def to_dlpack(tensor: torch.Tensor) -> object:
        capsule: object = original(tensor)
        recorder = active_recorder()
        if recorder is not None and not recorder.is_paused:
            guard = recorder.reads.mark(recorder.lazy_of(tensor), "dlpack", tensor)
            recorder.export(tensor)
            recorder.capsules.append((capsule, tensor, guard))
        return capsule

    return to_dlpack


def _importing(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def from_dlpack(given: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        recorder = active_recorder()
        if recorder is None or recorder.is_paused:
            outside: torch.Tensor = original(given, *args, **kwargs)
            return outside
        source = given if isinstance(given, torch.Tensor) else _source_of(recorder, given)
        if source is None:
            # Another library's object; where it hands on a traced tensor's memory, that is a read.
            made: torch.Tensor = original(given, *args, **kwargs)
            return made
        with paused(recorder):
            made = original(given, *args, **kwargs)
        if made.data_ptr() != source.data_ptr():
            return made
        # The memory is exchanged without the mark that its elements are to be negated.
        return _aliased(made, torch._neg_view(source) if source.is_neg() else source)

    return from_dlpack


def _source_of(recorder: Recorder, given: Any) -> torch.Tensor | None:
    """Return the tensor of which torch made a capsule; importing it again is no read."""
    for capsule, tensor, guard in recorder.capsules:
        if capsule is given:
            if guard is not None:
                withdraw(guard)
            return tensor
    return None


def _note(recorder: Recorder, kind: str, tensor: torch.Tensor) -> None:
    lazy = recorder.lazy_of(tensor)
    recorder.reads.mark(lazy, kind, tensor)
    if lazy.node.operands:
        warn_user(
            f"trace: the values of a traced tensor of shape {tuple(tensor.shape)} left the graph through {kind}; results computed "
            "from them outside torch are constants in the graph. A guard raises when later inputs change these values; use torch "
            f"operations to keep the computation in the graph. The line:\n  {describe_source(find_source())}",
            DataLeavesWarning,
        )
