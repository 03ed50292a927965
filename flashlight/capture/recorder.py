"""`Recorder` runs each torch operation of a trace, builds its graph, and attaches lazy tensors to the results.

Rows of single operations are in flashlight/operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import numpy as np
import torch
from torch._ops import OpOverload

from composit.errors import UnsupportedOperationError
from composit.guards import Guard
from composit.types import LazyTensor
from flashlight.capture.active import paused
from flashlight.capture.attach_results import Results, flat, mapped
from flashlight.capture.calls import (
    MEMORY_FROM_OUTSIDE,
    OF_TORCH,
    decomposition_of,
    expect_writes,
    given_to_write,
    is_of_numbers,
    is_on_meta,
    kernel_in_python,
    note_contents,
    run_one_by_one,
    stopped,
    without_graph,
)
from flashlight.capture.handed_out import take_memory
from flashlight.capture.layouts import layout_of
from flashlight.capture.memory import Memory, memory_of
from flashlight.capture.module_scopes import ModuleScopes, named_tensors
from flashlight.capture.nested_parts import parts_of_results
from flashlight.capture.read_guards import DRAWING, ReadGuards, kind_of
from flashlight.capture.row_errors import RowErrors, place_of, unsupported
from flashlight.capture.trace_record import TraceRecord
from flashlight.capture.traced_tensors import (
    TracedTensor,
    add_adopted_view,
    add_leaf,
    add_result,
    add_view,
    traced_tensor_of,
)
from flashlight.capture.views import DetachedView, SameView, View
from flashlight.comparison import TorchValues
from flashlight.conversion import HALVES, TORCH_TO_NUMPY, has_elements
from flashlight.half_precision import rounded, widened
from flashlight.inputs import copied_input
from flashlight.table import Call, Row, Traits, traits_of

Operator: TypeAlias = OpOverload[..., Any]
aten = torch.ops.aten
_IN_PARTS = torch._C.DispatchKey.CompositeImplicitAutograd


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
        self.has_nested = False
        # The last error of an operation: code that is not Python, as that of a scripted module, hands on another one.
        self.raised: BaseException | None = None
        self._resume = resume
        # Traced tensors that the last operation made or changed; torch counts its writes only after it has ended.
        self.unsettled: list[TracedTensor] = []
        self._exports: list[Memory] = []
        # Of torch.utils.dlpack.to_dlpack, with the tensors whose memory they are, and guards of the reads that they make possible.
        self.capsules: list[tuple[object, torch.Tensor, Guard | None]] = []

    def close(self) -> None:
        """End what this thread records: close open scopes."""
        self.scopes.close()
        self.raised = None
        self.settle()
        for memory in self._exports:
            self._look_outside(memory)
            memory.exported = None
        self._exports.clear()
        self.capsules.clear()

    def enter(self, module: torch.nn.Module, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        """Open the scope of a module; the tensors given to the outermost one are inputs, whether it uses them or not."""
        self.scopes.enter(module, arguments, keywords)
        if self.scopes.depth == 1 or self.scopes.is_in_script():
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
        if traits.writes and run_one_by_one(operation, arguments, keywords, self._resume):
            return None
        if is_on_meta(arguments, keywords):
            return self.trace.own(operation(*arguments, **keywords))
        self.num_operations += 1
        if operation is aten.lift_fresh.default:
            self.trace.own(arguments[0])
        if self.has_unfilled and not traits.may_alias:
            self._find_fills(traits, arguments, keywords)
        if traits.writes and operation.namespace not in OF_TORCH:
            expect_writes(given_to_write(traits, arguments, keywords))
        call = Call(operation, arguments, keywords)
        if operation in MEMORY_FROM_OUTSIDE:
            return take_memory(self, call)
        with RowErrors(call, self.scopes):
            lazy_arguments = [self._lazy(argument, traits.moves_elements) for argument in arguments]
            lazy_keywords = {
                name: self._lazy(value, traits.moves_elements)
                for name, value in keywords.items()
                if name not in traits.out_arguments
            }
            stops_gradients = self._stops_gradients(traits)
            if stops_gradients:
                lazy_arguments = stopped(arguments, lazy_arguments)
                lazy_keywords = {name: stopped(keywords[name], lazy) for name, lazy in lazy_keywords.items()}
            written = self._written(traits, arguments, keywords)
            is_done = self._recorded_by_memory(call, traits, lazy_arguments, written)
        if is_done:
            return call.result
        lazies = None
        if traits.needs_decomposition and written and kernel_in_python(operation) is not None:
            # What the operation writes, its kernel writes.
            return self._of_kernel(call)
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
        note_contents(written)
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
                mapped(call.result, without_graph)
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

    def _recorded_by_memory(
        self, call: Call, traits: Traits, lazies: Sequence[Any], written: Sequence[torch.Tensor]
    ) -> bool:
        """Record an operation that says which memory tensors have, or that works on parts; return whether it is one."""
        operation, arguments = call.operation, call.arguments
        if (self.has_nested or operation is aten._nested_tensor_from_tensor_list.default) and self._of_nested(
            call, lazies, written
        ):
            return True
        for position in traits.read_arguments:
            self.reads.mark(lazies[position], str(operation), arguments[position])
        if operation is aten.set_.source_Tensor:
            self.rebind(arguments[0], arguments[1], lambda: call.result)
        elif operation.overloadpacket is aten.resize_ and tuple(arguments[0].shape) != tuple(arguments[1]):
            self._resize(call, lazies)
        else:
            is_view = traits.row is None and (traits.is_view or traits.moves_view)
            return is_view and self._attach_views(call, traits)
        _ = call.result
        return True

    def _of_kernel(self, call: Call) -> object:
        """Return what the kernel of a custom operation gives, which writes to tensors by operations that are recorded."""
        kernel = kernel_in_python(call.operation)
        if kernel is None:
            raise UnsupportedOperationError(unsupported(call, self.scopes))
        with self._resume():
            return kernel(*call.arguments, **call.keywords)

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

    def lazy_of(self, tensor: torch.Tensor) -> LazyTensor:
        """Return the lazy tensor of a torch tensor between two operations: unsettled, the last write would seem unseen by the trace."""
        with self.trace.lock:
            self.settle()
            return self.read(tensor)

    def read(self, tensor: torch.Tensor) -> LazyTensor:
        """Return the lazy tensor of an operand; one that no trace has seen becomes an input. Between operations: `lazy_of`."""
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
        with paused(self):
            if traced is None:
                return self._adopt(tensor)
            if traced.is_stale(tensor):
                if traced.seen_in is self.trace and traced.handle is not None:
                    self.reads.mark_unseen_write(traced.handle)
                return self._adopt(tensor)
            traced.begin(self.trace, self.scopes.name_of(tensor))
            return traced

    def alias(self, other: torch.Tensor, tensor: torch.Tensor) -> None:
        """Make a tensor a second one on the same elements, as `tensor.data` does behind the dispatcher."""
        lazy, traced = self.lazy_of(tensor), traced_tensor_of(tensor)
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
        with paused(self):
            copy = run()
        add_result(copy, lazy, self.trace)
        return copy

    def rebind(self, tensor: torch.Tensor, other: torch.Tensor, run: Callable[[], object]) -> torch.Tensor:
        """Follow `tensor.data = other`: the tensor gets the other's memory."""
        lazy, source = self.lazy_of(other), traced_tensor_of(other)
        assert source is not None
        if not has_elements(tensor):
            run()
            # A lazy parameter has a size now, but is a class that refuses questions until its module changes it.
            with torch._C.DisableTorchFunctionSubclass():
                add_view(tensor, lazy, source, SameView(), self.trace)
            return tensor
        self.read(tensor)
        before = traced_tensor_of(tensor)
        self.trace.note_moved(tensor, before)
        run()
        if source is not before:
            self.unsettled.append(add_view(tensor, lazy, source, SameView(), self.trace))
        return tensor

    def _of_nested(self, call: Call, lazies: Sequence[Any], written: Sequence[torch.Tensor]) -> bool:
        """Record an operation that makes or takes nested tensors of known parts; return whether it is one."""
        parts = parts_of_results(call, lazies, self._resume)
        if parts is None:
            return False
        results = [each for each in flat(call.result) if isinstance(each, torch.Tensor)]
        if written or len(results) != len(parts):
            raise UnsupportedOperationError(unsupported(call, self.scopes))
        self.has_nested = True
        for result, part in zip(results, parts, strict=True):
            lazy = self.lazy_of(part) if isinstance(part, torch.Tensor) else part
            add_result(result, lazy, self.trace).memory.is_nested = True
        return True

    def _resize(self, call: Call, lazies: Sequence[Any]) -> None:
        """Follow `tensor.resize_(...)`, which changes the shape of a tensor that nobody shares memory with.

        Raises:  UnsupportedOperationError: another tensor is on the memory
        """
        tensor, traced = call.arguments[0], traced_tensor_of(call.arguments[0])
        assert traced is not None, "arguments have been read"
        shares = [each for each in traced.memory.traced_tensors() if each is not traced and each.tensor() is not None]
        row = traits_of(call.operation).row
        if shares or traced.parent is not None or row is None:
            raise UnsupportedOperationError(unsupported(call, self.scopes))
        self.trace.note_moved(tensor, traced)
        traced.memory.begin_writes(self.trace)
        lazy = row(call, *lazies)
        _ = call.result
        traced.memory.overwrite(traced, rounded(lazy, tensor.dtype))
        traced.layout = layout_of(tensor)
        self.unsettled.append(traced)

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
            if as_stored or argument.dtype not in HALVES or argument.is_nested:
                return lazy
            return widened(lazy, argument.dtype)
        if isinstance(argument, list | tuple) and any(isinstance(item, torch.Tensor) for item in argument):
            return [self._lazy(item, as_stored) for item in argument]
        return argument

    def _adopt(self, tensor: torch.Tensor) -> TracedTensor:
        memory, label = memory_of(tensor), self.scopes.name_of(tensor)
        if memory is None or memory.was_changed():
            made = add_leaf(tensor, label, self.trace)
            # Scripts get parameters and constants that Python has not seen; none comes from another thread.
            others = None if memory is not None or self.scopes.is_in_script() else self.trace.others
            if others is not None and others.meet(tensor, made.current()):
                self._meet_other_thread()
            return made
        base = memory.base_of(tensor)
        if base is None:
            return add_leaf(tensor, label, self.trace, memory)
        root, view = base
        if root.seen_in is not self.trace:
            root.begin(self.trace)
        return add_adopted_view(tensor, root, view, self.trace)

    def _meet_other_thread(self) -> None:
        self.trace.has_threads = True

    def _written(self, traits: Traits, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> list[torch.Tensor]:
        """Return the tensors that the operation writes to, after copying the inputs that share their memory."""
        written = given_to_write(traits, arguments, keywords)
        for tensor in written:
            self.read(tensor)
            traced = traced_tensor_of(tensor)
            assert traced is not None
            if traced.memory.is_nested:
                raise UnsupportedOperationError(
                    f"trace: torch writes into memory of a nested tensor{place_of(self.scopes)}\nIts parts are followed one by one; "
                    "expected no write; write to the parts before they are joined, or to the result of to_padded_tensor()"
                )
            if traits.moves_view:
                self.trace.note_moved(tensor, traced)
                traced.memory.forget_counts()
            else:
                traced.memory.begin_writes(self.trace)
        return written

    def _guarded_or_drawn(
        self, traits: Traits, call: Call, lazies: Sequence[Any], written: Sequence[torch.Tensor]
    ) -> Any:  # Any: lazy results or None
        """Guard values that Python reads, and return drawn results as fresh inputs; None if no result is a tensor."""
        if traits.reads_values:
            kind = DRAWING if traits.is_random else kind_of(call.operation)
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
            return mapped(self._parts(call.operation, call.arguments, call.keywords), self.lazy_of)
        if traits.is_random or traits.reads_values:
            return self._guarded_or_drawn(traits, call, lazies, ())
        return self._decomposed(call, traits)

    def _decomposed(self, call: Call, traits: Traits) -> Any:  # Any: lazy results
        function = decomposition_of(call.operation)
        if function is None and is_of_numbers(call.operation) and not traits.writes:
            return mapped(call.result, copied_input)
        if function is None:
            raise UnsupportedOperationError(unsupported(call, self.scopes))
        keywords = {name: value for name, value in call.keywords.items() if name not in traits.out_arguments}
        try:
            with self._resume():
                result = function(*call.arguments, **keywords)
        except UnsupportedOperationError as error:
            raise UnsupportedOperationError(unsupported(call, self.scopes, error)) from error
        return mapped(result, self.lazy_of)
