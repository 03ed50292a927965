"""`x[...]`, read or written: an index in any of numpy's forms becomes a basic index, then an advanced index if needed.

A boolean mask becomes the integers where it is true, because the shape of the result depends on them. If its values
are not known they are computed, which is a guard.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import EllipsisType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from composit.apply import apply
from composit.drafts import Elements
from composit.errors import NoRuleError, OutOfBoundsError, ParameterError
from composit.guards import read_value
from composit.handle import TensorHandle, described, new_tensor
from composit.numpy.arguments.positions import positions_of
from composit.numpy.calls.fallback import REFUSALS, let_numpy_decide
from composit.numpy.indexing.advanced_indices import (
    ARRAY,
    WITHOUT_LAZY_SCALARS,
    AdvancedEntry,
    AdvancedIndex,
    check_bounds,
    known_integers,
)
from composit.numpy.indexing.known_elements import element_at, elements_of, places_within
from composit.numpy.manipulation.reshaping import moveaxis, reshape, squeeze
from composit.numpy.views.basic_indices import BasicEntry, BasicIndex, Field, normalized_slice, plain_places, slice_key
from composit.numpy.views.layout import InOrder
from composit.numpy.views.live_memory import record_at
from composit.numpy.views.writes import is_writable
from composit.operation import Array, Operation, OperationKind, Results, Shape, TensorType, VjpContext, tensor_type
from composit.source import Source, find_source
from composit.storage import mark_view

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

_BASIC = (int, slice, type(None), EllipsisType)
_FULL = slice(None)


@dataclass(frozen=True, slots=True)
class _Places:
    """Integer positions along one axis: an index array. `new`: an axis is inserted first, for x[True] and x[False]."""

    values: Any  # a tensor, or an array of known integers
    new: bool = False


# Cache: operation and result types for a basic index. Programs use few different indices.
_BasicPlan: TypeAlias = tuple[BasicIndex, tuple[TensorType, ...]]
_basic_plans: dict[tuple[TensorType, Any], _BasicPlan] = {}
MAX_BASIC_PLANS = 4096


def basic_key(index: Any) -> Any:  # Any: a hashable stand-in for the index
    """Return a hashable key for an index of plain integers and slices; None for any other index."""
    kind = index.__class__
    if kind is int:
        return index
    if kind is slice:
        return slice_key(index)
    if kind is not tuple:
        return None
    keys: list[Any] = []
    for entry in index:
        kind = entry.__class__
        if kind is int or entry is None or entry is Ellipsis:
            keys.append(entry)
        elif kind is slice:
            parts = slice_key(entry)
            if parts is None:
                return None
            keys.append(parts)
        else:
            return None
    # In a tuple of its own, so that x[(1, 2, 3),] and x[1:2:3] have different keys.
    return (tuple(keys),)


def get_item(tensor: Any, index: Any) -> Any:  # Any: LazyTensor in and out, and every form of index between
    """Return `tensor[index]`.

    Raises:  IndexError: numpy's; at the call if the index is known, else at evaluation
    """
    whole = tensor._type
    source = find_source()
    if index.__class__ is not slice:
        early = tensor._early
        # As fast as a plan, and without filling the cache of plans in loops over elements.
        if early.__class__ is Elements:
            element = element_at(early, index, source)
            if element is not None:
                return element
        elif (index.__class__ is tuple or len(whole.shape) == 1) and (
            places := element_places(whole, index)
        ) is not None:
            return _element(tensor, places, source)
    plan = basic_plan(whole, index)
    if plan is None:
        try:
            return _get_item(tensor, index)
        except REFUSALS as refusal:
            return let_numpy_decide(refusal, operator.getitem, (tensor, index), {})
    operation, types = plan
    if types[0].is_scalar:
        return _element(tensor, operation.index, source)  # type: ignore[arg-type]  # integers choose one element
    result = new_tensor(operation, (tensor._node or tensor.node, tensor._output_index), types, source)
    mark_view(result, tensor)
    return result


def _element(tensor: Any, places: tuple[int, ...], source: Source | None) -> Any:
    """Return one element as a lazy scalar, with its number if the array's values are known."""
    types = _types_of_parts(tensor._type, ())
    elements = elements_of(tensor, types)
    element = None if elements is None else element_at(elements, places, source)
    if element is not None:
        return element
    return new_tensor(_index_of_element(places), (tensor._node or tensor.node, tensor._output_index), types, source)


@lru_cache(maxsize=MAX_BASIC_PLANS)
def _index_of_element(places: tuple[int, ...]) -> BasicIndex:
    return BasicIndex(places)


def element_places(whole: TensorType, index: Any) -> tuple[int, ...] | None:
    """Return the non-negative positions of the one number that integers within bounds choose; None for other indices."""
    places = places_within(whole.shape, index)
    return None if places is None or whole.dtype.kind in WITHOUT_LAZY_SCALARS else places


def basic_plan(whole: TensorType, index: Any) -> _BasicPlan | None:
    """Return operation and result types of a plain index, kept for the next time; None for other indices."""
    key = slice_key(index) if index.__class__ is slice else basic_key(index)
    return None if key is None else _basic_plans.get((whole, key)) or _plain_plan(whole, index, key)


def _plain_plan(whole: TensorType, index: Any, key: Any) -> _BasicPlan | None:
    if whole.dtype.kind in WITHOUT_LAZY_SCALARS:
        return None
    places = plain_places(index, whole.shape)
    if places is None:
        return None
    plan = _basic_plans[whole, key] = BasicIndex(places[0]), _types_of_parts(whole, places[1])
    if len(_basic_plans) > MAX_BASIC_PLANS:
        _basic_plans.clear()
    return plan


@lru_cache(maxsize=MAX_BASIC_PLANS)
def _types_of_parts(whole: TensorType, shape: Shape) -> tuple[TensorType, ...]:
    return (tensor_type(shape, whole.dtype, not shape),)


def _get_item(tensor: Any, index: Any) -> Any:
    if tensor.dtype.kind in WITHOUT_LAZY_SCALARS:
        return _get_item_of_objects(tensor, index)
    entries = tuple(index) if isinstance(index, tuple) else (index,)
    if not all(entry.__class__ in _BASIC for entry in entries):
        entries = tuple(_resolved(entry) for entry in entries)
        if any(isinstance(entry, _Places | list) for entry in entries):
            return _get_by_places(tensor, entries)
    expanded, _ = _expanded(entries, tensor.shape)
    operation = BasicIndex(tuple(_normalized(expanded, tensor.shape)))
    if Ellipsis in entries and all(isinstance(entry, int) for entry in operation.index):
        return _as_array(tensor, operation.index)
    result = apply(operation, tensor)
    if not result._type.is_scalar:
        mark_view(result, tensor)
    return result


def _get_by_places(tensor: Any, entries: tuple[Any, ...]) -> LazyTensor:
    result = _get_advanced(tensor, entries)
    is_view = all(map(_is_basic, entries))
    if result._type.is_scalar:
        if Ellipsis not in entries:
            return result
        # With an Ellipsis numpy returns an array: a view for integers, a copy for 0-d index arrays.
        return get_item(tensor, tuple(map(_read_integer, entries))) if is_view else apply(InOrder("C"), result)
    if is_view:
        expanded, _ = _expanded(entries, tensor.shape)
        mark_view(result, tensor, LazyIndex(tuple(map(_given, expanded)), tensor.shape))
    return result


def _is_basic(entry: Any) -> bool:
    """Return whether the entry makes a view in numpy: a lazy scalar does, as an integer; a 0-d array does not."""
    if not isinstance(entry, _Places):
        return not isinstance(entry, list)
    return not entry.new and isinstance(entry.values, TensorHandle) and entry.values.type.is_scalar


def _given(entry: Any) -> Any:
    return entry.values if isinstance(entry, _Places) else entry


def _read_integer(entry: Any) -> Any:
    value = _given(entry)
    return int(read_value(value, "index")) if isinstance(value, TensorHandle) else value


@dataclass(frozen=True, slots=True, eq=False)
class LazyIndex(Operation):
    """A basic index with lazy integers. They are read only when the view or its base is written to.

    A step of views; no node has it.

    Derivative:  that of the BasicIndex that it becomes
    """

    entries: tuple[Any, ...]
    shape: Shape
    is_view = True
    kind = OperationKind.MOVEMENT

    def settled(self) -> BasicIndex:
        return BasicIndex(tuple(_normalized(tuple(map(_read_integer, self.entries)), self.shape)))

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return self.settled().result_types(*operand_types)

    def evaluate(self, *operands: Array) -> Results:
        return self.settled().evaluate(*operands)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return self.settled().vjp(context)

    def view_of(self, array: Array) -> Array:
        return self.settled().view_of(array)


def _get_item_of_objects(tensor: Any, index: Any) -> Any:
    """Return elements of an array of objects, strings or records. Fields and slices are views."""
    if isinstance(index, str) or (isinstance(index, list) and index and all(isinstance(name, str) for name in index)):
        names = index if isinstance(index, str) else tuple(index)
        result = apply(Field(names), tensor)
        mark_view(result, tensor)
        return result
    entries = tuple(index) if isinstance(index, tuple) else (index,)
    if any(entry.__class__ not in _BASIC for entry in entries):
        raise NoRuleError("getitem: an index array into an array of objects")
    expanded, _ = _expanded(entries, tensor.shape)
    operation = BasicIndex(tuple(_normalized(expanded, tensor.shape)))
    if all(isinstance(entry, int) for entry in operation.index):
        if Ellipsis in entries:
            return _as_array(tensor, operation.index)
        if tensor.dtype.kind == "V" and is_writable(tensor):
            return record_at(tensor, operation.index)
        raise NoRuleError("getitem: one element of an array of objects")
    result = apply(operation, tensor)
    mark_view(result, tensor)
    return result


def _as_array(tensor: Any, index: tuple[BasicEntry, ...]) -> LazyTensor:
    """Return one element as a 0-d array: x[i, ...], where x[i] would be a scalar."""
    if tensor._type.is_scalar:
        return apply(InOrder("C"), tensor)
    if not tensor.ndim:
        return reshape(tensor, ())
    # Keep each axis with length 1, so that all can be dropped at the end by a view.
    widened = tuple(slice(entry, entry + 1, 1) if isinstance(entry, int) else entry for entry in index)
    part = apply(BasicIndex(widened), tensor)
    mark_view(part, tensor)
    return squeeze(part)


def _resolved(entry: Any) -> Any:
    """Return an int, slice, None or Ellipsis unchanged, an index array as _Places, a mask in a list."""
    if entry is None or entry is Ellipsis or isinstance(entry, slice):
        return entry
    if hasattr(entry, "__lazy_tensor__"):
        return _resolved_tensor(entry.__lazy_tensor__())
    if isinstance(entry, bool | np.bool):
        return _Places(np.zeros(int(entry), np.intp), new=True)
    if isinstance(entry, np.ndarray):
        return _resolved_array(entry, "arrays used as indices must be of integer (or boolean) type")
    try:
        return operator.index(entry)
    except TypeError:
        given = entry.__array__() if hasattr(entry, "__array__") else entry
        if isinstance(given, TensorHandle):
            return _resolved_tensor(given)
        known = np.asarray(given)
        return _resolved_array(known if known.size else known.astype(np.intp), _NO_INDEX)


_NO_INDEX = (
    "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are valid"
    " indices"
)


def _resolved_tensor(tensor: TensorHandle) -> Any:
    if tensor.dtype.kind in "iu":
        return _Places(tensor)
    if tensor.dtype.kind == "b":
        return _resolved_array(np.asarray(read_value(tensor, "mask")), _NO_INDEX)
    raise OutOfBoundsError(f"{_NO_INDEX}: got {described(tensor)}; convert it with astype(int)")


def _resolved_array(values: Array, message: str) -> Any:
    if values.dtype.kind in "iu":
        return _Places(values)
    if values.dtype.kind != "b":
        raise OutOfBoundsError(f"{message}: got an array of {values.dtype}; convert it with astype(int)")
    if not values.ndim:
        return _Places(np.zeros(int(values), np.intp), new=True)
    # Whether the mask's shape fits is checked later, when it is known which axes it indexes.
    return [values]


def _num_axes(entry: Any) -> int:
    if entry is None or entry is Ellipsis or (isinstance(entry, _Places) and entry.new):
        return 0
    return entry[0].ndim if isinstance(entry, list) else 1


def _expanded(entries: Sequence[Any], shape: tuple[int, ...]) -> tuple[list[Any], int | None]:
    """Return one entry per axis, and the position of an ellipsis that stands for no axis."""
    used = sum(map(_num_axes, entries))
    if used > len(shape):
        raise OutOfBoundsError(
            f"too many indices for array: array is {len(shape)}-dimensional, but {used} were indexed: the shape is"
            f" {shape}; use one index per axis at most"
        )
    places = [position for position, entry in enumerate(entries) if entry is Ellipsis]
    if len(places) > 1:
        raise OutOfBoundsError(
            f"an index can only have a single ellipsis ('...'): {len(places)} were given; write ':' per axis"
        )
    fill = [_FULL] * (len(shape) - used)
    if not places:
        return [*entries, *fill], None
    return [*entries[: places[0]], *fill, *entries[places[0] + 1 :]], None if fill else places[0]


def _get_basic(tensor: Any, entries: Sequence[Any]) -> LazyTensor:
    return apply(BasicIndex(tuple(_normalized(entries, tensor.shape))), tensor)


def _normalized(entries: Sequence[Any], shape: tuple[int, ...]) -> Iterator[BasicEntry]:
    axis = 0
    for entry in entries:
        if entry is None:
            yield None
            continue
        length = shape[axis]
        if isinstance(entry, slice):
            yield _normalized_slice(entry, length)
        else:
            yield _normalized_integer(entry, axis, length)
        axis += 1


def _normalized_slice(entry: slice, length: int) -> slice:
    if entry.step is not None and operator.index(entry.step) == 0:
        raise ParameterError(
            f"slice step cannot be zero: {entry} was given for an axis of length {length}; use 1, or -1 to go back"
        )
    return normalized_slice(entry, length)


def _normalized_integer(entry: int, axis: int, length: int) -> int:
    if not -length <= entry < length:
        raise OutOfBoundsError(
            f"index {entry} is out of bounds for axis {axis} with size {length}: indices run from {-length} to"
            f" {length - 1}"
        )
    return entry + length if entry < 0 else entry


def _get_advanced(tensor: Any, entries: Sequence[Any]) -> LazyTensor:
    expanded, ellipsis = _expanded(entries, tensor.shape)
    flat: list[Any] = []
    boundary = None
    axis = 0
    for position, entry in enumerate(expanded):
        if position == ellipsis:
            boundary = len(flat)
        flat.extend(_mask_places(entry[0], axis, tensor.shape) if isinstance(entry, list) else [entry])
        axis += _num_axes(entry)
    base = tensor
    view = [_view_entry(entry) for entry in flat]
    if any(entry is None or entry != _FULL for entry in view):
        base = _get_basic(tensor, view)
    index, operands = _advanced_entries(flat, tensor.shape)
    if boundary is not None and any(map(_is_chosen, flat[:boundary])) and any(map(_is_chosen, flat[boundary:])):
        base, index = _chosen_first(base, index)
    return apply(AdvancedIndex(tuple(index)), base, *operands)


def _mask_places(mask: Array, axis: int, shape: tuple[int, ...]) -> list[_Places]:
    for offset, length in enumerate(mask.shape):
        if length != shape[axis + offset]:
            raise OutOfBoundsError(
                f"boolean index did not match indexed array along axis {axis + offset}; size of axis is"
                f" {shape[axis + offset]} but size of corresponding boolean axis is {length}: a mask has the shape of"
                " the axes it chooses from"
            )
    return [_Places(places) for places in np.nonzero(mask)]


def _is_chosen(entry: Any) -> bool:
    return isinstance(entry, _Places | int)


def _view_entry(entry: Any) -> slice | None:
    """Return the entry of the basic index that is applied before the advanced index."""
    if isinstance(entry, _Places):
        return None if entry.new else _FULL
    return _FULL if isinstance(entry, int) else entry


def _advanced_entries(flat: Sequence[Any], shape: tuple[int, ...]) -> tuple[list[AdvancedEntry], list[Any]]:
    index: list[AdvancedEntry] = []
    operands = []
    axis = 0
    for entry in flat:
        if isinstance(entry, _Places):
            if not entry.new:
                check_bounds(known_integers(entry.values), axis, shape[axis])
            index.append(ARRAY)
            values = entry.values
            operands.append(values if isinstance(values, TensorHandle) else positions_of(values))
        else:
            index.append(_normalized_integer(entry, axis, shape[axis]) if isinstance(entry, int) else _FULL)
        axis += 0 if entry is None or (isinstance(entry, _Places) and entry.new) else 1
    return index, operands


def _chosen_first(base: Any, index: list[AdvancedEntry]) -> tuple[Any, list[AdvancedEntry]]:
    # An ellipsis between index arrays, even one for no axis, moves their axes to the front.
    chosen = [axis for axis, entry in enumerate(index) if entry.__class__ is not slice]
    kept = [entry for entry in index if entry.__class__ is slice]
    return moveaxis(base, chosen, range(len(chosen))), [*(index[axis] for axis in chosen), *kept]
