"""Functions that change their first argument: a tensor there moves on to the new value, and so do its views.

May import writing, elementwise_composites, movement, arguments, errors.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from composit.errors import NoRuleError
from composit.handle import TensorHandle
from composit.numpy.arguments import AxisLike, TensorLike, check_casting, handle_of, normalize_axis
from composit.numpy.assignment import is_connected
from composit.numpy.elementwise import astype
from composit.numpy.elementwise_composites import where as choose_where
from composit.numpy.movement import broadcast_to
from composit.numpy.numpy_function import rule_for
from composit.numpy.writing import set_item

__all__ = ["copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"]

Tensor = Any  # LazyTensor, which is defined above this module


def _target(given: Any) -> Tensor:
    """Return the tensor to write to."""
    if not isinstance(given, TensorHandle) or given.type.is_scalar or given.dtype.kind not in "biufcmM":
        raise NoRuleError("writing: what is changed is no tensor of numbers")
    return given


def _is_number(value: object) -> bool:
    return type(value) in (bool, int, float, complex)


def _mask(mask: TensorLike) -> Tensor:
    tensor = handle_of(mask)
    if tensor.dtype.kind != "b":
        raise NoRuleError("writing: a mask that is not boolean")
    return tensor


def _write_where(target: Tensor, mask: Tensor, values: TensorLike) -> None:
    """Write values to the places of a mask; both have the target's shape, or the value is one."""
    if _is_number(values):
        set_item(target, mask, values)
        return
    given = handle_of(values)
    if given.dtype.kind == "c" and target.dtype.kind != "c":
        raise NoRuleError("writing: complex numbers to real ones, of which numpy warns")
    given = given if given.dtype == target.dtype else astype(given, target.dtype)
    set_item(target, ..., choose_where(mask, broadcast_to(given, target.shape), target))


@rule_for(np.copyto, writes=("dst",))
def copyto(dst: Any, src: TensorLike, casting: str = "same_kind", where: Any = True) -> None:
    """Write an array to another, at the places of a mask. See np.copyto."""
    target = _target(dst)
    if target.dtype.kind in "iub" and handle_of(src).type.is_scalar and handle_of(src).dtype.kind in "fc":
        raise NoRuleError("copyto: a scalar that may not fit, of which numpy warns as of an array")
    if not _is_number(src):
        check_casting(handle_of(src).dtype, target.dtype, casting)
    elif casting != "same_kind" or not np.can_cast(np.asarray(src).dtype, target.dtype, "same_kind"):
        raise NoRuleError("copyto: a number of another kind")
    if where is True:
        set_item(target, ..., src)
    else:
        _write_where(target, broadcast_to(_mask(where), target.shape), src)


@rule_for(np.putmask, writes=("a",))
def putmask(a: Any, /, mask: TensorLike, values: TensorLike) -> None:
    """Write the values of the same places to where a mask is true. See np.putmask."""
    target, chosen = _target(a), _mask(mask)
    if chosen.shape != target.shape or (not _is_number(values) and handle_of(values).shape not in ((), target.shape)):
        raise NoRuleError("putmask: shapes that differ, so that values are repeated")
    if not _is_number(values):
        check_casting(handle_of(values).dtype, target.dtype, "safe")
    _write_where(target, chosen, values)


@rule_for(np.place, writes=("arr",))
def place(arr: Any, mask: TensorLike, vals: TensorLike) -> None:
    """Write values one after the other to where a mask is true. See np.place; one value is lazy."""
    target, chosen = _target(arr), _mask(mask)
    values = handle_of(vals)
    if chosen.shape != target.shape or values.size != 1:
        raise NoRuleError("place: values that are repeated as often as the mask is true")
    if not _is_number(vals):
        check_casting(values.dtype, target.dtype, "safe")
    set_item(target, chosen, vals if _is_number(vals) else values.reshape(()))


@rule_for(np.put, writes=("a",))
def put(a: Any, ind: TensorLike, v: TensorLike, mode: str = "raise") -> None:
    """Write values to positions in the flattened array. See np.put."""
    target, values = _target(a), handle_of(v)
    places = ind if isinstance(ind, TensorHandle) else np.asarray(ind)
    size = math.prod(places.shape)
    if mode != "raise" or places.dtype.kind not in "iu" or 1 != values.size < size:
        raise NoRuleError(f"put: mode {mode!r}, positions that are no integers, or values to be repeated")
    chosen = v if _is_number(v) else values.reshape(-1)[:size]
    set_item(_flat(target), places.reshape(-1), chosen)


def _flat(target: Tensor) -> Tensor:
    flat = target.reshape(-1) if target.ndim != 1 else target
    if flat is not target and not is_connected(flat):
        raise NoRuleError("put: elements that do not lie in order")
    return flat


@rule_for(np.fill_diagonal, writes=("a",))
def fill_diagonal(a: Any, val: TensorLike, wrap: bool = False) -> None:
    """Write to the main diagonal. See np.fill_diagonal."""
    target = _target(a)
    shape = target.shape
    if target.ndim < 2 or (target.ndim > 2 and len(set(shape)) > 1) or (wrap and shape[0] > shape[1]):
        raise NoRuleError("fill_diagonal: one axis, axes of different lengths, or a diagonal that goes on")
    length = min(shape)
    if not _is_number(val) and handle_of(val).shape not in ((), (length,)):
        raise NoRuleError("fill_diagonal: values that are repeated")
    places = np.arange(length)
    set_item(target, (places,) * target.ndim, val)


@rule_for(np.put_along_axis, writes=("arr",))
def put_along_axis(arr: Any, indices: TensorLike, values: TensorLike, axis: AxisLike | None) -> None:
    """Write values to positions along an axis, row by row. See np.put_along_axis."""
    target = _target(arr)
    if axis is None:
        raise NoRuleError("put_along_axis: the flattened array")
    position = normalize_axis(axis, target.ndim)
    places = indices if isinstance(indices, TensorHandle) else np.asarray(indices)
    if places.dtype.kind not in "iu" or places.ndim != target.ndim:
        raise NoRuleError("put_along_axis: positions that are no integers, or of another number of axes")
    index: list[Any] = list(np.ogrid[tuple(slice(length) for length in target.shape)])
    index[position] = places
    set_item(target, tuple(index), values)
