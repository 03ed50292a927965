"""median, quantile and percentile, and the operations of those that leave out NaN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError
from composit.numpy.arguments.normalizing import AxesLike, TensorLike, handle_of, truth
from composit.numpy.arguments.positions import positions_of
from composit.numpy.calls.array_function import ArrayFunction
from composit.numpy.calls.declarations import rule_for
from composit.numpy.calls.expressions import Expressed, expressed, pulled_back
from composit.numpy.reductions.arguments import axes_of, reduced_shape
from composit.numpy.statistics.sorted_rows import Choice, chosen_elements, quantiles_by_sorting
from composit.operation import Axes, Dtype, OperationKind, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["median", "percentile", "quantile"]


# These methods return an element and do not interpolate, so the dtype stays that of the operand.
_CHOOSING = ("lower", "higher", "nearest", "inverted_cdf", "closest_observation")


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
        return pulled_back(context, partial(_middle, context.xp, self, False))


@dataclass(frozen=True, slots=True)
class NanMedian(_MiddleOfOrder):
    """The median along axes of the elements that are not NaN.

    Derivative:  as that of `Median`
    Reference:   numpy.nanmedian
    """

    function = staticmethod(np.nanmedian)
    keeps_c_order = False

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return pulled_back(context, partial(_middle, context.xp, self, True))


def _middle(xp: Any, operation: _MiddleOfOrder, skips_nan: bool, x: Any) -> Expressed:
    chosen = Choice(axes_of(operation.axis, x.ndim), operation.keepdims, skips_nan)
    return quantiles_by_sorting(xp, x, 0.5, "linear", chosen)


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


def _by_sorting(xp: Any, operation: _ByRank, skips_nan: bool, x: Any, q: Any) -> Expressed:
    chosen = Choice(axes_of(operation.axis, x.ndim), operation.keepdims, skips_nan)
    return quantiles_by_sorting(xp, x, q / operation.scale, operation.method, chosen)


@dataclass(frozen=True, slots=True)
class Quantile(_ByRank):
    """Elements by their rank from 0 to 1 along axes, interpolated between neighbours.

    Derivative:  of x, g at both neighbours by their weights; of the rank, g times their difference (at an element, the
                 difference to the next higher one)
    Reference:   numpy.quantile
    """

    function = staticmethod(np.quantile)
    scale = 1

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return pulled_back(context, partial(_by_sorting, context.xp, self, False))


@dataclass(frozen=True, slots=True)
class Percentile(_ByRank):
    """As `Quantile`, by ranks from 0 to 100.

    Derivative:  as that of `Quantile`
    Reference:   numpy.percentile
    """

    function = staticmethod(np.percentile)
    scale = 100

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return pulled_back(context, partial(_by_sorting, context.xp, self, False))


@dataclass(frozen=True, slots=True)
class NanQuantile(_ByRank):
    """As `Quantile`, of the elements that are not NaN.

    Derivative:  as that of `Quantile`
    Reference:   numpy.nanquantile
    """

    function = staticmethod(np.nanquantile)
    scale = 1

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return pulled_back(context, partial(_by_sorting, context.xp, self, True))


@dataclass(frozen=True, slots=True)
class NanPercentile(_ByRank):
    """As `Percentile`, of the elements that are not NaN.

    Derivative:  as that of `Quantile`
    Reference:   numpy.nanpercentile
    """

    function = staticmethod(np.nanpercentile)
    scale = 100

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return pulled_back(context, partial(_by_sorting, context.xp, self, True))


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
                     difference to the next higher one)
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


def _expression(scale: int, skips_nan: bool) -> Callable[..., Any]:
    """Return the expression of one of the four functions, for calls that numpy computes."""

    def expression(
        xp: Any,
        results: Sequence[Any],
        a: Any,
        q: Any,
        axis: AxesLike | None = None,
        *,
        method: str = "linear",
        keepdims: Any = False,
        weights: Any = None,
    ) -> Expressed:
        x = xp.asarray(a)
        chosen = Choice(axes_of(axis, x.ndim), keepdims is not np._NoValue and truth(keepdims), skips_nan)
        if weights is not None:
            # The result is an element; which one changes in steps with the weights.
            return chosen_elements(xp, x, results[0], np.ndim(q), chosen)
        return quantiles_by_sorting(xp, x, xp.asarray(q) / scale, method, chosen)

    return expression


expressed(np.quantile)(_expression(1, False))
expressed(np.percentile)(_expression(100, False))
expressed(np.nanquantile)(_expression(1, True))
expressed(np.nanpercentile)(_expression(100, True))


@expressed(np.median, np.nanmedian)
def _median(xp: Any, results: Sequence[Any], a: Any, axis: Any = None, keepdims: Any = False) -> Expressed:
    x = xp.asarray(a)
    # A median that is NaN takes no part; without NaN the two functions agree.
    chosen = Choice(axes_of(axis, x.ndim), keepdims is not np._NoValue and truth(keepdims), True)
    return quantiles_by_sorting(xp, x, 0.5, "linear", chosen)
