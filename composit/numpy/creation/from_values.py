"""Tensors made from values: array, asarray, copy, require.

A tensor is returned unchanged where numpy would return its argument. zeros, arange and the like are in
from_nothing.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply, as_tensor, contains_tensor, input_of, is_tensor
from composit.containers import with_made_tensors
from composit.errors import NoRuleError, ParameterError
from composit.handle import TensorHandle, described
from composit.numpy.arguments.normalizing import TensorLike, named_dtype, named_order, whole
from composit.numpy.calls.declarations import rule_for
from composit.numpy.calls.fallback import MADE_NO_ARRAY
from composit.numpy.elementwise.casting import Astype
from composit.numpy.manipulation.joining import dtype_of_stack, stack
from composit.numpy.manipulation.reinterpreting import copied_in_order
from composit.numpy.manipulation.reshaping import reshape
from composit.numpy.views.layout import InOrder, flags_of, is_surely_in_c_order
from composit.numpy.views.writes import base_of, is_writable
from composit.operation import Array, Dtype, Operation, OperationKind, TensorType, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "array",
    "asanyarray",
    "asarray",
    "ascontiguousarray",
    "asfortranarray",
    "copy",
    "require",
]


@dataclass(frozen=True, slots=True)
class IntegersOf(Operation):
    """An array of signed integers made of scalars: as np.array does, it raises where a value does not fit the dtype.

    Reference:   numpy.array
    """

    dtype: Dtype
    raises_by_value = True
    kind = OperationKind.ELEMENTWISE
    no_derivative = "the result is integers"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type((len(operand_types),), self.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return np.array(list(operands), self.dtype)


_SCALARS = (np.generic, bool, int, float, complex)

_NEEDS_COPY = (
    "Unable to avoid copy while creating an array as requested.\nIf using `np.array(obj, copy=False)` replace it with"
    " `np.asarray(obj)` to allow a copy when needed (no behavior change in NumPy 1.x).\nFor more details, see"
    " https://numpy.org/devdocs/numpy_2_0_migration_guide.html#adapting-to-changes-in-the-copy-keyword."
)
# Casts between these kinds are lazy. Others depend on the elements (texts, objects) and are left to numpy.
_CAST = frozenset("biufcmM")


def _converted(value: Any, dtype: Any, copy: bool | None, order: Any, subok: bool = False) -> Any:
    if is_tensor(value):
        return _of_tensor(value.__lazy_tensor__(), dtype, copy, order)
    if isinstance(value, list | tuple) and contains_tensor(value):
        if copy is False:
            raise ValueError(f"{_NEEDS_COPY} A sequence of tensors was given; stack makes one of them")
        return _of_tensor(_of_sequence(value, dtype), dtype, None, order)
    return _of_values(value, dtype, copy, order, subok)


def _of_sequence(value: Sequence[Any], dtype: Any) -> LazyTensor:
    target = None if dtype is None else named_dtype(dtype)
    if target is None or target.kind != "i":
        parts = [_converted(child, None, None, None) for child in value]
        if any(part.dtype == object for part in parts):
            raise NoRuleError("array: elements that are objects, among which numpy finds out how deep the lists go")
        # Raise now if the parts have no common dtype: np.array would make an array of objects.
        dtype_of_stack([part.dtype for part in parts])
        return stack(parts)
    scalars = [as_tensor(child) for child in value if _is_scalar(child)]
    if len(scalars) == len(value) and not all(np.can_cast(scalar.dtype, target) for scalar in scalars):
        return apply(IntegersOf(target), *scalars)
    return stack([_converted(child, target, None, None) for child in value])


def _is_scalar(value: Any) -> bool:
    return isinstance(value, _SCALARS) or (isinstance(value, TensorHandle) and value.type.is_scalar)


def _of_tensor(tensor: LazyTensor, dtype: Any, copy: bool | None, order: Any) -> LazyTensor:
    target: Dtype = tensor.dtype if dtype is None else named_dtype(dtype)
    is_same = target == tensor.dtype
    if not is_same and (target.kind not in _CAST or tensor.dtype.kind not in _CAST):
        raise NoRuleError(f"array: a cast from {tensor.dtype} to {target} has no rule")
    if tensor._type.is_scalar:
        is_needed, chosen = True, named_order(order, "C")
    else:
        is_needed, chosen = not is_same or not lies_in(tensor, order), named_order(order, "K")
    if copy not in (None, False, True):
        raise NoRuleError(f"array: copy={copy!r} is numpy's to read")
    if copy is False and is_needed:
        raise ParameterError(f"{_NEEDS_COPY} {described(tensor)} was to be of {target} in order {order}")
    if not is_needed and not copy:
        return tensor
    result = tensor if is_same else apply(Astype(target), tensor)
    return apply(InOrder("C"), result) if result._type.is_scalar else copied_in_order(result, chosen)


def lies_in(tensor: TensorHandle, order: Any) -> bool:
    """Return whether the tensor's elements already lie in memory in this order ("C", "F", "K" or "A")."""
    name = named_order(order, "K")
    if name in "KA" or tensor.ndim < 1:
        return True
    if name == "C" and is_surely_in_c_order(tensor):
        return True
    flags = flags_of(tensor)
    return bool(flags.f_contiguous if name == "F" else flags.c_contiguous)


def _of_values(value: Any, dtype: Any, copy: bool | None, order: Any, subok: bool) -> Any:
    try:
        values = np.array(value, dtype=dtype, copy=copy, order=order or "K", subok=subok)
    except ValueError as error:
        made, is_changed = with_made_tensors(value) if str(error) == MADE_NO_ARRAY else (value, False)
        if not is_changed:
            raise
        return array(made, dtype, copy=copy, order=order)
    if type(values) is not np.ndarray:
        # np.matrix, masked arrays and other subclasses stay numpy's.
        return values
    is_own = values is not value and values.base is None
    if is_own or copy is False or not _is_shared(values):
        return input_of(values.view())
    return input_of(values.copy(order="K"))


def _is_shared(values: Array) -> bool:
    """Return whether the memory can still change: a read-only view of a writable array can."""
    owner: object = values
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            return True
        owner = owner.base
    return isinstance(owner, memoryview) and not owner.readonly


def _with_axes(result: Any, ndmin: int) -> LazyTensor:
    missing = ndmin - result.ndim
    return reshape(result, (1,) * missing + result.shape) if missing > 0 else result


@rule_for(np.array)
def array(
    object: TensorLike,
    dtype: Any = None,
    *,
    copy: bool | None = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    ndmax: int | None = None,
    name: str | None = None,
) -> LazyTensor:
    """Return the values as a tensor that shares no memory with them. See np.array.

    Tensors in a nested sequence are stacked: array([x, y]) is lazy. The copy of a tensor is a new handle.

    name:    a label for the tensor, shown in pictures; numpy has no such argument
    Raises:  ValueError: copy=False, but dtype or order needs a copy
    """
    if ndmax is not None:
        raise NoRuleError("array: ndmax makes objects of sequences")
    return _with_axes(_converted(object, dtype, copy, order, subok), whole(ndmin, num_bits=32))


def _check_device(device: Any) -> None:
    if device not in (None, "cpu"):
        raise NoRuleError(f"device: {device!r:.40} was given; there is the cpu only")


@rule_for(np.asarray)
def asarray(
    a: TensorLike,
    dtype: Any = None,
    order: Any = None,
    *,
    device: Any = None,
    copy: bool | None = None,
    name: str | None = None,
) -> LazyTensor:
    """Return the values as a tensor. See np.asarray.

    A tensor is returned unchanged. Unlike numpy, a writable array is copied, so that later writes to it do not change
    the graph; read-only memory is shared. copy=False shares writable memory too: a later write shows at evaluation.

    name:    a label for the tensor, shown in pictures; numpy has no such argument
    Raises:  ValueError: copy=False, but dtype or order needs a copy
    """
    _check_device(device)
    tensor: LazyTensor = _converted(a, dtype, copy, order)
    return tensor


@rule_for(np.asanyarray)
def asanyarray(
    a: TensorLike, dtype: Any = None, order: Any = None, *, device: Any = None, copy: bool | None = None
) -> Any:
    """Return the values as a tensor; instances of ndarray's subclasses are returned unchanged. See np.asanyarray."""
    _check_device(device)
    return _converted(a, dtype, copy, order, True)


@rule_for(np.ascontiguousarray)
def ascontiguousarray(a: TensorLike, dtype: Any = None) -> LazyTensor:
    """Return the values as a tensor in C order with one axis or more. See np.ascontiguousarray."""
    return _with_axes(_converted(a, dtype, None, "C"), 1)


@rule_for(np.asfortranarray)
def asfortranarray(a: TensorLike, dtype: Any = None) -> LazyTensor:
    """Return the values as a tensor in Fortran order with one axis or more. See np.asfortranarray."""
    return _with_axes(_converted(a, dtype, None, "F"), 1)


@rule_for(np.copy)
def copy(a: TensorLike, order: Any = "K", subok: bool = False) -> LazyTensor:
    """Return a copy as a tensor: assigning to it does not change the original. See np.copy."""
    copied: LazyTensor = _converted(a, None, True, order, subok)
    return copied


_REQUIREMENTS = {
    **dict.fromkeys(("C", "C_CONTIGUOUS", "CONTIGUOUS"), "C"),
    **dict.fromkeys(("F", "F_CONTIGUOUS", "FORTRAN"), "F"),
    **dict.fromkeys(("A", "ALIGNED"), "A"),
    **dict.fromkeys(("W", "WRITEABLE"), "W"),
    **dict.fromkeys(("O", "OWNDATA"), "O"),
    **dict.fromkeys(("E", "ENSUREARRAY"), "E"),
}


@rule_for(np.require)
def require(a: TensorLike, dtype: Any = None, requirements: Any = None) -> LazyTensor:
    """Return the values as a tensor that meets the requirements, unchanged if it does already. See np.require."""
    wanted = {_REQUIREMENTS[name.upper()] for name in requirements or ()}
    if {"C", "F"} <= wanted:
        raise ValueError(f"Cannot specify both 'C' and 'F' order: require was given {requirements!r}; name one of them")
    order = "F" if "F" in wanted else "C" if "C" in wanted else "A"
    converted = _converted(a, dtype, None, order, "E" not in wanted)
    if not isinstance(converted, TensorHandle):
        raise NoRuleError("require: an array of a class of its own")
    result = as_tensor(converted)
    lacks_place = "A" in wanted and not flags_of(result).aligned
    lacks_memory = "O" in wanted and base_of(result) is not None
    lacks_writing = "W" in wanted and not is_writable(result)
    return copied_in_order(result, order) if lacks_memory or lacks_writing or lacks_place else result
