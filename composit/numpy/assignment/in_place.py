"""Functions that change their first argument: copyto, put, place, putmask, fill_diagonal, put_along_axis.

A tensor given there moves on to a new node, and its views follow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.errors import NoRuleError
from composit.handle import TensorHandle
from composit.numpy.arguments.normalizing import AxisLike, TensorLike, check_casting, handle_of, normalize_axis, truth
from composit.numpy.assignment.setitem import set_item
from composit.numpy.calls.declarations import rule_for
from composit.numpy.elementwise.casting import astype
from composit.numpy.elementwise.composites import clip
from composit.numpy.elementwise.conditional import where as choose_where
from composit.numpy.indexing.advanced_indices import known_integers
from composit.numpy.indexing.taking import take
from composit.numpy.manipulation.broadcasting import broadcast_to
from composit.numpy.reductions.reduce import cumsum
from composit.numpy.views.writes import is_connected

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"]


def _target(given: Any) -> LazyTensor:
    """Return the tensor to write to."""
    if not isinstance(given, TensorHandle) or given.type.is_scalar or given.dtype.kind not in "biufcmM":
        raise NoRuleError("writing: the target is no tensor of numbers")
    return handle_of(given)


def _is_number(value: object) -> bool:
    return type(value) in (bool, int, float, complex)


def _mask(mask: TensorLike) -> LazyTensor:
    tensor = handle_of(mask)
    if tensor.dtype.kind != "b":
        raise NoRuleError("writing: a mask that is not boolean")
    return tensor


def _write_where(target: LazyTensor, mask: LazyTensor, values: TensorLike) -> None:
    """Write values where a mask is true. The mask has the target's shape; so do the values, or they are one number."""
    if _is_number(values):
        set_item(target, mask, values)
        return
    given = handle_of(values)
    if given.dtype.kind == "c" and target.dtype.kind != "c":
        raise NoRuleError("writing: numpy warns that complex numbers lose their imaginary part")
    given = given if given.dtype == target.dtype else astype(given, target.dtype)
    set_item(target, ..., choose_where(mask, broadcast_to(given, target.shape), target))


@rule_for(np.copyto, writes=("dst",))
def copyto(dst: Any, src: TensorLike, casting: str = "same_kind", where: Any = True) -> None:
    """Write an array to another, at the places of a mask. See np.copyto."""
    target = _target(dst)
    if target.dtype.kind in "iub" and handle_of(src).type.is_scalar and handle_of(src).dtype.kind in "fc":
        raise NoRuleError("copyto: the scalar may not fit; numpy warns, as for an array")
    if not _is_number(src):
        check_casting(handle_of(src).dtype, target.dtype, casting)
    elif casting != "same_kind" or not np.can_cast(np.asarray(src).dtype, target.dtype, "same_kind"):
        raise NoRuleError("copyto: the number is of another kind than the target")
    if where is True:
        set_item(target, ..., src)
    else:
        _write_where(target, broadcast_to(_mask(where), target.shape), src)


def repeated(values: TensorLike, count: int) -> Any:
    """Return `count` values: the given ones repeated from the start. A single value stays one, since it broadcasts."""
    if _is_number(values):
        return values
    flat = handle_of(values).reshape(-1)
    if flat.size == 1:
        return flat[0]
    if count and not flat.size:
        raise NoRuleError("writing: no values")
    return flat[:count] if flat.size >= count else take(flat, np.arange(count) % flat.size)


@rule_for(np.putmask, writes=("a",))
def putmask(a: Any, /, mask: TensorLike, values: TensorLike) -> None:
    """Write to the places where a mask is true the values of the same places. See np.putmask."""
    target, chosen = _target(a), _mask(mask)
    if chosen.shape != target.shape:
        raise NoRuleError("putmask: a mask of another shape")
    if _is_number(values):
        _write_where(target, chosen, values)
        return
    check_casting(handle_of(values).dtype, target.dtype, "safe")
    spread = repeated(values, target.size)
    _write_where(target, chosen, spread.reshape(target.shape) if spread.ndim else spread)


@rule_for(np.place, writes=("arr",))
def place(arr: Any, mask: TensorLike, vals: TensorLike) -> None:
    """Write values one after the other where a mask is true, starting over at the end. See np.place."""
    target, chosen = _target(arr), _mask(mask)
    values = handle_of(vals)
    if chosen.shape != target.shape or not values.size:
        raise NoRuleError("place: a mask of another shape, or no values")
    if not _is_number(vals):
        check_casting(values.dtype, target.dtype, "safe")
    if values.size == 1:
        set_item(target, chosen, vals if _is_number(vals) else values.reshape(()))
        return
    number = cumsum(chosen.reshape(-1)) - 1
    _write_where(target, chosen, take(values.reshape(-1), number % values.size).reshape(target.shape))


# For each mode of np.put, how a position out of bounds is brought into range.
_INTO_RANGE: Mapping[str, Callable[[Any, int], Any]] = {
    "raise": lambda places, size: places,
    "wrap": lambda places, size: places % size,
    "clip": lambda places, size: (
        clip(places, 0, size - 1) if isinstance(places, TensorHandle) else places.clip(0, size - 1)
    ),
}


@rule_for(np.put, writes=("a",))
def put(a: Any, ind: TensorLike, v: TensorLike, mode: str = "raise") -> None:
    """Write values to positions in the flattened array. See np.put."""
    target = _target(a)
    places = ind if isinstance(ind, TensorHandle) else np.asarray(ind)
    if mode not in _INTO_RANGE or places.dtype.kind not in "iu" or not target.size:
        raise NoRuleError(f"put: mode {mode!r}, positions that are no integers, or nothing to write to")
    within = _INTO_RANGE[mode](places.reshape(-1), target.size)
    write_flat(target, within, repeated(v, within.size))


def write_flat(target: LazyTensor, places: Any, values: Any) -> None:
    """Write to positions in C order, given as integers or a slice of the flattened array; values as for `set_item`."""
    flat = target.reshape(-1) if target.ndim != 1 else target
    if flat is target or is_connected(flat):
        set_item(flat, places, values)
        return
    known = np.arange(target.size)[places] if isinstance(places, slice) else known_integers(places)
    if known is None:
        raise NoRuleError("writing: the positions are not known, and the elements do not lie in C order")
    set_item(target, np.unravel_index(np.where(known < 0, known + target.size, known), target.shape), values)


@rule_for(np.fill_diagonal, writes=("a",))
def fill_diagonal(a: Any, val: TensorLike, wrap: bool = False) -> None:
    """Write to the main diagonal. See np.fill_diagonal."""
    target = _target(a)
    shape = target.shape
    if target.ndim < 2 or (target.ndim > 2 and len(set(shape)) > 1):
        raise NoRuleError("fill_diagonal: one axis, or axes of different lengths")
    # Going from one diagonal element to the next is one step along each axis.
    step = sum(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    end = target.size if truth(wrap) or target.ndim > 2 else min(shape[1] ** 2, target.size)
    write_flat(target, slice(None, end, step), repeated(val, len(range(0, end, step))))


@rule_for(np.put_along_axis, writes=("arr",))
def put_along_axis(arr: Any, indices: TensorLike, values: TensorLike, axis: AxisLike | None) -> None:
    """Write values to positions along an axis, row by row. See np.put_along_axis."""
    target = _target(arr)
    places = indices if isinstance(indices, TensorHandle) else np.asarray(indices)
    if axis is None and places.ndim == 1 and places.dtype.kind in "iu":
        write_flat(target, places, values)
        return
    position = normalize_axis(0 if axis is None else axis, target.ndim)
    if axis is None or places.dtype.kind not in "iu" or places.ndim != target.ndim:
        raise NoRuleError("put_along_axis: positions that are no integers, or of another number of axes")
    index: list[Any] = list(np.ogrid[tuple(slice(length) for length in target.shape)])
    index[position] = places
    set_item(target, tuple(index), values)
