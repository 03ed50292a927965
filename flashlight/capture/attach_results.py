"""Attaches the lazy results of a call to torch tensors: new tensors, views, and tensors that were written to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch

from composit.errors import DtypeError, OperandError
from composit.nn.gradient_flow import straight_through
from composit.operation import Dtype, Shape
from composit.types import LazyTensor
from flashlight.capture.memory import memory_of
from flashlight.capture.module_scopes import ModuleScopes
from flashlight.capture.trace_record import TraceRecord
from flashlight.capture.traced_tensors import TracedTensor, add_result, add_view, traced_tensor_of
from flashlight.capture.views import OperationView, inverse_of
from flashlight.comparison import TorchValues
from flashlight.conversion import array_of, numpy_dtype
from flashlight.half_precision import rounded
from flashlight.nested import NestedParts, NestedTensor
from flashlight.table import Call, Traits


class _Trace(Protocol):
    """The part of the recorder that results use."""

    scopes: ModuleScopes
    trace: TraceRecord
    has_unfilled: bool
    unsettled: list[TracedTensor]
    values: TorchValues | None


def flat(values: Any) -> list[Any]:  # Any: nested lists of tensors and others
    """Return the values of nested lists and tuples in order."""
    if not isinstance(values, list | tuple):
        return [values]
    return [leaf for value in values for leaf in flat(value)]


def mapped(values: Any, function: Callable[[torch.Tensor], Any]) -> Any:  # Any: as flat
    """Return nested lists with the function applied to each tensor."""
    if isinstance(values, torch.Tensor):
        return function(values)
    if isinstance(values, list | tuple):
        return [mapped(value, function) for value in values]
    return values


aten = torch.ops.aten
_UNFILLED = frozenset(
    (aten.empty, aten.empty_like, aten.new_empty, aten.empty_strided, aten.new_empty_strided, aten.empty_permuted)
)


class Results:
    """Attaches the results of one call.

    stops_gradients: autograd does not follow the call, in a trace in which it follows others
    """

    __slots__ = ("_arguments", "_call", "_keywords", "_stops_gradients", "_trace", "_traits")

    def __init__(
        self,
        call: Call,
        traits: Traits,
        arguments: Sequence[Any],
        keywords: Mapping[str, Any],
        trace: _Trace,
        stops_gradients: bool,
    ) -> None:
        self._stops_gradients = stops_gradients
        self._call = call
        self._traits = traits
        self._arguments = arguments
        self._keywords = keywords
        self._trace = trace

    def attach(self, lazies: Any, written: Sequence[torch.Tensor]) -> None:  # Any: nested lists of lazy tensors
        """Attach lazy tensors to torch's results, and to the arguments that were written to.

        A row returns the results in torch's order, then the new values of written arguments that torch does not return.
        """
        if not written and isinstance(self._call.result, torch.Tensor):
            self._add(self._call.result, lazies, 0)
            return
        for index, (tensor, lazy, is_written) in enumerate(self._pairs(lazies, written)):
            if is_written and not self._traits.moves_view:
                self._write(tensor, lazy)
            elif is_written:
                self._add_view(tensor, self._checked(tensor, lazy), index)
            else:
                self._add(tensor, lazy, index)

    def _pairs(self, lazies: Any, written: Sequence[torch.Tensor]) -> Iterator[tuple[torch.Tensor, LazyTensor, bool]]:
        result = self._call.result
        returned = [] if result is None else flat(result)
        silent = [tensor for tensor in written if not any(tensor is other for other in returned)]
        for tensor, lazy in zip([*returned, *silent], flat(lazies), strict=True):
            if isinstance(tensor, torch.Tensor):
                yield tensor, lazy, any(tensor is other for other in written)

    def _write(self, tensor: torch.Tensor, lazy: LazyTensor) -> None:
        traced = _known(tensor)
        new = self._checked(tensor, lazy)
        if self._stops_gradients and tensor.grad_fn is not None:
            # torch keeps the derivative of what was there before.
            new = straight_through(new, traced.current())
        traced.write(new)
        self._trace.unsettled.extend(traced.memory.traced_tensors())

    def _add(self, tensor: torch.Tensor, lazy: LazyTensor, index: int) -> None:
        if self._traits.may_alias:
            if any(tensor is argument for argument in self._call.arguments):
                return
            if memory_of(tensor) is not None:
                self._add_view(tensor, self._checked(tensor, lazy), index)
                return
        traced = add_result(tensor, self._checked(tensor, lazy), self._trace.trace)
        if self._call.operation.overloadpacket in _UNFILLED:
            traced.memory.is_unfilled = self._trace.has_unfilled = True

    def _add_view(self, tensor: torch.Tensor, lazy: LazyTensor, index: int) -> None:
        parent = self._parent_of(tensor)
        if parent is None:
            self._add_alias(tensor, lazy)
            return
        view = OperationView(self._on_graph(index), inverse_of(self._call.operation))
        traced = add_view(tensor, lazy, parent, view, self._trace.trace)
        self._trace.unsettled.extend(parent.memory.traced_tensors() if self._traits.moves_view else [traced])

    def _add_alias(self, tensor: torch.Tensor, lazy: LazyTensor) -> None:
        """Attach the lazy tensor to a result that shares memory with another tensor than the first argument."""
        memory = memory_of(tensor)
        base = None if memory is None else memory.base_of(tensor)
        if base is None:
            add_result(tensor, lazy, self._trace.trace)
        else:
            add_view(tensor, lazy, *base, self._trace.trace)

    def _parent_of(self, tensor: torch.Tensor) -> TracedTensor | None:
        first = self._call.arguments[0] if self._call.arguments else None
        traced = traced_tensor_of(first) if isinstance(first, torch.Tensor) else None
        shares = traced is not None and memory_of(tensor) is traced.memory
        return traced if shares and self._traits.row is not None else None

    def _on_graph(self, index: int) -> Callable[[LazyTensor], LazyTensor]:
        """Return a function that repeats the call on another lazy base, for result `index`."""
        row, call = self._traits.row, _TypeOfCall(self._call)
        rest, keywords = self._arguments[1:], self._keywords
        assert row is not None
        return lambda base: flat(row(call, base, *rest, **keywords))[index]

    def _checked(self, tensor: torch.Tensor, lazy: Any) -> Any:  # Any: a LazyTensor, of a nested tensor a NestedTensor
        if isinstance(lazy, NestedTensor | NestedParts):
            return lazy
        if not isinstance(lazy, LazyTensor):
            raise OperandError(
                f"its row gave {lazy!r:.60} of type {type(lazy).__name__} where torch returned a tensor of shape {tuple(tensor.shape)}; a "
                "row must return lazy tensors, or NotImplemented for calls that it does not cover"
            )
        dtype, shape = numpy_dtype(tensor.dtype), tuple(tensor.shape)
        lazy = rounded(lazy, tensor.dtype)
        if lazy.shape != shape or lazy.dtype != dtype:
            raise DtypeError(
                f"its row gave {lazy.dtype}{list(lazy.shape)} where torch returned {dtype}{list(shape)}; a row must give call.shape and "
                "call.dtype"
            )
        if self._trace.values is not None:
            self._trace.values.keep(lazy, array_of(tensor))
        return lazy


class _TypeOfCall:
    """Stands in for the `Call` when a row is repeated on another base. It has the result's type, and keeps no tensor alive."""

    __slots__ = (
        "dtype",
        "operation",
        "shape",
        "stops_gradient",
    )  # dtype: views keep their elements, half precision too

    def __init__(self, call: Call) -> None:
        self.operation = call.operation
        self.dtype: Dtype = call.dtype
        self.shape: Shape = call.shape
        self.stops_gradient = call.stops_gradient


def _known(tensor: torch.Tensor) -> TracedTensor:
    traced = traced_tensor_of(tensor)
    assert traced is not None, "tensors are recorded before they are written to"
    return traced
