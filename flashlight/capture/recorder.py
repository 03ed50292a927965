"""`Recorder` runs each torch operation of a trace, builds its graph, and attaches lazy tensors to the results.

Rows of single operations are in flashlight/operations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import torch
from torch._decomp import core_aten_decompositions, decomposition_table
from torch._ops import OpOverload

from composit.errors import UnsupportedOperationError
from composit.types import LazyTensor
from flashlight.capture.attach_results import Results, flat, mapped
from flashlight.capture.module_scopes import ModuleScopes
from flashlight.capture.read_guards import ReadGuards
from flashlight.capture.traced_tensors import TracedTensor, add_leaf, add_view, memory_of, traced_tensor_of
from flashlight.capture.views import SameView, StridedView
from flashlight.comparison import TorchValues
from flashlight.inputs import copied_input
from flashlight.table import Call, Traits, decomposable_forms, traits_of

Operator: TypeAlias = OpOverload[..., Any]

# The names of reads in guards, where torch's name of the operation would not tell users anything.
_KINDS: dict[Operator, str] = {
    torch.ops.aten._local_scalar_dense.default: "item",
    torch.ops.aten.item.default: "item",
}


def _decomposition_of(operation: Operator) -> Callable[..., Any] | None:
    """Return torch's decomposition of the operation, into core operations if possible; None if torch has none."""
    for form in decomposable_forms(operation):
        function = core_aten_decompositions().get(form) or decomposition_table.get(form)
        if function is not None:
            return function
    return None


class Recorder:
    """Records the operations of one trace.

    resume: returns a context that records operations; torch switches recording off inside a mode, decompositions need it
    values: keeps torch's value of each node; None to keep none
    """

    def __init__(self, resume: Callable[[], AbstractContextManager[object]], values: TorchValues | None) -> None:
        self.scopes = ModuleScopes()
        self.reads = ReadGuards()
        self.num_operations = 0
        self.values = values
        self._resume = resume
        # Traced tensors that the last operation made or changed; torch counts its writes only after it has ended.
        self.unsettled: list[TracedTensor] = []
        self._leaves: list[TracedTensor] = []

    def close(self) -> None:
        """End the trace: close open scopes, and keep nodes of tensors made before the trace only weakly."""
        self.scopes.close()
        self.settle()
        for traced in self._leaves:
            traced.release()
        self._leaves.clear()

    def run(self, operation: Operator, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> object:
        """Compute the operation with torch and record it.

        Raises:  UnsupportedOperationError: the operation has no row and no decomposition; torch's own errors pass through
        """
        self.settle()
        traits = traits_of(operation)
        if traits.is_composite:
            with self._resume():
                return operation.decompose(*arguments, **keywords)
        self.num_operations += 1
        lazy_arguments = [self._lazy(argument) for argument in arguments]
        lazy_keywords = {
            name: self._lazy(value) for name, value in keywords.items() if name not in traits.out_arguments
        }
        written = self._written(traits, arguments, keywords)
        lazies = None
        if traits.needs_decomposition:
            # The decomposition runs first, because an in-place operation changes the operands that it reads.
            lazies = self._decomposed(operation, lazy_keywords.keys(), arguments, keywords)
        result = operation(*arguments, **keywords)
        call = Call(operation, arguments, keywords, result)
        if traits.row is not None:
            lazies = traits.row(call, *lazy_arguments, **lazy_keywords)
            if lazies is NotImplemented:
                lazies = self._through_decomposition(traits, call, lazy_arguments)
        elif not traits.needs_decomposition:
            lazies = self._guarded_or_drawn(traits, call, lazy_arguments, written)
        if lazies is not None:
            Results(call, traits, lazy_arguments, lazy_keywords, self).attach(lazies, written)
        return result

    def settle(self) -> None:
        """Update the tensors that the last operation changed, now that torch has counted its writes."""
        for traced in self.unsettled:
            traced.current()
            traced.settle()
        self.unsettled.clear()

    def read(self, tensor: torch.Tensor) -> LazyTensor:
        """Return the lazy tensor of a torch tensor; one that no trace has seen becomes an input."""
        traced = traced_tensor_of(tensor)
        if traced is None or traced.is_stale(tensor):
            traced = self._adopt(tensor)
        elif traced.handle is None:
            # An earlier trace released this leaf; this trace holds it again.
            traced.handle = traced.revived(self.scopes.name_of(tensor))
            self._leaves.append(traced)
        return traced.current()

    def _lazy(self, argument: Any) -> Any:  # Any: what torch operations take: tensors, numbers, nested lists of them
        if isinstance(argument, torch.Tensor):
            return self.read(argument)
        if isinstance(argument, list | tuple) and any(isinstance(item, torch.Tensor) for item in argument):
            return [self._lazy(item) for item in argument]
        return argument

    def _adopt(self, tensor: torch.Tensor) -> TracedTensor:
        memory = memory_of(tensor)
        root = memory.root if memory is not None else None
        label = self.scopes.name_of(tensor)
        if memory is None or root is None or root.was_changed():
            return self._keep(add_leaf(tensor, label))
        if root.has_layout_of(tensor):
            return add_view(tensor, root.current(), root, SameView())
        if root.contains(tensor):
            view = StridedView(tuple(tensor.shape), tensor.stride(), int(tensor.storage_offset()) - root.offset)
            return add_view(tensor, view.of(root.current()), root, view)
        return self._keep(add_leaf(tensor, label, memory))

    def _keep(self, leaf: TracedTensor) -> TracedTensor:
        self._leaves.append(leaf)
        return leaf

    def _written(self, traits: Traits, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> list[torch.Tensor]:
        """Return the tensors that the operation writes to, after copying the inputs that share their memory."""
        found = [arguments[at] if at < len(arguments) else keywords.get(name) for at, name in traits.writes]
        written = [tensor for tensor in flat(found) if isinstance(tensor, torch.Tensor)]
        for tensor in written:
            self.read(tensor)
            traced = traced_tensor_of(tensor)
            assert traced is not None
            if not traits.moves_view:
                traced.memory.snapshot()
        return written

    def _guarded_or_drawn(
        self, traits: Traits, call: Call, lazies: Sequence[Any], written: Sequence[torch.Tensor]
    ) -> Any:  # Any: lazy results or None
        """Guard values that Python reads, and return drawn results as fresh inputs; None if no result is a tensor."""
        if traits.is_random or traits.reads_values:
            kind = "drawing" if traits.is_random else _KINDS.get(call.operation, str(call.operation))
            for tensor, lazy in zip(flat(call.arguments), flat(lazies), strict=True):
                if isinstance(tensor, torch.Tensor) and not any(tensor is other for other in written):
                    self.reads.mark(lazy, kind, tensor)
        if any(isinstance(value, torch.Tensor) for value in flat(call.result)):
            return mapped(call.result, copied_input)
        return None

    def _through_decomposition(self, traits: Traits, call: Call, lazies: Sequence[Any]) -> Any:  # Any: lazy results
        """Return the results of a call that its row does not cover, captured through torch's decomposition."""
        if traits.writes:
            raise UnsupportedOperationError(self._unsupported(call.operation, "in this form"))
        if call.operation._can_decompose():
            with self._resume():
                return mapped(call.operation.decompose(*call.arguments, **call.keywords), self.read)
        if traits.is_random or traits.reads_values:
            return self._guarded_or_drawn(traits, call, lazies, ())
        return self._decomposed(call.operation, call.keywords.keys(), call.arguments, call.keywords)

    def _decomposed(
        self, operation: Operator, names: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]
    ) -> Any:  # Any: a set-like of names in, lazy results out
        function = _decomposition_of(operation)
        if function is None:
            raise UnsupportedOperationError(self._unsupported(operation, "at all"))
        try:
            with self._resume():
                result = function(*arguments, **{name: keywords[name] for name in names})
        except UnsupportedOperationError as error:
            raise UnsupportedOperationError(self._unsupported(operation, "at all")) from error
        return mapped(result, self.read)

    def _unsupported(self, operation: Operator, how: str) -> str:
        return (
            f"trace: torch called {operation}{self.scopes.describe()}, which flashlight does not know {how}, and "
            "which torch does not decompose into operations that it knows; expected an operation that has a row; add one with\n"
            f"  @flashlight.register(torch.ops.{operation})\n"
            "  def row(call, *args, **kwargs): ...  # return composit's expression of shape call.shape and dtype call.dtype\n"
            "or run this part of the model outside the trace"
        )
