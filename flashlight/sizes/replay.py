"""`replay`: a tape run at other sizes, on torch's fake tensors, which have no values. The rows build the graph again.

No kernel of torch runs: fake tensors know shapes, dtypes and strides. What the tape noted of values is repeated: reads are guards
of the new graph, with the values that Python read, and numbers that were drawn are the same inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensorMode

from composit.apply import leaf, placeholder
from composit.errors import CompositError, GuardError
from composit.evaluation import evaluate
from composit.guards import Guard
from composit.node import inside_scope
from composit.operation import tensor_type
from composit.read_spans import current_span
from composit.same_values import look_the_same
from composit.types import LazyTensor
from flashlight.capture.active import active_recorder
from flashlight.capture.attach_results import Results, flat
from flashlight.capture.layouts import layout_of
from flashlight.capture.memory import Memory, keep_memory, memory_of
from flashlight.capture.recorder import Recorder
from flashlight.capture.tensor_attributes import attach
from flashlight.capture.torch_modes import RecordingMode
from flashlight.capture.trace_record import TraceRecord
from flashlight.capture.traced_tensors import TracedTensor
from flashlight.conversion import numpy_dtype
from flashlight.sizes.leaves import each_leaf, leaves_of
from flashlight.sizes.symbols import SYMBOLIC
from flashlight.sizes.tape import DynamicInput, Reference, Repeated, Result, Step, Tape, refusal
from flashlight.sizes.whole_operations import WHOLE, below_autograd
from flashlight.table import Call, traits_of

_ERRORS = (CompositError, RuntimeError, NotImplementedError, TypeError, ValueError, AssertionError, IndexError)


class _ReplayMode(RecordingMode):
    """Hands operations on fake tensors to the recorder."""

    def __torch_dispatch__(  # type: ignore[override]  # graphs of higher-order operators were taken apart by the trace
        self,
        func: OpOverload[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        # Fake tensors are asked for their device by operations.
        is_answered = func is torch.ops.prim.device.default or self.recorder.is_paused
        return func(*args, **(kwargs or {})) if is_answered else self.hand_over(func, args, kwargs or {})


class Replayer(Recorder):
    """Records the operations of a tape on fake tensors."""

    def _find_fills(self, traits: Any, arguments: Any, keywords: Any) -> None:
        """Do nothing: a fake tensor is filled through no pointer. The trace has noted such fills as obstacles."""


class Replay:
    """One run of a tape. inputs: the lazy tensors of the tensors with named sizes, by number; guards: of the reads, after the run"""

    def __init__(self, tape: Tape, sizes: Mapping[str, int]) -> None:
        self._tape = tape
        self._sizes = sizes
        self._mode = FakeTensorMode()
        self._record = TraceRecord()
        self._recorder: Replayer
        self._tensors: dict[int, torch.Tensor] = {}
        self._numbers: dict[Any, Any] = {}  # of expressions
        self.inputs: dict[int, LazyTensor] = {}
        self.guards: list[Guard] = []

    def run(self, wanted: Sequence[int]) -> dict[int, LazyTensor]:
        """Return the lazy tensors, at the end of the tape, of the tensors with these numbers.

        Raises:  GuardError: an operation gives other shapes than the expressions say, or cannot be built
        """
        with self._recording():
            for given in self._tape.inputs:
                self._begin(given)
            for index in self._tape.leaves:
                # All of them before the first write: fake tensors of one storage share one, as the tensors do.
                self._begin_leaf(index)
            for step in self._tape.steps:
                self._repeat(step)
            self._recorder.settle()
            self.guards = list(self._record.reads)
            return {index: self._lazy_of(index) for index in wanted}

    @contextmanager
    def _recording(self) -> Iterator[None]:
        outer = active_recorder()
        with ExitStack() as stack:
            if outer is not None:
                stack.callback(setattr, outer, "is_paused", outer.is_paused)
                outer.is_paused = True
            stack.callback(self._record.close)
            span = current_span.set(self._record.span)
            stack.callback(current_span.reset, span)
            stack.enter_context(torch.no_grad())
            stack.enter_context(self._mode)
            mode = _ReplayMode()  # type: ignore[no-untyped-call]
            self._recorder = Replayer(lambda: mode, None, self._record)
            mode.recorder = self._recorder
            stack.enter_context(mode)
            stack.callback(self._recorder.close)
            yield

    def _begin(self, given: DynamicInput) -> None:
        shape, operation = given.shape_at(self._sizes), given.operation()
        lengths = [shape[axis] for axis in given.order]
        back = sorted(range(len(shape)), key=lambda axis: given.order[axis])
        fake = self._quietly(lambda: torch.empty(lengths, dtype=given.dtype).permute(back))
        value_type = tensor_type(shape, numpy_dtype(given.dtype))
        is_same = operation is not None and operation.type == value_type
        lazy = leaf(operation, given.label) if is_same and operation else placeholder(value_type, given.label)
        self.inputs[given.index] = lazy
        self._tensors[given.index] = self._adopt(fake, lazy)

    def _quietly(self, make: Any) -> torch.Tensor:
        """Return a fake tensor that no operation of the tape makes."""
        self._recorder.is_paused = True
        try:
            return make()  # type: ignore[no-any-return]
        finally:
            self._recorder.is_paused = False

    def _adopt(self, fake: torch.Tensor, lazy: LazyTensor) -> torch.Tensor:
        memory = memory_of(fake) or Memory()
        traced = TracedTensor(fake, memory, lazy, self._record)
        traced.layout = layout_of(fake)
        memory.add_root(traced)
        keep_memory(fake, memory)
        attach(fake, traced)
        return fake

    def _begin_leaf(self, index: int) -> None:
        tensor, lazy = self._tape.leaves[index]
        with torch._C._DisableTorchDispatch():
            alias = tensor.detach()
        fake = self._quietly(lambda: self._mode.from_tensor(alias, static_shapes=True))
        self._tensors[index] = self._adopt(fake, lazy)

    def _lazy_of(self, index: int) -> LazyTensor:
        return self._recorder.lazy_of(self._tensors[index])

    def _repeat(self, step: Step | Repeated) -> None:
        if isinstance(step, Repeated):
            self._read(step, None)
            return
        args, kwargs = each_leaf((step.args, step.kwargs), self._argument)
        try:
            with inside_scope(step.scope):
                results = self._results(step, args, kwargs)
        except GuardError:
            raise
        except _ERRORS as error:
            raise self._refusal(f"{step.operation} raises {type(error).__name__}: {error!s:.300}", step) from error
        self._keep(step, results)

    def _argument(self, leaf: Any) -> object:
        if isinstance(leaf, Reference):
            return self._tensors[leaf.index]
        return self._number(leaf)

    def _results(self, step: Step, args: Any, kwargs: Any) -> list[Any]:
        if step.known is None and not step.reads:
            if step.operation in WHOLE:
                with below_autograd():
                    return leaves_of(step.operation(*args, **kwargs))
            return leaves_of(step.operation(*args, **kwargs))
        self._recorder.settle()
        return self._noted_results(step, args, kwargs)

    def _noted_results(self, step: Step, args: Any, kwargs: Any) -> list[Any]:
        """Repeat an operation that read values or drew: its reads are guards, its results those of the trace."""
        traits = traits_of(step.operation)
        for read in step.reads:
            if read.operand is not None:
                self._read(read, None)
        call = Call(step.operation, args, kwargs)
        results = [self._tensors.get(each.index, None) for each in step.results]
        made = [self._made(each) if known is None else known for each, known in zip(step.results, results, strict=True)]
        answers = [read for read in step.reads if read.operand is None]
        call._results = (made if len(made) != 1 else made[0],) if not answers else (True,)
        as_stored = traits.moves_elements
        own = [self._recorder._lazy(each, as_stored) for each in args]
        own_kwargs = {
            name: self._recorder._lazy(each, as_stored)
            for name, each in kwargs.items()
            if name not in traits.out_arguments
        }
        lazies = NotImplemented if traits.row is None else traits.row(call, *own, **own_kwargs)
        for read in answers:
            self._read(read, lazies)
        if made:
            written = self._recorder._written(traits, args, kwargs)
            values = list(step.known or ()) if lazies is NotImplemented else flat(lazies)
            Results(call, traits, own, own_kwargs, self._recorder, stops_gradients=False).attach(
                values if len(values) != 1 else values[0], written
            )
        return made

    def _made(self, result: Result) -> torch.Tensor:
        known = result.metadata
        return self._quietly(
            lambda: torch.empty_strided(self._shape(known.shape), known.strides_by(self._number), dtype=known.dtype)
        )

    def _read(self, read: Repeated, answer: Any) -> None:
        lazy = answer if read.operand is None else self._lazy_of(read.operand)
        if not isinstance(lazy, LazyTensor):
            raise refusal(
                self._sizes, self._tape.sizes.values, f"{read.kind} read a value inside an operation", read.source
            )
        if not self._recorder.reads.repeat(lazy, read.kind, read.value, read.source):
            # No input changes it, so that evaluation would not look; but sizes may.
            self._check_now(lazy, read)

    def _check_now(self, lazy: LazyTensor, read: Repeated) -> None:
        value = evaluate(lazy)
        if not look_the_same(read.kind, read.value, value):
            what = f"{read.kind} read {_short(read.value)}, and would read {_short(value)}"
            raise refusal(self._sizes, self._tape.sizes.values, what, read.source)

    def _keep(self, step: Step, results: Sequence[Any]) -> None:
        tensors = [each for each in results if isinstance(each, torch.Tensor)]
        if len(tensors) != len(step.results):
            raise self._refusal(f"{step.operation} gives {len(tensors)} tensors and gave {len(step.results)}", step)
        for tensor, expected in zip(tensors, step.results, strict=True):
            shape, dtype = self._shape(expected.metadata.shape), expected.metadata.dtype
            if tuple(tensor.shape) != shape or tensor.dtype != dtype:
                raise self._refusal(
                    f"{step.operation} gives {tensor.dtype}{list(tensor.shape)}, where its sizes say {dtype}{list(shape)}",
                    step,
                )
            if expected.index in self._tape.strided and not self._has_strides(tensor, expected):
                raise self._refusal(f"{step.operation} gives a tensor that lies in memory in another order", step)
            self._tensors.setdefault(expected.index, tensor)

    def _has_strides(self, tensor: torch.Tensor, expected: Result) -> bool:
        strides = zip(tensor.shape, tensor.stride(), expected.metadata.strides_by(self._number), strict=True)
        return not tensor.numel() or all(length == 1 or own == other for length, own, other in strides)

    def _shape(self, lengths: Sequence[Any]) -> tuple[int, ...]:
        return tuple(map(self._number, lengths))

    def _number(self, length: Any) -> Any:
        """Return what a number or expression is at these sizes."""
        if not isinstance(length, SYMBOLIC):
            return length
        expression = length.node.expr
        if expression not in self._numbers:
            self._numbers[expression] = self._tape.sizes.value_of(length, self._sizes)
        return self._numbers[expression]

    def _refusal(self, what: str, step: Step) -> GuardError:
        return refusal(self._sizes, self._tape.sizes.values, what, step.source)


def _short(value: Any) -> str:
    return np.array2string(np.asarray(value), threshold=8, edgeitems=2)
