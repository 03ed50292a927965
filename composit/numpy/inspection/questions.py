"""Questions about a value: is it a scalar, in which order does it lie, does it share memory with another.

Answered without computing where types and views suffice; else numpy answers. May import errors, handle, operation,
arguments, views, calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import broadcast

from composit.errors import NoRuleError
from composit.handle import TensorHandle
from composit.numpy.arguments.normalizing import TensorLike, handle_of
from composit.numpy.calls.numpy_function import rule_for, without_rule
from composit.numpy.inspection.known_values import known_value
from composit.numpy.views.layout import flags_of, stand_in_of
from composit.numpy.views.writes import base_of
from composit.operation import Array

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "broadcast",
    "common_type",
    "isdtype",
    "isfortran",
    "isscalar",
    "iterable",
    "may_share_memory",
    "min_scalar_type",
    "mintypecode",
    "real_if_close",
    "shares_memory",
    "typename",
]

isdtype = without_rule(np.isdtype)
min_scalar_type = without_rule(np.min_scalar_type)
mintypecode = without_rule(np.mintypecode)
typename = without_rule(np.typename)


@rule_for(np.real_if_close)
def real_if_close(a: TensorLike, tol: float = 100) -> LazyTensor:
    """Return the real parts if all imaginary parts are nearly 0; complex values are computed now. See np.real_if_close."""
    tensor = handle_of(a)
    if tensor.dtype.kind == "c" or tensor.type.weak or tensor.type.is_scalar:
        raise NoRuleError("real_if_close: the values of complex numbers decide, or a scalar")
    return tensor


@rule_for(np.common_type)
def common_type(*arrays: TensorLike) -> type[np.inexact[Any]]:
    """Return the inexact type that all arrays can be converted to. See np.common_type."""
    return np.common_type(*(np.empty(0, handle_of(array).dtype) for array in arrays))


@rule_for(np.isscalar)
def isscalar(element: Any) -> bool:
    """Return whether it is a scalar; tensors are scalars if numpy's result would be one. See np.isscalar."""
    if isinstance(element, TensorHandle):
        return element.type.is_scalar
    return np.isscalar(element)


@rule_for(np.iterable)
def iterable(y: Any) -> bool:
    """Return whether Python can loop over it. See np.iterable."""
    return y.ndim > 0 if isinstance(y, TensorHandle) else np.iterable(y)


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
        for step in tensor._steps if tensor is not owners[0] else ():
            part = step.view_of(part)
        parts.append(part)
    return parts[0], parts[1]


def _array_in_memory(array: Any) -> Array | None:
    value = known_value(array) if isinstance(array, TensorHandle) else array
    return None if value is None else np.asarray(value)


@rule_for(np.shares_memory)
def shares_memory(a: Any, b: Any, /, max_work: Any = -1) -> bool:
    """Return whether both have an element in common. See np.shares_memory."""
    parts = _in_one_memory(a, b)
    return parts is not None and np.shares_memory(*parts, max_work)


@rule_for(np.may_share_memory)
def may_share_memory(a: Any, b: Any, /, max_work: Any = 0) -> bool:
    """Return whether the bounds of both in memory overlap. See np.may_share_memory."""
    parts = _in_one_memory(a, b)
    return parts is not None and np.may_share_memory(*parts, max_work)
