"""Nested tensors of layout torch.strided, part by part: an operation on one is the operation on each of its dense parts.

n = torch.nested.as_nested_tensor([x, y])
torch.softmax(n, 2)    # the parts are torch.softmax(x, 1) and torch.softmax(y, 1)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch._ops import OpOverload

from composit.errors import UnsupportedOperationError
from flashlight.inputs import copied_input
from flashlight.nested import NestedParts
from flashlight.table import Call

aten = torch.ops.aten
# For an operation on a batch of matrices, the one on a single matrix.
_OF_PARTS: dict[object, Any] = {aten.bmm.default: aten.matmul.default}
# Arguments that name axes of the whole, of which the first counts the parts; and those that are shapes of it.
_AXES = frozenset(("dim", "dim0", "dim1", "dims"))
_SHAPES = frozenset(("size", "shape"))


def parts_of_results(
    call: Call, lazies: Sequence[Any], resume: Callable[[], AbstractContextManager[object]]
) -> list[Any] | None:
    """Return what stands for each result of an operation that makes or takes nested tensors of known parts; None for other operations.

    resume: records the operations on the parts

    Raises:  UnsupportedOperationError: the operation is none on each part by itself
    """
    operation, arguments = call.operation, call.arguments
    found = [each if isinstance(each, NestedParts) else None for each in lazies]
    nested = next((each for each in found if each is not None), None)
    if nested is None and operation is not aten._nested_tensor_from_tensor_list.default:
        return None
    # Here, since the mode is off.
    results = list(call.result) if isinstance(call.result, list | tuple) else [call.result]
    if operation in _SIZES:
        return [copied_input(each) for each in results]
    with resume():
        if nested is None:
            return [NestedParts(tuple(_parts_of_list(*arguments)))]
        if operation is aten.unbind.int:
            return [part.clone() for part in nested.tensors]
        if operation is aten.to_padded_tensor.default:
            return _padded(nested.tensors, call.first, *arguments[1:2])
        if operation is aten.values.default and arguments[0].is_contiguous():
            return [torch.cat([part.reshape(-1) for part in nested.tensors]).reshape(call.first.shape)]
        return list(_joined_results(results, _results_of_parts(operation, arguments, call.keywords, found)))


def _parts_of_list(
    tensors: Sequence[torch.Tensor], dtype: torch.dtype | None = None, *how: object
) -> list[torch.Tensor]:
    """Return the parts of a nested tensor that is made of a list."""
    return [tensor.to(dtype or tensor.dtype, copy=True) for tensor in tensors]


# What torch asks of a nested tensor is known without the values.
_SIZES = frozenset(
    getattr(aten, name).default
    for name in ("_nested_tensor_size", "_nested_tensor_strides", "_nested_tensor_storage_offsets")
)


def _padded(tensors: Sequence[torch.Tensor], whole: torch.Tensor, padding: float) -> list[torch.Tensor]:
    """Return the parts as dense tensors of one shape, joined. whole: torch's result, which has the shape"""
    rows = []
    for tensor in tensors:
        row = tensor.new_full(tuple(whole.shape[1:]), padding)
        row[tuple(slice(0, length) for length in tensor.shape)] = tensor
        rows.append(row)
    return [torch.stack(rows)]


def _joined_results(results: Sequence[Any], parts: Sequence[Any]) -> list[NestedParts | torch.Tensor]:
    """Return what stands for each result of an operation: of a nested tensor its parts, of a dense one these behind each other.

    results: torch's; parts: what the operation gives for each part, one tensor or several
    """
    rows = [each if isinstance(each, list | tuple) else [each] for each in parts]
    columns = list(zip(*rows, strict=True))
    return [
        NestedParts(column)
        if result.is_nested
        else torch.cat([each.reshape(-1) for each in column]).reshape(result.shape)
        for result, column in zip(results, columns, strict=True)
    ]


def _results_of_parts(
    operation: OpOverload[..., Any],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    found: Sequence[NestedParts | None],
) -> list[Any]:
    """Return what the operation gives for each part.

    found: for each argument its parts, if it is a nested tensor

    Raises:  UnsupportedOperationError: the operation joins parts, or is one for each part by other arguments
    """
    if operation in _WITHOUT_PARTS:
        raise UnsupportedOperationError(
            f"trace: torch called {operation} on a nested tensor; expected an operation on each part; take them with unbind() before"
        )
    nested = [each for each in found if each is not None]
    ndim = nested[0].tensors[0].ndim + 1
    names = [argument.name for argument in operation._schema.arguments]
    run: Callable[..., Any] = _OF_PARTS.get(operation, operation)
    named = {name: _of_part(operation, name, value, ndim) for name, value in keywords.items()}
    results = []
    for number in range(len(nested[0].tensors)):
        given = [
            parts.tensors[number] if parts is not None else _dense(operation, name, value, ndim, number)
            for name, value, parts in zip(names, arguments, found, strict=False)
        ]
        results.append(run(*given, **named))
    return results


_WITHOUT_PARTS = frozenset((aten.values.default, aten.select.int))


def _dense(operation: OpOverload[..., Any], name: str, value: Any, ndim: int, number: int) -> object:
    # A batch beside a nested tensor has an element for each part.
    is_batch = isinstance(value, torch.Tensor) and value.ndim == ndim
    return value[number] if is_batch else _of_part(operation, name, value, ndim)


def _of_part(operation: OpOverload[..., Any], name: str, value: Any, ndim: int) -> object:
    """Return an argument for a part: axes and shapes without the first one."""
    if name in _SHAPES and isinstance(value, list | tuple):
        return list(value[1:])
    if name not in _AXES or value is None:
        return value
    if isinstance(value, list | tuple):
        axes = [axis for axis in value if not (name == "dims" and axis == 0)]
        return [_axis_of_part(operation, axis, ndim) for axis in axes]
    return _axis_of_part(operation, value, ndim)


def _axis_of_part(operation: OpOverload[..., Any], axis: int, ndim: int) -> int:
    if axis % ndim == 0:
        raise UnsupportedOperationError(
            f"trace: torch called {operation} along the axis {axis} of a nested tensor, which counts its parts; expected another axis; "
            "take the parts with unbind() before"
        )
    return axis % ndim - 1
