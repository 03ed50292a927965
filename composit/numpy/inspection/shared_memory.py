"""Order and sharing of memory: isfortran, shares_memory; `known_value`: a tensor's value if it is known already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from composit.errors import NoRuleError
from composit.handle import TensorHandle
from composit.node import kept_value
from composit.numpy.arguments.normalizing import TensorLike, handle_of
from composit.numpy.calls.declarations import rule_for
from composit.numpy.views.layout import flags_of, stand_in_of
from composit.numpy.views.writes import base_of
from composit.operation import Array, Input, Operation, Result
from composit.storage import steps_of

if TYPE_CHECKING:
    pass

__all__ = ["isfortran", "may_share_memory", "shares_memory"]


@rule_for(np.isfortran)
def isfortran(a: TensorLike) -> bool:
    """Return whether the elements lie in Fortran order. See np.isfortran."""
    return bool(flags_of(handle_of(a)).fnc)


def _in_one_memory(a: Any, b: Any) -> tuple[Array, Array] | None:
    """Return two arrays placed in memory as the tensors would be, None if they cannot share memory.

    If both are views of one tensor, these are views of its stand-in. A tensor compared with a numpy array is its known
    value, since `np.asarray` of the tensor returns that.
    """
    are_tensors = [isinstance(value, TensorHandle) for value in (a, b)]
    if not all(are_tensors):
        if any(are_tensors) and isinstance(a, np.ndarray | TensorHandle) and isinstance(b, np.ndarray | TensorHandle):
            first, second = _array_in_memory(a), _array_in_memory(b)
            return None if first is None or second is None else (first, second)
        raise NoRuleError("shares_memory: both are numpy arrays, or one is no array")
    owners = [tensor if owner is None else owner for tensor, owner in ((a, base_of(a)), (b, base_of(b)))]
    if owners[0] is not owners[1]:
        return None
    memory = stand_in_of(owners[0])
    parts = []
    for tensor in (a, b):
        part = memory
        for step in steps_of(tensor) if tensor is not owners[0] else ():
            part = step.view_of(part)
        parts.append(part)
    return parts[0], parts[1]


def _array_in_memory(array: Any) -> Array | None:
    value = known_value(array) if isinstance(array, TensorHandle) else array
    return None if value is None else np.asarray(value)


# Arrays that share no memory: numpy checks max_work even if the answer does not depend on it.
_APART = (np.empty(0), np.empty(0))


@rule_for(np.shares_memory)
def shares_memory(a: Any, b: Any, /, max_work: Any = -1) -> bool:
    """Return whether both have an element in common. See np.shares_memory."""
    first, second = _in_one_memory(a, b) or _APART
    return np.shares_memory(first, second, max_work)


@rule_for(np.may_share_memory)
def may_share_memory(a: Any, b: Any, /, max_work: Any = 0) -> bool:
    """Return whether the bounds of both in memory overlap. See np.may_share_memory."""
    first, second = _in_one_memory(a, b) or _APART
    return np.may_share_memory(first, second, max_work)


def known_value(tensor: TensorHandle) -> Result | None:
    """Return the value of a tensor if no operation but views has to run for it, else None."""
    node, index = tensor.node, tensor._output_index
    views: list[Operation] = []
    while (known := kept_value(node, index)) is None:
        operation = node.operation
        if isinstance(operation, Input):
            return _seen_through(views, operation.read()) if operation.has_value else None
        if not operation.is_view:
            return None
        views.append(operation)
        node, index = node.operands[0]
    value: Result = _seen_through(views, known.value)
    return value


def _seen_through(views: list[Operation], value: Any) -> Any:
    for view in reversed(views):
        value = view.evaluate(value)
    return value
