"""What is raised where the graph of an operation cannot be built: which operation, where in the model, and what to do."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch
from torch._ops import OpOverload

from composit.errors import AssignmentError, CompositError, UnrepresentableTensorError, UnsupportedOperationError
from composit.source import describe_source, find_source
from flashlight.capture.module_scopes import ModuleScopes, named_tensors
from flashlight.conversion import check_representable
from flashlight.table import Call, file_of, find_row, place_for_row


class RowErrors:
    """Turns an error of a row into one that names the operation and the user's line.

    torch's own error comes first: if the call is wrong for torch, the row need not understand it.
    """

    __slots__ = ("_call", "_scopes")

    def __init__(self, call: Call, scopes: ModuleScopes) -> None:
        self._call = call
        self._scopes = scopes

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise the error again in our words.

        Raises:  UnsupportedOperationError; AssignmentError
        """
        if not isinstance(error, Exception) or isinstance(error, UnsupportedOperationError):
            return
        if not self._call.has_run:
            _ = self._call.result
        message = " ".join(str(error).split())
        if isinstance(error, AssignmentError):
            raise AssignmentError(f"{message}; in {self._call.operation}{place_of(self._scopes)}") from error
        if isinstance(error, UnrepresentableTensorError):
            raise UnsupportedOperationError(cannot_hold(self._call, self._scopes, message)) from error
        told = message if isinstance(error, CompositError) else f"{type(error).__name__}: {message}"
        raise UnsupportedOperationError(
            f"trace: torch called {self._call.operation} with {described_arguments(self._call)}{place_of(self._scopes)}\nIts graph cannot "
            f"be built: {told}; expected a call that flashlight covers; {advice(self._call.operation)}"
        ) from error


def cannot_hold(call: Call, scopes: ModuleScopes, message: str) -> str:
    """Return the message for an operation of which an argument or a result cannot be in a graph: no row would help."""
    return (
        f"trace: torch called {call.operation} with {described_arguments(call)}{place_of(scopes)}\nIts graph cannot be built: "
        f"{message}; or run this part of the model before the trace and give it the result"
    )


def _strange_tensor(call: Call) -> str:
    """Return what is said of the first argument or result that no array can stand for, "" if there is none."""
    for _, tensor in named_tensors((("", call.arguments), ("", call.keywords), ("", call.result))):
        try:
            check_representable(tensor)
        except UnrepresentableTensorError as error:
            return str(error)
    return ""


def unsupported(call: Call, scopes: ModuleScopes, inner: UnsupportedOperationError | None = None) -> str:
    """Return the message for an operation that has no row, or whose row does not cover the call.

    inner: the error of an operation into which torch decomposed this one
    """
    if inner is not None:
        return f"{inner}\nIt is a part of {call.operation} with {described_arguments(call)}{place_of(scopes)}"
    strange = _strange_tensor(call)
    if strange:
        return cannot_hold(call, scopes, strange)
    why = "has no row in flashlight" if call.row_is_missing else "has a row in flashlight that does not cover this call"
    return (
        f"trace: torch called {call.operation} with {described_arguments(call)}{place_of(scopes)}\nIt {why}, and torch does not "
        f"decompose it into operations that have one; expected an operation that flashlight knows; {advice(call.operation)}"
    )


def place_of(scopes: ModuleScopes) -> str:
    """Return the module path and the user's line."""
    return f"{scopes.describe()} at\n  {describe_source(find_source())}"


def advice(operation: OpOverload[..., Any]) -> str:
    """Return what to do about an operation whose graph cannot be built."""
    schema, row = operation._schema, find_row(operation)
    instead = f"for torch's signature {schema},\nor run this part of the model before the trace and give it the result"
    if row is not None:
        return f"extend its row, {row.__name__} in {file_of(row)},\n{instead}"
    parameters = ", ".join(argument.name for argument in schema.arguments if not argument.is_out)
    return (
        f"write a row {place_for_row(operation)},\n"
        f"  @flashlight.register(torch.ops.{operation})\n"
        f"  def _{schema.name.split('::')[1]}(call, {parameters}): ...  # return composit's expression of call.shape and call.dtype\n"
        f"{instead}"
    )


def described_arguments(call: Call) -> str:
    """Return the arguments as text: tensors by dtype and shape."""
    given = [_described(value) for value in call.arguments]
    given += [f"{name}={_described(value)}" for name, value in call.keywords.items()]
    return f"({', '.join(given):.400})"


def _described(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        name = str(value.dtype).removeprefix("torch.")
        return name if value.is_nested else f"{name}{list(value.shape)}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_described, value)):.200}]"
    return f"{' '.join(repr(value).split()):.60}"
