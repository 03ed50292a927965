"""Operations on lists of tensors: `_foreach_add` is the row of `add`, for each element."""

from __future__ import annotations

from typing import Any

import torch

from composit.types import LazyTensor
from flashlight.operations.arguments import aten
from flashlight.table import Call, Row, find_row, register

# What a name without `_foreach_` is called elsewhere.
_NAMES: dict[str, Any] = {  # Any: operations of torch
    "norm": aten.linalg_vector_norm.default,
    "max": aten.max.default,
    "powsum": None,
}


class _Element:
    """Stands in for the `Call` of one element: its arguments, and the type of its result."""

    def __init__(self, call: Call, number: int) -> None:
        self.operation = call.operation
        self.arguments = [_element(argument, number) for argument in call.arguments]
        self.keywords = {name: _element(argument, number) for name, argument in call.keywords.items()}
        # In place nothing is returned: the result is what was written to.
        self.result = call.result[number] if call.result else self.arguments[0]

    dtype = Call.dtype
    dtype_of = Call.dtype_of
    shape = Call.shape
    first = Call.first
    result_types = Call.result_types
    common_dtype = Call.common_dtype
    promoted = Call.promoted
    half = Call.half


def _element(argument: Any, number: int) -> Any:
    return argument[number] if isinstance(argument, list | tuple) else argument


def _for_each(row: Row) -> Row:
    def of_lists(call: Call, *arguments: Any, **keywords: Any) -> list[LazyTensor]:
        count = next(len(argument) for argument in arguments if isinstance(argument, list | tuple))
        results = []
        for number in range(count):
            given = [_element(argument, number) for argument in _scalars_as_list(arguments)]
            named = {name: _element(argument, number) for name, argument in keywords.items() if name != "dtype"}
            results.append(row(_Element(call, number), *given, **named))
        return results

    return of_lists


def _scalars_as_list(arguments: tuple[Any, ...]) -> list[Any]:
    """Return the arguments with a vector of scalars, the last argument of addcmul's third form, as a list."""
    *others, last = arguments
    is_vector = isinstance(last, LazyTensor) and last.ndim == 1 and len(others) == 3
    return [*others, [last[number] for number in range(last.shape[0])] if is_vector else last]


def _plain(name: str) -> Any:
    """Return the operation of one element: the overload of tensors where there are several."""
    if name in _NAMES:
        return _NAMES[name]
    packet = getattr(aten, name, None)
    overloads = packet.overloads() if packet is not None else []
    chosen = next((each for each in ("Tensor", "default", "Tensor_Tensor", "Scalar") if each in overloads), None)
    return None if chosen is None else getattr(packet, chosen)


_PREFIX = "aten::_foreach_"


def register_lists() -> None:
    """Register a row for each operation on lists whose elements' operation has one; to be called behind all other rows."""
    names = {name.split(".")[0] for name in torch._C._dispatch_get_all_op_names() if name.startswith(_PREFIX)}
    for name in sorted(names):
        plain = None if name.endswith("_") else _plain(name.removeprefix(_PREFIX))
        row = None if plain is None else find_row(plain)
        if row is not None:
            register(getattr(aten, name.removeprefix("aten::")))(_for_each(row))
