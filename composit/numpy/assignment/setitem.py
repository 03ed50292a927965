"""`x[...] = v` and `ufunc.at`: check index and value against the shape at the call, then make one write node."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import as_tensor, scalar_tensor
from composit.errors import NoRuleError, ShapeError
from composit.handle import TensorHandle, described
from composit.numpy.arguments.normalizing import TensorLike, loop_of, spell_shape, whole
from composit.numpy.arguments.positions import positions_of
from composit.numpy.calls.fallback import REFUSALS, let_numpy_decide
from composit.numpy.creation.from_values import array
from composit.numpy.elementwise.casting import in_dtype
from composit.numpy.elementwise.table import negative
from composit.numpy.indexing.advanced_indices import known_integers
from composit.numpy.indexing.known_elements import write_part
from composit.numpy.indexing.subscripts import basic_key, basic_plan, element_places
from composit.numpy.views.basic_indices import BasicIndex
from composit.numpy.views.writes import (
    ARRAY,
    Assign,
    Index,
    assign_elements,
    is_connected,
    is_writable,
    with_arrays,
)
from composit.operation import Array, Dtype, Shape, TensorType
from composit.source import find_source
from composit.storage import view_of

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# Cache: the shape that a basic index chooses. Programs use few different indices.
_chosen_shapes: dict[tuple[TensorType, Any], Shape] = {}
MAX_CHOSEN_SHAPES = 4096


def set_item(tensor: Any, index: Any, value: TensorLike) -> None:
    """Carry out `tensor[index] = value`, with numpy's casting, broadcasting and aliasing.

    Raises:  IndexError, ValueError, TypeError: numpy's; at the call, if the index and the shapes are known then
    """
    whole = tensor._type
    if whole.is_scalar:
        raise TypeError(
            f"'numpy.{tensor.dtype}' object does not support item assignment: {described(tensor)} is a scalar, which never"
            " changes; assign to the array that it came from"
        )
    source = find_source()
    element = element_places(whole, index)
    if element is not None:
        if write_part(tensor, element, value, source):
            return
        if _fits(whole, (), value):
            assign_elements(tensor, element, value, source=source)
            return
    plan = basic_plan(whole, index) if whole.dtype.kind in _NUMBERS else None
    if plan is not None:
        if _is_shown_there(tensor, plan[0].index, value):
            return
        if _fits(whole, plan[1][0].shape, value):
            entries = index if index.__class__ is tuple else (index,)
            if not write_part(tensor, entries, value, source):
                assign_elements(tensor, entries, value, source=source)
            return
    try:
        _set_item(tensor, index, value)
    except REFUSALS as refusal:
        let_numpy_decide(refusal, _write, (tensor, index, value), {})


_NUMBERS = frozenset("biufc")


def _is_shown_there(tensor: Any, entries: tuple[Any, ...], value: TensorLike) -> bool:
    """Return whether the value is a view of exactly these elements, so that the write would change nothing.

    Python runs `x[a:b] += v` as `t = x[a:b]; t += v; x[a:b] = t`: the second statement has already written to x.
    """
    view = view_of(value) if isinstance(value, TensorHandle) else None
    if view is None or not view.steps:
        return False
    step = view.steps[-1]
    if step.__class__ is not BasicIndex or step.index != entries:
        return False
    root = view.root()
    if root is tensor:
        return len(view.steps) == 1
    whole = view_of(tensor)
    if whole is None or whole.root() is not root:
        return False
    return view.steps[:-1] == whole.steps and is_connected(tensor)


def _fits(whole: TensorType, shape: Shape, value: Any) -> bool:
    """Return whether the value can be written to elements of this shape as it is, without a cast or a numpy error."""
    if whole.dtype.kind not in _NUMBERS:
        return False
    kind = type(value)
    if kind is float:
        return whole.dtype.kind in "fc"
    if kind is int or kind is bool:
        # An integer that does not fit the dtype raises numpy's error, so it does not take this path.
        return kind is bool or _is_within(whole.dtype, value)
    if not isinstance(value, TensorHandle):
        return False
    given = value._type
    if given.shape != shape or given.dtype.kind not in _NUMBERS:
        return False
    return given.dtype.kind != "c" or whole.dtype.kind == "c"


def _is_within(dtype: Dtype, value: int) -> bool:
    least, most = _limits(dtype)
    return least <= value <= most


@lru_cache(maxsize=64)
def _limits(dtype: Dtype) -> tuple[int, int]:
    if dtype.kind == "b":
        return 0, 1
    if dtype.kind in "fc":
        # Every floating dtype holds these integers.
        return -(2**15), 2**15
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def write_at(ufunc: Any, tensor: Any, index: Any, values: Sequence[TensorLike], write: Any) -> None:
    """Carry out `ufunc.at(tensor, index, *values)` by `write`, which makes the operation; a function of one operand has no value.

    Raises:  NoRuleError: numpy computes in another dtype than the tensor's, or refuses the call
    """
    if not isinstance(tensor, TensorHandle) or not is_writable(tensor) or tensor.dtype.kind not in "iufc":
        raise NoRuleError(f"{ufunc.__name__}.at: the target is no writable tensor of numbers")
    # Here numpy treats a Python number as an array with a dtype of its own, not as a weak scalar.
    given = [value if isinstance(value, TensorHandle) else as_tensor(np.asarray(value)) for value in values]
    loops = [*loop_of(ufunc, tensor.dtype, *(value.dtype for value in given), None)]
    if loops != [tensor.dtype] * (len(given) + 2):
        raise NoRuleError(f"{ufunc.__name__}.at: numpy's loop has dtypes {loops}, the tensor {tensor.dtype}")
    value: Any = in_dtype(given[0], tensor.dtype) if given else 0
    _set_item(tensor, index, negative(value) if ufunc is np.subtract else value, write)


def _write(out: Array, index: Any, value: Any) -> None:
    out[index] = value


def _set_item(tensor: Any, index: Any, value: TensorLike, write: Any = Assign) -> None:
    if tensor.dtype.kind in "OV":
        raise NoRuleError("setitem: elements that are objects or records")
    key = basic_key(index)
    entries = tuple(index) if isinstance(index, tuple) else (index,)
    indices: list[Any] = []
    if key is None:
        entries, indices = _with_operands(entries)
    shape = _chosen_shape(tensor, key, entries, indices)
    given = _as_value(tensor, value, shape)
    if shape is None and len(entries) == 1 and isinstance(given, TensorHandle) and given.ndim > 1:
        _check_one_axis(tensor, indices[0])
    assign_elements(tensor, entries, given, indices, (), write)


def _check_one_axis(tensor: Any, mask: Any) -> None:
    # A mask over all axes chooses elements along one axis.
    if mask.ndim == tensor.ndim:
        raise NoRuleError("setitem: values with several axes for the elements that a mask chooses")


def _with_operands(entries: Index) -> tuple[Index, list[Any]]:
    """Return the index with ARRAY in the places of the index arrays, and these arrays."""
    indices: list[Any] = []
    plain: list[Any] = []
    for entry in entries:
        if entry is None or entry is Ellipsis or isinstance(entry, slice):
            plain.append(_plain_slice(entry))
        elif isinstance(entry, TensorHandle) or hasattr(entry, "__lazy_tensor__"):
            indices.append(_index_tensor(entry.__lazy_tensor__()))
            plain.append(ARRAY)
        elif isinstance(entry, list | tuple | np.ndarray | bool | np.bool):
            indices.append(_index_array(entry))
            plain.append(ARRAY)
        else:
            plain.append(whole(entry))
    return tuple(plain), indices


def _plain_slice(entry: Any) -> Any:
    if not isinstance(entry, slice):
        return entry
    parts = (entry.start, entry.stop, entry.step)
    return slice(*(None if part is None else whole(part) for part in parts))


def _index_tensor(tensor: Any) -> Any:
    if tensor.dtype.kind not in "iub":
        raise NoRuleError("setitem: an index that is neither integer nor boolean")
    return tensor


def _index_array(entry: Any) -> Any:
    values = array(entry) if isinstance(entry, list | tuple) else np.asarray(entry)
    if isinstance(values, TensorHandle):
        return _index_tensor(values)
    if not values.size and not isinstance(entry, np.ndarray):
        values = values.astype(np.intp)
    if values.dtype.kind not in "iub":
        raise NoRuleError("setitem: an index that is neither integer nor boolean")
    return positions_of(values) if values.dtype.kind != "b" else as_tensor(values)


def _chosen_shape(tensor: Any, key: Any, entries: Index, indices: list[Any]) -> Shape | None:
    """Return the shape that the index chooses, None if it depends on values; raises numpy's own errors."""
    if key is not None:
        if key.__class__ is int and tensor._type.shape and -tensor._type.shape[0] <= key < tensor._type.shape[0]:
            return tensor._type.shape[1:]  # type: ignore[no-any-return]  # a tuple of int
        known = _chosen_shapes.get((tensor._type, key))
        if known is not None:
            return known
    stand_in = np.broadcast_to(np.False_, tensor.shape)
    arrays: list[Array] = []
    for index in indices:
        handle = as_tensor(index)
        values = known_integers(handle)
        if values is None and handle.dtype.kind == "b":
            _check_mask(tensor, entries, handle)
            return None
        arrays.append(np.zeros(handle.shape, np.intp) if values is None else values)
    shape = stand_in[with_arrays(entries, arrays)].shape
    if key is not None:
        if len(_chosen_shapes) >= MAX_CHOSEN_SHAPES:
            _chosen_shapes.clear()
        _chosen_shapes[tensor._type, key] = shape
    return shape


def _check_mask(tensor: Any, entries: Index, mask: Any) -> None:
    # The number of elements a mask chooses is not known, but the mask must have the tensor's shape.
    if len(entries) == 1 and mask.shape != tensor.shape[: mask.ndim]:
        raise NoRuleError("setitem: a mask of another shape")


def _as_value(tensor: Any, value: TensorLike, shape: Shape | None) -> Any:
    if hasattr(value, "__lazy_tensor__"):
        result = value.__lazy_tensor__()
    elif isinstance(value, bool | int | float | complex) and not isinstance(value, np.generic):
        return _checked_scalar(tensor, value)
    else:
        result = _converted(tensor, value)
    if shape is not None and result._type.shape != shape:
        if not shape:
            raise NoRuleError("setitem: an array with axes for one element, of which numpy warns or which it refuses")
        _check_broadcasts(result._type.shape, shape)
    if result._type.dtype.kind == "c" and tensor.dtype.kind != "c":
        raise NoRuleError("setitem: numpy warns that complex values lose their imaginary part")
    if result._type.dtype.kind in "SUT" and tensor.dtype.kind not in "SUT":
        raise NoRuleError("setitem: strings, which numpy parses as numbers")
    return result


def _checked_scalar(tensor: Any, value: Any) -> Any:
    if value.__class__ is not float or tensor.dtype.kind not in "fc":
        # numpy's error for a value that does not fit (300 in int8, a complex number in a float) is raised now.
        np.empty((), tensor.dtype)[()] = value
    return value if value.__class__ is not bool else scalar_tensor(value)


def _converted(tensor: Any, value: Any) -> LazyTensor:
    if isinstance(value, np.ndarray | np.generic):
        return as_tensor(value)
    if tensor.dtype.kind in "biufcmM" and isinstance(value, list | tuple):
        return array(value)
    try:
        return as_tensor(np.asarray(value, dtype=tensor.dtype))
    except (TypeError, ValueError, OverflowError) as error:
        raise NoRuleError(f"setitem: numpy makes no array of {described(value):.40}: {error}") from error


def _check_broadcasts(given: Shape, wanted: Shape) -> None:
    excess = len(given) - len(wanted)
    stripped = given[excess:] if excess > 0 and all(length == 1 for length in given[:excess]) else given
    padded = (1,) * (len(wanted) - len(stripped)) + stripped
    if len(padded) > len(wanted) or any(a not in (1, b) for a, b in zip(padded, wanted, strict=True)):
        raise ShapeError(
            f"could not broadcast input array from shape {spell_shape(given)} into shape {spell_shape(wanted)}: aligned at the"
            " last axis, each length of the value must be 1 or that of what is written to; reshape the value"
        )
