"""`Recorder` runs each torch operation of a trace, builds its graph, and attaches lazy tensors to the results.

Rows of single operations are in flashlight/operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import numpy as np
import torch
from torch._decomp import core_aten_decompositions, decomposition_table
from torch._ops import OpOverload

from composit import nn
from composit.errors import OperandError, UnsupportedOperationError
from composit.types import LazyTensor
from flashlight.capture.attach_results import Results, flat, mapped
from flashlight.capture.memory import Memory, memory_of
from flashlight.capture.module_scopes import ModuleScopes, named_tensors
from flashlight.capture.read_guards import DRAWING, ReadGuards
from flashlight.capture.row_errors import RowErrors, unsupported
from flashlight.capture.tensor_attributes import forget
from flashlight.capture.trace_record import TraceRecord
from flashlight.capture.traced_tensors import TracedTensor, add_leaf, add_result, add_view, traced_tensor_of
from flashlight.capture.views import DetachedView, SameView, View
from flashlight.comparison import TorchValues
from flashlight.conversion import HALVES, TORCH_TO_NUMPY, has_elements
from flashlight.half_precision import widened
from flashlight.inputs import copied_input
from flashlight.table import Call, Row, Traits, decomposable_forms, traits_of

Operator: TypeAlias = OpOverload[..., Any]
aten = torch.ops.aten
_IN_PARTS = torch._C.DispatchKey.CompositeImplicitAutograd

# They give a tensor memory that is no tensor's, as torch.load does; its next use makes it an input.
_MEMORY_FROM_OUTSIDE = frozenset((aten.set_.default, aten.set_.source_Storage, aten.set_.source_Storage_storage_offset))

# The names of reads in guards, where torch's name of the operation would not tell users anything.
_KINDS: dict[Operator, str] = {
    aten._local_scalar_dense.default: "item",
    aten.item.default: "item",
}


def _decomposition_of(operation: Operator) -> Callable[..., Any] | None:
    """Return torch's decomposition of the operation, into core operations if possible; None if torch has none."""
    for form in decomposable_forms(operation):
        function = core_aten_decompositions().get(form) or decomposition_table.get(form)
        if function is not None:
            return function
    return None


def _without_graph(result: torch.Tensor) -> None:
    """Refuse a tensor for which a row gave nothing: it would be a constant, whatever the inputs are.

    Raises:  OperandError
    """
    raise OperandError(
        f"its row gave nothing where torch returned a tensor of shape {tuple(result.shape)}; a row must return lazy tensors, or "
        "NotImplemented for calls that it does not cover"
    )


def _is_on_meta(arguments: Sequence[Any], keywords: Mapping[str, Any]) -> bool:
    """Return whether an operation computes shapes only: torch's device "meta" holds no values, so that there is nothing to record."""
    device = keywords.get("device")
    if device is not None and torch.device(device).type == "meta":
        return True
    for argument in arguments:
        if isinstance(argument, torch.Tensor):
            if argument.is_meta:
                return True
        elif isinstance(argument, list | tuple) and argument and isinstance(argument[0], torch.Tensor):
            if argument[0].is_meta:
                return True
    return False


def _stopped(arguments: Any, lazies: Any) -> Any:  # Any: as Recorder._lazy
    """Return lazy arguments, with those that autograd follows as constants."""
    if isinstance(arguments, torch.Tensor):
        return nn.stop_gradient(lazies) if arguments.requires_grad else lazies
    if isinstance(arguments, list | tuple) and any(isinstance(each, torch.Tensor) for each in flat(arguments)):
        return [_stopped(argument, lazy) for argument, lazy in zip(arguments, lazies, strict=True)]
    return lazies


class Recorder:
    """Records the operations of one thread in a trace.

    trace:  what all threads of the trace share
    resume: returns a context that records operations; torch switches recording off inside a mode, decompositions need it
    values: keeps torch's value of each node; None to keep none
    """

    def __init__(
        self, resume: Callable[[], AbstractContextManager[object]], values: TorchValues | None, trace: TraceRecord
    ) -> None:
        self.trace = trace
        self.scopes = ModuleScopes()
        self.reads = ReadGuards(trace.reads)
        self.num_operations = 0
        self.values = values
        self.is_paused = False
        self.has_unfilled = False
        self._is_inside_function = False
        # The last error of an operation: code that is not Python, as that of a scripted module, hands on another one.
        self.raised: BaseException | None = None
        self._resume = resume
        # Traced tensors that the last operation made or changed; torch counts its writes only after it has ended.
        self.unsettled: list[TracedTensor] = []
        self._exports: list[Memory] = []

    def close(self) -> None:
        """End what this thread records: close open scopes."""
        self.scopes.close()
        self.raised = None
        self.settle()
        for memory in self._exports:
            self._look_outside(memory)
            memory.exported = None
        self._exports.clear()

    def enter(self, module: torch.nn.Module, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        """Open the scope of a module; the tensors given to the outermost one are inputs, whether it uses them or not."""
        self.scopes.enter(module, arguments, keywords)
        if self.scopes.depth == 1:
            self._read_all((*arguments, *keywords.values()))

    def leave(self, module: torch.nn.Module, output: Any) -> None:
        """Close the scope of a module; tensors that the outermost one hands through unused are inputs too."""
        if self.scopes.depth == 1:
            self._read_all((output,))
        self.scopes.leave(module)

    def _read_all(self, values: Sequence[Any]) -> None:
        self.settle()
        for _, tensor in named_tensors(("", value) for value in values):
            if not has_elements(tensor):
                continue
            if tensor.layout is torch.strided and not tensor.is_nested and tensor.dtype in TORCH_TO_NUMPY:
                self.read(tensor)
                traced, name = traced_tensor_of(tensor), self.scopes.name_of(tensor)
                if traced is not None and name is not None:
                    traced.give_name(name)

    def run(self, operation: Operator, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> object:
        """Compute the operation with torch and record it.

        Raises:  UnsupportedOperationError: the operation has no row and no decomposition; torch's own errors pass through
        """
        with self.trace.lock:
            return self._run(operation, arguments, keywords)

    def _run(self, operation: Operator, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> object:
        self.settle()
        traits = traits_of(operation)
        if traits.is_composite:
            return self._parts(operation, arguments, keywords)
        if _is_on_meta(arguments, keywords):
            return operation(*arguments, **keywords)
        self.num_operations += 1
        if self.has_unfilled and not traits.may_alias:
            self._find_fills(traits, arguments, keywords)
        call = Call(operation, arguments, keywords)
        if operation in _MEMORY_FROM_OUTSIDE:
            result = call.result
            forget(arguments[0])
            return result
        with RowErrors(call, self.scopes):
            as_stored = traits.moves_elements
            lazy_arguments = [self._lazy(argument, as_stored) for argument in arguments]
            lazy_keywords = {
                name: self._lazy(value, as_stored)
                for name, value in keywords.items()
                if name not in traits.out_arguments
            }
            stops_gradients = self._stops_gradients(traits)
            if stops_gradients:
                lazy_arguments = _stopped(arguments, lazy_arguments)
                lazy_keywords = {name: _stopped(keywords[name], lazy) for name, lazy in lazy_keywords.items()}
            written = self._written(traits, arguments, keywords)
        for position in traits.read_arguments:
            self.reads.mark(lazy_arguments[position], str(operation), arguments[position])
        if operation is aten.set_.source_Tensor:
            return self.rebind(arguments[0], arguments[1], lambda: call.result)
        if traits.row is None and (traits.is_view or traits.moves_view) and self._attach_views(call, traits):
            return call.result
        lazies = None
        if traits.needs_decomposition:
            # The decomposition runs first, because an in-place operation changes the operands that it reads.
            lazies = self._decomposed(call, traits)
        elif traits.row is not None:
            lazies = self._by_row(call, traits, traits.row, lazy_arguments, lazy_keywords)
            if lazies is NotImplemented and not call.has_run:
                # Only the parts run: a draw of the whole and one of the parts would give two different masks.
                return self._parts(operation, arguments, keywords)
        result = call.result
        if lazies is NotImplemented:
            lazies = self._through_decomposition(traits, call, lazy_arguments)
        elif isinstance(result, bool) and lazies is not None:
            self.reads.mark_answer(lazies, result)
            return result
        elif lazies is None:
            lazies = self._guarded_or_drawn(traits, call, lazy_arguments, written)
        if lazies is not None:
            with RowErrors(call, self.scopes):
                Results(call, traits, lazy_arguments, lazy_keywords, self, stops_gradients).attach(lazies, written)
        for tensor in written:
            memory = memory_of(tensor)
            if memory is not None:
                memory.note_contents()
        return result

    def _by_row(
        self, call: Call, traits: Traits, row: Row, arguments: Sequence[Any], keywords: Mapping[str, Any]
    ) -> Any:  # Any: what rows return
        """Return what the operation's row gives."""
        if not traits.can_decompose:
            _ = call.result
        with RowErrors(call, self.scopes):
            lazies = row(call, *arguments, **keywords)
            if lazies is None and not (traits.is_random or traits.reads_values):
                mapped(call.result, _without_graph)
        return lazies

    def _stops_gradients(self, traits: Traits) -> bool:
        """Return whether autograd does not follow the operation, in a trace in which it follows others: under `no_grad`."""
        if torch.is_grad_enabled() or not self.trace.follows_gradients:
            return False
        is_backward_pass = torch._C._current_graph_task_id() != -1
        return not (traits.reads_values or self._is_inside_function or is_backward_pass)

    @contextmanager
    def inside_function(self) -> Iterator[None]:
        """Follow gradients although torch does not: inside of a torch.autograd.Function."""
        before, self._is_inside_function = self._is_inside_function, True
        try:
            yield
        finally:
            self._is_inside_function = before

    def _parts(self, operation: Operator, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> object:
        with self._resume():
            # torch's own kernel where there is one, as outside of a trace: of dropout in evaluation it returns the operand itself,
            # where the decomposition for exports returns a copy.
            if torch._C._dispatch_has_kernel_for_dispatch_key(operation.name(), _IN_PARTS):
                return operation._op_dk(_IN_PARTS, *arguments, **keywords)
            return operation.decompose(*arguments, **keywords)

    def settle(self) -> None:
        """Update the tensors that the last operation changed, now that torch has counted its writes."""
        for traced in self.unsettled:
            traced.current()
            traced.settle()
        self.unsettled.clear()

    def read(self, tensor: torch.Tensor) -> LazyTensor:
        """Return the lazy tensor of a torch tensor; one that no trace has seen becomes an input."""
        with self.trace.lock:
            traced = traced_tensor_of(tensor)
            if traced is None or traced.seen_in is not self.trace or traced.is_stale(tensor):
                traced = self._meet(tensor, traced)
            if traced.memory.exported is not None:
                self._look_outside(traced.memory)
            return traced.current()

    def export(self, tensor: torch.Tensor) -> None:
        """Note that Python has got a tensor's elements as memory that it may write to."""
        memory = memory_of(tensor)
        if memory is not None:
            memory.export(tensor)
            self._exports.append(memory)

    def _look_outside(self, memory: Memory) -> None:
        """Make a constant of what Python wrote into memory that it got, which holds for no other inputs."""
        if not memory.was_written_outside():
            return
        for root in memory.roots:
            owner = root.tensor()
            if owner is not None:
                self.reads.mark_unseen_write(root.current())
                memory.begin_writes(self.trace)
                memory.overwrite(root, copied_input(owner))

    def _meet(self, tensor: torch.Tensor, traced: TracedTensor | None) -> TracedTensor:
        """Return the record of a tensor that this trace has not met, or that something wrote to behind its back."""
        before, self.is_paused = self.is_paused, True
        try:
            if traced is None:
                return self._adopt(tensor)
            if traced.is_stale(tensor):
                if traced.seen_in is self.trace and traced.handle is not None:
                    self.reads.mark_unseen_write(traced.handle)
                return self._adopt(tensor)
            traced.begin(self.trace, self.scopes.name_of(tensor))
            return traced
        finally:
            self.is_paused = before

    def alias(self, other: torch.Tensor, tensor: torch.Tensor) -> None:
        """Make a tensor a second one on the same elements, as `tensor.data` does behind the dispatcher."""
        self.settle()
        lazy, traced = self.read(tensor), traced_tensor_of(tensor)
        if traced is not None and other is not tensor:
            # Autograd follows `as_subclass`, but neither `data` nor a new parameter.
            is_followed = not tensor.requires_grad or other.grad_fn is not None
            view: View = SameView() if is_followed else DetachedView()
            add_view(other, view.of(lazy), traced, view, self.trace)

    def _attach_views(self, call: Call, traits: Traits) -> bool:
        """Attach to the results of a view what their memory holds, such as `as_strided`; False if that is not known."""
        for tensor in flat(call.result):
            memory = memory_of(tensor) if isinstance(tensor, torch.Tensor) else None
            base = None if memory is None else memory.base_of(tensor, is_made_inside=True)
            if base is None:
                return False
            root, view = base
            if traits.moves_view or not any(tensor is argument for argument in call.arguments):
                self.unsettled.append(add_view(tensor, view.of(root.current()), root, view, self.trace))
        return True

    def copied(self, traced: TracedTensor, run: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return a deep copy of a tensor, whose value is the tensor's; torch makes it behind the dispatcher."""
        self.settle()
        lazy = traced.current()
        before, self.is_paused = self.is_paused, True
        try:
            copy = run()
        finally:
            self.is_paused = before
        add_result(copy, lazy, self.trace)
        return copy

    def rebind(self, tensor: torch.Tensor, other: torch.Tensor, run: Callable[[], object]) -> torch.Tensor:
        """Follow `tensor.data = other`: the tensor gets the other's memory."""
        self.settle()
        lazy, source = self.read(other), traced_tensor_of(other)
        assert source is not None
        if not has_elements(tensor):
            run()
            # A lazy parameter has a size now, but is a class that refuses questions until its module changes it.
            with torch._C.DisableTorchFunctionSubclass():
                add_view(tensor, lazy, source, SameView(), self.trace)
            return tensor
        self.read(tensor)
        before = traced_tensor_of(tensor)
        run()
        assert before is not None
        if source is not before:
            before.remember_start()
            add_view(tensor, lazy, source, SameView(), self.trace).starts = before.starts
        return tensor

    def _find_fills(self, traits: Traits, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        """Make constants of tensors of `torch.empty` that C++ has filled through a pointer, as `at::tensor(lengths)` does."""
        written = {position for position, _ in traits.writes}
        read = [each for position, each in enumerate(arguments) if position not in written]
        for tensor in flat([*read, *(each for name, each in keywords.items() if name not in traits.out_arguments)]):
            traced = traced_tensor_of(tensor) if isinstance(tensor, torch.Tensor) else None
            if traced is None or not traced.memory.is_unfilled:
                continue
            # All of the memory, of which the operation may read a part; where the whole is gone, each part when it is read.
            owners = [(root, root.tensor()) for root in traced.memory.roots]
            wholes = [(root, owner) for root, owner in owners if owner is not None]
            for record, owner in wholes or [(traced, tensor)]:
                value = copied_input(owner)
                if np.any(value.node.operation.read()):
                    self._fill(record, value)
            traced.memory.is_unfilled = not wholes

    def _fill(self, traced: TracedTensor, value: LazyTensor) -> None:
        traced.write(value)

    def _lazy(
        self, argument: Any, as_stored: bool
    ) -> Any:  # Any: what torch operations take: tensors, numbers, lists of them
        """Return an argument with lazy tensors; half precision as float32, unless it is wanted as it is stored."""
        if isinstance(argument, torch.Tensor):
            lazy = self.read(argument)
            return lazy if as_stored or argument.dtype not in HALVES else widened(lazy, argument.dtype)
        if isinstance(argument, list | tuple) and any(isinstance(item, torch.Tensor) for item in argument):
            return [self._lazy(item, as_stored) for item in argument]
        return argument

    def _adopt(self, tensor: torch.Tensor) -> TracedTensor:
        memory = memory_of(tensor)
        label = self.scopes.name_of(tensor)
        if memory is None or memory.was_changed():
            return add_leaf(tensor, label, self.trace)
        base = memory.base_of(tensor)
        if base is None:
            return add_leaf(tensor, label, self.trace, memory)
        root, view = base
        if root.seen_in is not self.trace:
            root.begin(self.trace)
        return add_view(tensor, view.of(root.current()), root, view, self.trace)

    def _written(self, traits: Traits, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> list[torch.Tensor]:
        """Return the tensors that the operation writes to, after copying the inputs that share their memory."""
        found = [arguments[at] if at < len(arguments) else keywords.get(name) for at, name in traits.writes]
        written = [tensor for tensor in flat(found) if isinstance(tensor, torch.Tensor)]
        for tensor in written:
            self.read(tensor)
            traced = traced_tensor_of(tensor)
            assert traced is not None
            if not traits.moves_view:
                traced.memory.begin_writes(self.trace)
        return written

    def _guarded_or_drawn(
        self, traits: Traits, call: Call, lazies: Sequence[Any], written: Sequence[torch.Tensor]
    ) -> Any:  # Any: lazy results or None
        """Guard values that Python reads, and return drawn results as fresh inputs; None if no result is a tensor."""
        if traits.reads_values:
            kind = DRAWING if traits.is_random else _KINDS.get(call.operation, str(call.operation))
            for tensor, lazy in zip(flat(call.arguments), flat(lazies), strict=True):
                if isinstance(tensor, torch.Tensor) and not any(tensor is other for other in written):
                    self.reads.mark(lazy, kind, tensor)
        if any(isinstance(value, torch.Tensor) for value in flat(call.result)):
            return mapped(call.result, copied_input)
        return None

    def _through_decomposition(self, traits: Traits, call: Call, lazies: Sequence[Any]) -> Any:  # Any: lazy results
        """Return the results of a call that its row does not cover, captured through torch's decomposition."""
        if traits.writes:
            raise UnsupportedOperationError(unsupported(call, self.scopes))
        if traits.can_decompose:
            return mapped(self._parts(call.operation, call.arguments, call.keywords), self.read)
        if traits.is_random or traits.reads_values:
            return self._guarded_or_drawn(traits, call, lazies, ())
        return self._decomposed(call, traits)

    def _decomposed(self, call: Call, traits: Traits) -> Any:  # Any: lazy results
        function = _decomposition_of(call.operation)
        if function is None:
            raise UnsupportedOperationError(unsupported(call, self.scopes))
        keywords = {name: value for name, value in call.keywords.items() if name not in traits.out_arguments}
        try:
            with self._resume():
                result = function(*call.arguments, **keywords)
        except UnsupportedOperationError as error:
            raise UnsupportedOperationError(unsupported(call, self.scopes, error)) from error
        return mapped(result, self.read)
