"""sort, argsort, lexsort, partition, searchsorted, digitize."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError
from composit.numpy.arguments.normalizing import AxisLike, TensorLike, handle_of, normalize_axis, truth
from composit.numpy.calls.array_function import ArrayFunction
from composit.numpy.calls.declarations import rule_for
from composit.numpy.elementwise.casting import in_dtype
from composit.numpy.manipulation.reshaping import ravel
from composit.operation import Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

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

# Left to numpy: comparing objects runs their methods, records compare by fields.
_UNORDERED = "OVT"
_KINDS = (None, "quicksort", "mergesort", "heapsort", "stable")
_NO_SLOPE = "a position is an integer"


def _positions_like(operand: TensorType) -> tuple[TensorType, ...]:
    return (tensor_type(operand.shape, np.intp, is_scalar=not operand.shape),)


@dataclass(frozen=True, slots=True)
class _Sorting(ArrayFunction):
    """algorithm: numpy's argument `kind`; an operation's `kind` is its OperationKind"""

    axis: int
    algorithm: str | None = None
    stable: bool | None = None

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        # n log n comparisons along the axis
        (x,) = operand_types
        return max(1, x.size * x.shape[self.axis].bit_length())

    def evaluator(self) -> Callable[..., Results]:
        return partial(self.function, axis=self.axis, kind=self.algorithm, stable=self.stable)


@dataclass(frozen=True, slots=True)
class Sort(_Sorting):
    """The elements in ascending order along an axis.

    Derivative:  g moved back to the positions that the elements came from
    Reference:   numpy.sort
    """

    function = staticmethod(np.sort)

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(operand_types[0].shape, operand_types[0].dtype),)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        order = xp.argsort(x, axis=self.axis, kind="stable")
        # The element at position i went to position argsort(order)[i].
        return [xp.take_along_axis(g, xp.argsort(order, axis=self.axis, kind="stable"), self.axis)]


@dataclass(frozen=True, slots=True)
class ArgSort(_Sorting):
    """The positions of the elements in ascending order.

    Reference:   numpy.argsort
    """

    function = staticmethod(np.argsort)
    no_derivative = _NO_SLOPE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return _positions_like(*operand_types)


def _sorted(operation: type[_Sorting], a: TensorLike, axis: Any, options: tuple[Any, Any, Any]) -> LazyTensor:
    kind, order, stable = options
    tensor, name = handle_of(a), operation.function.__name__
    if order is not None or tensor.dtype.kind in _UNORDERED or not tensor.ndim:
        raise NoRuleError(f"{name}: an order of fields, objects, or no axis")
    if kind not in _KINDS or (kind is not None and stable is not None) or stable not in (None, False, True):
        raise NoRuleError(f"{name}: kind {kind!r} with stable {stable!r}")
    flat, position = (ravel(tensor), 0) if axis is None else (tensor, normalize_axis(axis, tensor.ndim))
    return apply(operation(position, kind, None if stable is None else truth(stable)), flat)


@rule_for(np.sort)
def sort(
    a: TensorLike, axis: AxisLike | None = -1, kind: str | None = None, order: Any = None, *, stable: Any = None
) -> LazyTensor:
    """Return the elements in ascending order along an axis. See np.sort.

    Derivative:  g moved back to the positions that the elements came from
    """
    return _sorted(Sort, a, axis, (kind, order, stable))


@rule_for(np.argsort)
def argsort(
    a: TensorLike, axis: AxisLike | None = -1, kind: str | None = None, order: Any = None, *, stable: Any = None
) -> LazyTensor:
    """Return the positions of the elements in ascending order: x[argsort(x)] is sort(x). See np.argsort."""
    return _sorted(ArgSort, a, axis, (kind, order, stable))


@dataclass(frozen=True, slots=True)
class Partition(ArrayFunction):
    """The elements along an axis, those of the ranks `kth` in their sorted positions.

    Derivative:  g moved back to the positions that the elements came from
    Reference:   numpy.partition
    """

    function = staticmethod(np.partition)
    kth: int | tuple[int, ...]
    axis: int

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (operand,) = operand_types
        length = operand.shape[self.axis]
        if not all(-length <= position < length for position in np.atleast_1d(self.kth).tolist()):
            raise NoRuleError(f"partition: kth={self.kth} with {length} elements")
        return (tensor_type(operand.shape, operand.dtype),)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        # The i-th smallest element of the operand is the i-th smallest of the result, which gives the permutation.
        xp, (g,), (x,), (result,) = context.xp, context.cotangents, context.operands, context.results
        before, after = (xp.argsort(values, axis=self.axis, kind="stable") for values in (x, result))
        in_order = xp.take_along_axis(g, after, self.axis)
        places = xp.argsort(before, axis=self.axis, kind="stable")
        return [xp.take_along_axis(in_order, places, self.axis)]


@dataclass(frozen=True, slots=True)
class ArgPartition(ArrayFunction):
    """The positions that the elements of `Partition` come from.

    Reference:   numpy.argpartition
    """

    function = staticmethod(np.argpartition)
    no_derivative = _NO_SLOPE
    kth: int | tuple[int, ...]
    axis: int

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (elements,) = Partition(self.kth, self.axis).result_types(*operand_types)
        return (tensor_type(elements.shape, np.intp),)


_Partitioning: TypeAlias = type[Partition] | type[ArgPartition]


def _partitioned(operation: _Partitioning, a: TensorLike, kth: Any, axis: Any, kind: str, order: Any) -> LazyTensor:
    tensor, name = handle_of(a), operation.function.__name__
    places = np.asarray(kth)
    if order is not None or kind != "introselect" or tensor.dtype.kind in _UNORDERED or not tensor.ndim:
        raise NoRuleError(f"{name}: an order of fields, objects, no axis, or kind {kind!r}")
    if places.dtype.kind not in "iu" or places.ndim > 1 or not places.size:
        raise NoRuleError(f"{name}: kth={kth!r}")
    flat, position = (ravel(tensor), 0) if axis is None else (tensor, normalize_axis(axis, tensor.ndim))
    known = tuple(places.tolist()) if places.ndim else int(places)
    return apply(operation(known, position), flat)


@rule_for(np.partition)
def partition(
    a: TensorLike, kth: Any, axis: AxisLike | None = -1, kind: str = "introselect", order: Any = None
) -> LazyTensor:
    """Return the elements with the kth smallest at index kth, smaller ones before, larger after. See np.partition."""
    return _partitioned(Partition, a, kth, axis, kind, order)


@rule_for(np.argpartition)
def argpartition(
    a: TensorLike, kth: Any, axis: AxisLike | None = -1, kind: str = "introselect", order: Any = None
) -> LazyTensor:
    """Return the positions that the elements of `partition` come from. See np.argpartition."""
    return _partitioned(ArgPartition, a, kth, axis, kind, order)


@dataclass(frozen=True, slots=True)
class LexSort(ArrayFunction):
    """The order by several keys along an axis, the last key first; the operands are the keys.

    Reference:   numpy.lexsort
    """

    function = staticmethod(np.lexsort)
    no_derivative = _NO_SLOPE
    axis: int

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        (result,) = result_types
        return max(1, len(operand_types) * result.size * result.shape[self.axis].bit_length())

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return _positions_like(operand_types[-1])

    def evaluator(self) -> Callable[..., Results]:
        return lambda *keys: np.lexsort(keys, axis=self.axis)


@rule_for(np.lexsort)
def lexsort(keys: Any, axis: AxisLike = -1) -> LazyTensor:
    """Return the order by several keys, the last key first. See np.lexsort. Lazy for a list of keys."""
    if not isinstance(keys, list | tuple) or not keys:
        raise NoRuleError("lexsort: keys in one array")
    tensors = [handle_of(key) for key in keys]
    shape = tensors[0].shape
    if not shape or any(key.shape != shape or key.dtype.kind in _UNORDERED for key in tensors):
        raise NoRuleError("lexsort: keys of different shapes, of rank 0 or of objects")
    return apply(LexSort(normalize_axis(axis, len(shape))), *tensors)


@dataclass(frozen=True, slots=True)
class SearchSorted(ArrayFunction):
    """The positions at which elements of the second operand would be inserted into the first, a sorted vector.

    Reference:   numpy.searchsorted
    """

    function = staticmethod(np.searchsorted)
    no_derivative = _NO_SLOPE
    side: str

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return _positions_like(operand_types[1])


@dataclass(frozen=True, slots=True)
class Digitize(ArrayFunction):
    """The number of the bin of each element of the first operand; the second operand holds the edges.

    Reference:   numpy.digitize
    """

    function = staticmethod(np.digitize)
    no_derivative = _NO_SLOPE
    right: bool
    raises_by_value = True

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return _positions_like(operand_types[0])


_COMPARABLE = ("biufc", "mM", "S", "U")


def _are_comparable(first: str, second: str) -> bool:
    return any(first in kinds and second in kinds for kinds in _COMPARABLE)


@rule_for(np.searchsorted)
def searchsorted(a: TensorLike, v: TensorLike, side: str = "left", sorter: Any = None) -> LazyTensor:
    """Return the positions at which elements would be inserted to keep the order. See np.searchsorted."""
    ordered, values = handle_of(a), handle_of(v)
    if sorter is not None or side not in ("left", "right") or ordered.ndim != 1:
        raise NoRuleError("searchsorted: a sorter, another side, or an array that is no vector")
    if not _are_comparable(ordered.dtype.kind, values.dtype.kind):
        raise NoRuleError("searchsorted: elements that numpy does not compare, or by their methods")
    return apply(SearchSorted(side), ordered, values)


@rule_for(np.digitize)
def digitize(x: TensorLike, bins: TensorLike, right: bool = False) -> LazyTensor:
    """Return the number of the bin of each element. See np.digitize."""
    values, edges = handle_of(x), handle_of(bins)
    if edges.ndim != 1 or values.dtype.kind not in "biuf" or edges.dtype.kind not in "biuf":
        raise NoRuleError("digitize: bins that are no vector, or elements that are not real numbers")
    return apply(Digitize(truth(right)), values, edges)


@rule_for(np.sort_complex)
def sort_complex(a: TensorLike) -> LazyTensor:
    """Return the elements in order of real, then imaginary parts, as complex numbers. See np.sort_complex.

    Derivative:  that of `sort`
    """
    tensor = handle_of(a)
    if not tensor.ndim or tensor.dtype.kind not in "biufc":
        raise NoRuleError("sort_complex: no axis, or no numbers")
    letter = "F" if tensor.dtype.char in "bhBH" else "G" if tensor.dtype.char == "g" else "D"
    return in_dtype(sort(tensor), tensor.dtype if tensor.dtype.kind == "c" else np.dtype(letter))
