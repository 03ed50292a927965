"""Questions about a call before it is recorded: which tensors it writes to, and into which parts an operation without a row falls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import torch
from torch._decomp import core_aten_decompositions, decomposition_table
from torch._library.custom_ops import OPDEFS
from torch._ops import OpOverload

from composit import nn
from composit.errors import OperandError
from flashlight.capture.attach_results import flat
from flashlight.capture.memory import memory_of
from flashlight.capture.traced_tensors import traced_tensor_of
from flashlight.inputs import version_of
from flashlight.table import Traits, decomposable_forms, takes_tensors

Operator: TypeAlias = OpOverload[..., Any]

aten = torch.ops.aten
# They give a tensor memory that is no tensor's, as torch.load does; its next use makes it an input.
MEMORY_FROM_OUTSIDE = frozenset((aten.set_.default, aten.set_.source_Storage, aten.set_.source_Storage_storage_offset))
# Of their operations torch counts a write when they have ended.
OF_TORCH = frozenset(("aten", "prims", "prim"))


def given_to_write(traits: Traits, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> list[torch.Tensor]:
    """Return the tensors that an operation is given to write to."""
    found = [arguments[at] if at < len(arguments) else keywords.get(name) for at, name in traits.writes]
    return [tensor for tensor in flat(found) if isinstance(tensor, torch.Tensor)]


def without_graph(result: torch.Tensor) -> None:
    """Refuse a tensor for which a row gave nothing: it would be a constant, whatever the inputs are.

    Raises:  OperandError
    """
    raise OperandError(
        f"its row gave nothing where torch returned a tensor of shape {tuple(result.shape)}; a row must return lazy tensors, or "
        "NotImplemented for calls that it does not cover"
    )


def is_on_meta(arguments: Sequence[Any], keywords: Mapping[str, Any]) -> bool:
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


def decomposition_of(operation: Operator) -> Callable[..., Any] | None:
    """Return torch's decomposition of the operation, into core operations if possible; None if torch has none."""
    for form in decomposable_forms(operation):
        function = core_aten_decompositions().get(form) or decomposition_table.get(form)
        if function is not None:
            return function
    return kernel_in_python(operation)


def is_of_numbers(operation: Operator) -> bool:
    """Return whether an operation of torch's computes from Python's numbers alone, as `kaiser_window`: its result is a constant."""
    return operation.namespace in OF_TORCH and not takes_tensors(operation._schema)


def kernel_in_python(operation: Operator) -> Callable[..., Any] | None:
    """Return the function of an operation that torch.library.custom_op made, which may consist of operations; else None."""
    definition = OPDEFS.get(operation._schema.name)
    if definition is None:
        return None
    kernels = definition._backend_fns
    kernel: Callable[..., Any] | None = kernels.get("cpu") or kernels.get(None)
    return kernel


def stopped(arguments: Any, lazies: Any) -> Any:  # Any: as Recorder._lazy
    """Return the lazy arguments. Those of tensors that autograd follows become constants."""
    if isinstance(arguments, torch.Tensor):
        return nn.stop_gradient(lazies) if arguments.requires_grad else lazies
    if isinstance(arguments, list | tuple) and any(isinstance(each, torch.Tensor) for each in flat(arguments)):
        return [stopped(argument, lazy) for argument, lazy in zip(arguments, lazies, strict=True)]
    return lazies


def note_contents(written: Sequence[torch.Tensor]) -> None:
    """Take what tensors hold that Python got as arrays for what torch left in them."""
    for tensor in written:
        # A tensor that came back through DLPack has a storage of its own on the same bytes.
        traced = traced_tensor_of(tensor)
        if traced is not None:
            traced.memory.note_contents()


def expect_writes(written: Sequence[torch.Tensor]) -> None:
    """Take in the writes that torch has counted before it calls an operation of a user that writes."""
    for tensor in written:
        memory, version = memory_of(tensor), version_of(tensor)
        for traced in [] if memory is None else memory.traced_tensors():
            if traced.version == version - 1:
                traced.version = version


_LISTS = "aten::_foreach_"


def run_one_by_one(
    operation: Operator,
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    resume: Callable[[], AbstractContextManager[object]],
) -> bool:
    """Run an operation that writes to a list of tensors for one after the other, if they share memory; return whether it did.

    `torch._foreach_add_([x, x], 1.0)` adds 2: each element sees what the earlier ones wrote.
    """
    name = operation._schema.name
    if not (name.startswith(_LISTS) and name.endswith("_")) or not _share_memory(arguments):
        return False
    count = len(arguments[0])
    with resume():
        for number in range(count):
            operation(*[_single(argument, number, count) for argument in arguments], **keywords)
    return True


def _share_memory(arguments: Sequence[Any]) -> bool:
    """Return whether a tensor of the first list may share memory with one that stands at another place of some list."""
    places: dict[int, int] = {}
    for number, tensor in enumerate(arguments[0]):
        if places.setdefault(tensor.untyped_storage()._cdata, number) != number:
            return True
    others = (argument for argument in arguments[1:] if isinstance(argument, list | tuple))
    return any(
        places.get(each.untyped_storage()._cdata, number) != number
        for other in others
        for number, each in enumerate(other)
        if isinstance(each, torch.Tensor)
    )


def _single(argument: Any, number: int, count: int) -> Any:
    """Return an argument for the list of one element; a vector of scalars has one for each."""
    if isinstance(argument, torch.Tensor) and argument.dim() == 1 and len(argument) == count:
        return argument[number : number + 1]
    return [argument[number]] if isinstance(argument, list | tuple) else argument
