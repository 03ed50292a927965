"""Elements in order, and their places in it: sort, argsort, partition, searchsorted, digitize.

May import computations, movement, indexing, arguments, errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from composit.errors import NoRuleError
from composit.numpy.arguments import AxisLike, TensorLike, handle_of, normalize_axis, truth
from composit.numpy.computations import Computation, Parameters, same_type
from composit.numpy.movement import ravel
from composit.numpy.numpy_function import rule_for
from composit.operation import Array, TensorType, tensor_type

__all__ = [
    "argpartition",
    "argsort",
    "digitize",
    "lexsort",
    "partition",
    "searchsorted",
    "sort",
    "sort_complex",
]

# Comparing objects runs their methods; records compare by fields.
_UNORDERED = "OVT"
_KINDS = (None, "quicksort", "mergesort", "heapsort", "stable")


def _positions_like(parameters: Parameters, *operands: TensorType) -> TensorType:
    shape = operands[-1].shape
    return tensor_type(shape, np.intp, is_scalar=not shape)


def _sort_derivative(xp: Any, g: Any, result: Any, parameters: Parameters, x: Any) -> Sequence[Any]:
    axis = parameters["axis"]
    order = xp.argsort(x, axis=axis, kind="stable")
    # The element at place i went to place argsort(order)[i].
    return [xp.take_along_axis(g, xp.argsort(order, axis=axis), axis)]


_sort = Computation(np.sort, same_type, _sort_derivative)
_argsort = Computation(np.argsort, _positions_like, "none: a position is an integer")


def _sorted(row: Computation, a: TensorLike, axis: Any, options: tuple[Any, Any, Any]) -> Any:
    kind, order, stable = options
    tensor = handle_of(a)
    if order is not None or tensor.dtype.kind in _UNORDERED or not tensor.ndim:
        raise NoRuleError(f"{row.name}: an order of fields, objects, or no axis")
    if kind not in _KINDS or (kind is not None and stable is not None) or stable not in (None, False, True):
        raise NoRuleError(f"{row.name}: kind {kind!r} with stable {stable!r}")
    flat, position = (ravel(tensor), 0) if axis is None else (tensor, normalize_axis(axis, tensor.ndim))
    if stable is not None:
        return row(flat, axis=position, kind=kind, stable=truth(stable))
    return row(flat, axis=position, kind=kind)


@rule_for(np.sort)
def sort(
    a: TensorLike, axis: AxisLike | None = -1, kind: str | None = None, order: Any = None, *, stable: Any = None
) -> Any:
    """Return the elements in ascending order along an axis. See np.sort.

    Derivative:  g at the places where the elements came from
    """
    return _sorted(_sort, a, axis, (kind, order, stable))


@rule_for(np.argsort)
def argsort(
    a: TensorLike, axis: AxisLike | None = -1, kind: str | None = None, order: Any = None, *, stable: Any = None
) -> Any:
    """Return the places that the elements in ascending order come from. See np.argsort."""
    return _sorted(_argsort, a, axis, (kind, order, stable))


def _partition_types(parameters: Parameters, operand: TensorType) -> TensorType:
    length = operand.shape[parameters["axis"]]
    if not all(-length <= position < length for position in np.atleast_1d(parameters["kth"]).tolist()):
        raise NoRuleError(f"partition: kth={parameters['kth']} with {length} elements")
    return tensor_type(operand.shape, operand.dtype)


def _argpartition_types(parameters: Parameters, operand: TensorType) -> TensorType:
    return tensor_type(_partition_types(parameters, operand).shape, np.intp)


def _partition_derivative(xp: Any, g: Any, result: Any, parameters: Parameters, x: Any) -> Sequence[Any]:
    # Where each element went follows from the values alone: what is i-th in order before is so afterwards.
    axis = parameters["axis"]
    before, after = (xp.argsort(values, axis=axis, kind="stable") for values in (x, result))
    return [xp.take_along_axis(xp.take_along_axis(g, after, axis), xp.argsort(before, axis=axis), axis)]


_partition = Computation(np.partition, _partition_types, _partition_derivative)
_argpartition = Computation(np.argpartition, _argpartition_types, "none: a position is an integer")


def _partitioned(row: Computation, a: TensorLike, kth: Any, axis: Any, kind: str, order: Any) -> Any:
    tensor = handle_of(a)
    places = np.asarray(kth)
    if order is not None or kind != "introselect" or tensor.dtype.kind in _UNORDERED or not tensor.ndim:
        raise NoRuleError(f"{row.name}: an order of fields, objects, no axis, or kind {kind!r}")
    if places.dtype.kind not in "iu" or places.ndim > 1 or not places.size:
        raise NoRuleError(f"{row.name}: kth={kth!r}")
    flat, position = (ravel(tensor), 0) if axis is None else (tensor, normalize_axis(axis, tensor.ndim))
    known = tuple(places.tolist()) if places.ndim else int(places)
    return row(flat, kth=known, axis=position)


@rule_for(np.partition)
def partition(a: TensorLike, kth: Any, axis: AxisLike | None = -1, kind: str = "introselect", order: Any = None) -> Any:
    """Return the elements with the kth in its place, smaller ones before it, larger ones after. See np.partition."""
    return _partitioned(_partition, a, kth, axis, kind, order)


@rule_for(np.argpartition)
def argpartition(
    a: TensorLike, kth: Any, axis: AxisLike | None = -1, kind: str = "introselect", order: Any = None
) -> Any:
    """Return the places that the elements of `partition` come from. See np.argpartition."""
    return _partitioned(_argpartition, a, kth, axis, kind, order)


def _lexsort_of(*keys: Array, axis: int) -> Array:
    return np.lexsort(keys, axis=axis)


_lexsort = Computation(_lexsort_of, _positions_like, "none: a position is an integer", "lexsort")


@rule_for(np.lexsort)
def lexsort(keys: Any, axis: AxisLike = -1) -> Any:
    """Return the order by several keys, the last of them first. See np.lexsort."""
    if not isinstance(keys, list | tuple) or not keys:
        raise NoRuleError("lexsort: keys in one array")
    tensors = [handle_of(key) for key in keys]
    shape = tensors[0].shape
    if not shape or any(key.shape != shape or key.dtype.kind in _UNORDERED for key in tensors):
        raise NoRuleError("lexsort: keys of different shapes, of rank 0 or of objects")
    return _lexsort(*tensors, axis=normalize_axis(axis, len(shape)))


_searchsorted = Computation(np.searchsorted, _positions_like, "none: a position is an integer")
_digitize_in = Computation(
    np.digitize,
    lambda parameters, x, bins: _positions_like(parameters, x),
    "none: an integer",
    raises_by_value=True,
)

_COMPARABLE = ("biufc", "mM", "S", "U")


def _are_comparable(first: str, second: str) -> bool:
    return any(first in kinds and second in kinds for kinds in _COMPARABLE)


@rule_for(np.searchsorted)
def searchsorted(a: TensorLike, v: TensorLike, side: str = "left", sorter: Any = None) -> Any:
    """Return where elements would be inserted to keep the order. See np.searchsorted."""
    ordered, values = handle_of(a), handle_of(v)
    if sorter is not None or side not in ("left", "right") or ordered.ndim != 1:
        raise NoRuleError("searchsorted: a sorter, another side, or an array that is no vector")
    if not _are_comparable(ordered.dtype.kind, values.dtype.kind):
        raise NoRuleError("searchsorted: elements that numpy does not compare, or by their methods")
    return _searchsorted(ordered, values, side=side)


@rule_for(np.digitize)
def digitize(x: TensorLike, bins: TensorLike, right: bool = False) -> Any:
    """Return the number of the bin that each element is in. See np.digitize."""
    values, edges = handle_of(x), handle_of(bins)
    if edges.ndim != 1 or values.dtype.kind not in "biuf" or edges.dtype.kind not in "biuf":
        raise NoRuleError("digitize: bins that are no vector, or elements that are not real numbers")
    return _digitize_in(values, edges, right=truth(right))


def _sort_complex_types(parameters: Parameters, operand: TensorType) -> TensorType:
    if operand.dtype.kind == "c":
        return same_type(parameters, operand)
    letter = "F" if operand.dtype.char in "bhBH" else "G" if operand.dtype.char == "g" else "D"
    return tensor_type(operand.shape, np.dtype(letter))


_sort_complex = Computation(np.sort_complex, _sort_complex_types)


@rule_for(np.sort_complex)
def sort_complex(a: TensorLike) -> Any:
    """Return the elements in order of real, then imaginary parts, as complex numbers. See np.sort_complex."""
    tensor = handle_of(a)
    if not tensor.ndim or tensor.dtype.kind not in "biufc":
        raise NoRuleError("sort_complex: no axis, or no numbers")
    return _sort_complex(tensor)
