"""median, quantile and percentile, and the operations of those that leave out NaN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from composit.apply import apply
from composit.errors import MissingDerivativeError, NoRuleError
from composit.numpy.arguments.normalizing import AxesLike, TensorLike, handle_of, truth
from composit.numpy.arguments.positions import positions_of
from composit.numpy.calls.array_function import ArrayFunction
from composit.numpy.calls.declarations import rule_for
from composit.numpy.reductions.arguments import axes_of, reduced_shape
from composit.operation import Axes, Dtype, OperationKind, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["median", "percentile", "quantile"]


# These methods return an element and do not interpolate, so the dtype stays that of the operand.
_CHOOSING = ("lower", "higher", "nearest", "inverted_cdf", "closest_observation")


def _ranked(xp: Any, g: Any, x: Any, axes: Axes, places: Any) -> Any:
    """Return the cotangent of x from that of its quantiles; a quantile between two ranks gives both elements a part.

    places: fractional ranks, 2.5 for the middle of the elements of ranks 2 and 3; the first axis of g runs along them
    """
    shape = xp.shape(x)
    others = tuple(axis for axis in range(len(shape)) if axis not in axes)
    order = (*others, *axes)
    _, ranks = _rows_and_ranks(xp, x, order, len(others))
    # The weight of rank r in the value at place p is max(1 - |r - p|, 0): linear interpolation.
    hats = xp.maximum(1 - xp.absolute(ranks - xp.reshape(places, (-1,) + (1,) * (len(others) + 1))), 0)
    g = xp.reshape(g, (-1, *[shape[axis] for axis in others], 1))
    spread = xp.reshape(xp.sum(g * hats, axis=0), tuple(shape[axis] for axis in order))
    return xp.transpose(spread, tuple(order.index(axis) for axis in range(len(shape))))


def _rows_and_ranks(xp: Any, x: Any, order: Axes, num_others: int) -> tuple[Any, Any]:
    """Return x with the sorted axes merged into the last, and the rank of each element in its row."""
    shape = xp.shape(x)
    rows = xp.reshape(xp.transpose(x, order), (*[shape[axis] for axis in order[:num_others]], -1))
    return rows, xp.argsort(xp.argsort(rows, axis=-1, kind="stable"), axis=-1)


def _of_places(xp: Any, g: Any, x: Any, axes: Axes, places: Any) -> Any:
    """Return the cotangent of the places: g times the difference of the elements of the ranks above and below.

    At an integer place, a kink, the difference to the next higher rank counts.
    """
    shape = xp.shape(x)
    others = tuple(axis for axis in range(len(shape)) if axis not in axes)
    rows, ranks = _rows_and_ranks(xp, x, (*others, *axes), len(others))
    last = max(xp.shape(rows)[-1] - 2, 0)
    below = xp.reshape(xp.clip(xp.floor(places), 0, last), (-1,) + (1,) * (len(others) + 1))
    slopes = xp.where(ranks == below + 1, rows, 0) - xp.where(ranks == below, rows, 0)
    each = xp.reshape(g, (-1, *[shape[axis] for axis in others], 1)) * slopes
    return xp.reshape(xp.sum(each, axis=tuple(range(1, len(others) + 2))), xp.shape(places))


def _length(xp: Any, x: Any, axes: Axes) -> int:
    length = 1
    for axis in axes:
        length *= xp.shape(x)[axis]
    return length


@dataclass(frozen=True, slots=True)
class _MiddleOfOrder(ArrayFunction):
    axis: Axes | None
    keepdims: bool
    kind = OperationKind.REDUCTION

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (operand,) = operand_types
        shape = reduced_shape(operand.shape, axes_of(self.axis, operand.ndim), self.keepdims)
        dtype = np.float64 if operand.dtype.kind in "biu" else operand.dtype
        return (tensor_type(shape, dtype, is_scalar=not shape),)


@dataclass(frozen=True, slots=True)
class Median(_MiddleOfOrder):
    """The middle element along axes in sorted order, or the mean of the middle two; float64 for integers.

    Derivative:  g at the middle element, or half of it at each of the middle two
    Reference:   numpy.median
    """

    function = staticmethod(np.median)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        axes = axes_of(self.axis, xp.ndim(x))
        middle = np.float64((_length(xp, x, axes) - 1) / 2)
        return [_ranked(xp, g, x, axes, middle)]


@dataclass(frozen=True, slots=True)
class NanMedian(_MiddleOfOrder):
    """The median along axes of the elements that are not NaN.

    Derivative:  not written yet
    Reference:   numpy.nanmedian
    """

    function = staticmethod(np.nanmedian)
    keeps_c_order = False


def median_of(
    operation: type[Median] | type[NanMedian], a: TensorLike, axis: AxesLike | None, keepdims: bool
) -> LazyTensor:
    """Return the result of Median or NanMedian for the public arguments."""
    tensor = handle_of(a)
    if not tensor.ndim or not tensor.size or tensor.dtype.kind not in "biufc":
        raise NoRuleError(f"{operation.function.__name__}: no elements, no axis, or elements that are no numbers")
    return apply(operation(None if axis is None else axes_of(axis, tensor.ndim), keepdims), tensor)


@rule_for(np.median)
def median(
    a: TensorLike,
    axis: AxesLike | None = None,
    out: None = None,
    overwrite_input: bool = False,
    keepdims: bool = False,
) -> LazyTensor:
    """Return the middle element along axes in sorted order, or the mean of the middle two. See np.median.

    Derivative:  g at the middle element, or half of it at each of the middle two
    """
    if overwrite_input:
        # overwrite_input permits overwriting and does not demand it, so it is ignored.
        return median(a, axis, None, False, keepdims)
    return median_of(Median, a, axis, truth(keepdims))


@dataclass(frozen=True, slots=True)
class _ByRank(ArrayFunction):
    """Quantiles of the first operand along axes; the second operand holds ranks from 0 to `scale`, 1 or 100."""

    scale: ClassVar[int]
    axis: Axes | None
    method: str
    keepdims: bool
    keeps_c_order = False  # numpy moves axes
    raises_by_value = True
    kind = OperationKind.REDUCTION

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        operand, places = operand_types
        axes = axes_of(self.axis, operand.ndim)
        shape = (*places.shape, *reduced_shape(operand.shape, axes, self.keepdims))
        return (tensor_type(shape, self._dtype(operand, places), is_scalar=not shape),)

    def _dtype(self, operand: TensorType, places: TensorType) -> Dtype:
        is_choosing = self.method in _CHOOSING or (places.dtype.kind in "biu" and self.scale == 1)
        if is_choosing:
            return operand.dtype
        if operand.dtype.kind == "b":
            raise NoRuleError("quantile: truth values cannot be interpolated")
        if places.weak is not None:
            return np.result_type(operand.dtype, 1.0)
        return np.result_type(operand.dtype, places.dtype, *[np.float64] * (places.dtype.kind in "biu"))


def _cotangents_by_rank(operation: _ByRank, context: VjpContext) -> Sequence[Any]:
    if operation.method != "linear":
        raise MissingDerivativeError(
            f"{operation.name}: its derivative by method {operation.method!r} was asked for and is not written yet; expected"
            " method='linear'; compute this part outside the differentiated graph"
        )
    xp, (g,), (x, q) = context.xp, context.cotangents, context.operands
    axes = axes_of(operation.axis, xp.ndim(x))
    places_per_unit = (_length(xp, x, axes) - 1) / operation.scale
    places = q * places_per_unit
    return [_ranked(xp, g, x, axes, places), _of_places(xp, g, x, axes, places) * places_per_unit]


@dataclass(frozen=True, slots=True)
class Quantile(_ByRank):
    """Elements by their rank from 0 to 1 along axes, interpolated between neighbours.

    Derivative:  of x, g at both neighbours by their weights; of the rank, g times their difference (at an element, the
                 difference to the next higher one); methods other than linear have none yet
    Reference:   numpy.quantile
    """

    function = staticmethod(np.quantile)
    scale = 1

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return _cotangents_by_rank(self, context)


@dataclass(frozen=True, slots=True)
class Percentile(_ByRank):
    """As `Quantile`, by ranks from 0 to 100.

    Derivative:  as that of `Quantile`
    Reference:   numpy.percentile
    """

    function = staticmethod(np.percentile)
    scale = 100

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return _cotangents_by_rank(self, context)


@dataclass(frozen=True, slots=True)
class NanQuantile(_ByRank):
    """As `Quantile`, of the elements that are not NaN.

    Derivative:  not written yet
    Reference:   numpy.nanquantile
    """

    function = staticmethod(np.nanquantile)
    scale = 1


@dataclass(frozen=True, slots=True)
class NanPercentile(_ByRank):
    """As `Percentile`, of the elements that are not NaN.

    Derivative:  not written yet
    Reference:   numpy.nanpercentile
    """

    function = staticmethod(np.nanpercentile)
    scale = 100


def quantiles_of(operation: type[_ByRank]) -> Callable[..., Any]:
    """Return the public function for one of the four operations: quantile, percentile, and those without NaN."""
    function = operation.function

    def rule(
        a: TensorLike,
        q: TensorLike,
        axis: AxesLike | None = None,
        out: None = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: Any = False,
        *,
        weights: Any = None,
    ) -> LazyTensor:
        """Return elements by their rank along axes, interpolated between neighbours.

        Derivative:  of x, g at both neighbours by their weights; of q, g times their difference (at an element, the
                     difference to the next higher one); methods other than linear have none yet
        """
        if truth(overwrite_input):
            # overwrite_input permits overwriting and does not demand it, so it is ignored.
            kept: LazyTensor = published(a, q, axis, None, False, method, keepdims, weights=weights)
            return kept
        tensor, places = handle_of(a), _places(q, operation.scale)
        if not tensor.size or not tensor.ndim or tensor.dtype.kind not in "biuf":
            raise NoRuleError(f"{function.__name__}: no elements, no axis, or elements that are no real numbers")
        if weights is not None or (method != "linear" and method not in _CHOOSING) or places.ndim > 1:
            raise NoRuleError(f"{function.__name__}: weights, method {method!r}, or a matrix of quantiles")
        axes = None if axis is None else axes_of(axis, tensor.ndim)
        is_kept = keepdims is not np._NoValue and truth(keepdims)
        return apply(operation(axes, method, is_kept), tensor, places)

    rule.__name__ = rule.__qualname__ = function.__name__
    published: Callable[..., Any] = rule_for(function)(rule)
    return published


def _places(q: TensorLike, scale: int) -> LazyTensor:
    """Return the quantiles as an operand; a Python number stays weak in the promotion."""
    values = np.asarray(q) if not hasattr(q, "__lazy_tensor__") else None
    if values is None:
        return handle_of(q)
    if values.dtype.kind not in "iuf" or not np.all((values >= 0) & (values <= scale)):
        raise NoRuleError(f"quantile: {q!r:.60} is not from 0 to {scale}")
    return handle_of(q) if isinstance(q, int | float | np.generic) else positions_of(values)


quantile = quantiles_of(Quantile)
percentile = quantiles_of(Percentile)
