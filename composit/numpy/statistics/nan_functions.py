"""Reductions that leave out NaN: nansum, nanmean, nanmax, nancumsum and kin.

As in numpy, sums and products replace NaN by 0 or 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError
from composit.numpy.arguments.normalizing import AxesLike, AxisLike, TensorLike, handle_of, truth, whole
from composit.numpy.calls.array_function import ArrayFunction
from composit.numpy.calls.declarations import rule_for
from composit.numpy.calls.matrices import numpys_for_matrices
from composit.numpy.elementwise import table
from composit.numpy.elementwise.conditional import where as choose_where
from composit.numpy.reductions import derivatives
from composit.numpy.reductions import reduce as reductions
from composit.numpy.reductions.arguments import axes_of, is_set, reduced_shape
from composit.numpy.statistics.order_statistics import NanMedian, NanPercentile, NanQuantile, median_of, quantiles_of
from composit.operation import Axes, Dtype, OperationKind, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nanpercentile",
    "nanprod",
    "nanquantile",
    "nanstd",
    "nansum",
    "nanvar",
]

_absent: Any = np._NoValue  # Any: stands in places of any type


def _numeric(a: TensorLike, function: str) -> LazyTensor:
    tensor = handle_of(a)
    if tensor.dtype.kind not in "biufc":
        raise NoRuleError(f"{function}: elements that are no numbers")
    return tensor


def _replaced(a: TensorLike, neutral: int, function: str) -> LazyTensor:
    tensor = _numeric(a, function)
    if tensor.dtype.kind not in "fc":
        return tensor
    return choose_where(table.isnan(tensor), tensor.dtype.type(neutral), tensor)


@rule_for(np.nansum)
def nansum(
    a: TensorLike,
    axis: AxesLike | None = None,
    dtype: Any = None,
    out: None = None,
    keepdims: object = _absent,
    initial: Any = _absent,
    where: Any = _absent,
) -> LazyTensor:
    """Return the sum along axes of the elements that are not NaN. See np.nansum."""
    return reductions.sum(_replaced(a, 0, "nansum"), axis, dtype, None, keepdims, initial, where)


@rule_for(np.nanprod)
def nanprod(
    a: TensorLike,
    axis: AxesLike | None = None,
    dtype: Any = None,
    out: None = None,
    keepdims: object = _absent,
    initial: Any = _absent,
    where: Any = _absent,
) -> LazyTensor:
    """Return the product along axes of the elements that are not NaN. See np.nanprod."""
    return reductions.prod(_replaced(a, 1, "nanprod"), axis, dtype, None, keepdims, initial, where)


@rule_for(np.nancumsum)
def nancumsum(a: TensorLike, axis: AxisLike | None = None, dtype: Any = None, out: None = None) -> LazyTensor:
    """Return the running sums, with NaN taken as 0. See np.nancumsum."""
    return reductions.cumsum(_replaced(a, 0, "nancumsum"), axis, dtype)


@rule_for(np.nancumprod)
def nancumprod(a: TensorLike, axis: AxisLike | None = None, dtype: Any = None, out: None = None) -> LazyTensor:
    """Return the running products, with NaN taken as 1. See np.nancumprod."""
    return reductions.cumprod(_replaced(a, 1, "nancumprod"), axis, dtype)


@dataclass(frozen=True, slots=True)
class _NanReduction(ArrayFunction):
    axis: Axes | None
    keepdims: bool = False
    kind = OperationKind.REDUCTION

    def _dtype(self, operand: TensorType) -> Dtype:
        """Return the dtype of the result; subclasses that do not return a mean override it."""
        return np.dtype(np.float64) if operand.dtype.kind in "biu" else operand.dtype

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (operand,) = operand_types
        shape = reduced_shape(operand.shape, axes_of(self.axis, operand.ndim), self.keepdims)
        return (tensor_type(shape, self._dtype(operand), is_scalar=not shape),)


@dataclass(frozen=True, slots=True)
class _NanExtremum(_NanReduction):
    def _dtype(self, operand: TensorType) -> Dtype:
        if not operand.size:
            raise NoRuleError(f"{self.name}: no elements")
        return operand.dtype

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x,), (result,) = context.xp, context.cotangents, context.operands, context.results
        axes = axes_of(self.axis, xp.ndim(x))
        return [derivatives.share_among_extrema(xp, g, result, x, axes, self.keepdims)]


@dataclass(frozen=True, slots=True)
class NanMax(_NanExtremum):
    """The largest element along axes that is not NaN.

    Derivative:  g at the largest element, shared evenly by equal ones
    Reference:   numpy.nanmax
    """

    function = staticmethod(np.nanmax)


@dataclass(frozen=True, slots=True)
class NanMin(_NanExtremum):
    """The smallest element along axes that is not NaN.

    Derivative:  g at the smallest element, shared evenly by equal ones
    Reference:   numpy.nanmin
    """

    function = staticmethod(np.nanmin)


@dataclass(frozen=True, slots=True)
class _NanPosition(ArrayFunction):
    axis: int | None
    keepdims: bool = False
    no_derivative = "a position is an integer"
    raises_by_value = True
    kind = OperationKind.REDUCTION

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (operand,) = operand_types
        if not operand.size or not operand.ndim:
            raise NoRuleError(f"{self.name}: no elements")
        shape = reduced_shape(operand.shape, axes_of(self.axis, operand.ndim), self.keepdims)
        return (tensor_type(shape, np.intp, is_scalar=not shape),)


@dataclass(frozen=True, slots=True)
class NanArgMax(_NanPosition):
    """The position of the first largest element that is not NaN. Reference: numpy.nanargmax."""

    function = staticmethod(np.nanargmax)


@dataclass(frozen=True, slots=True)
class NanArgMin(_NanPosition):
    """The position of the first smallest element that is not NaN. Reference: numpy.nanargmin."""

    function = staticmethod(np.nanargmin)


def _share(context: VjpContext, axis: Axes | None, keepdims: bool, ddof: float = 0) -> tuple[Any, Any]:
    """Return a mask of the elements that are not NaN, and g / (count - ddof), with the reduced axes kept."""
    xp, (g,), (x,) = context.xp, context.cotangents, context.operands
    axes = axes_of(axis, xp.ndim(x))
    is_number = xp.logical_not(xp.isnan(x))
    count = xp.sum(is_number, axis=axes, keepdims=True, dtype=g.dtype)
    # If all elements are NaN, the quotient is not used; dividing by 1 keeps it from being NaN.
    rest = xp.where(count == 0, 1, count - ddof)
    return is_number, derivatives.kept(xp, g, axes, keepdims) / rest


@dataclass(frozen=True, slots=True)
class NanMean(_NanReduction):
    """The mean along axes of the elements that are not NaN.

    Derivative:  g / count at every element that is not NaN
    Reference:   numpy.nanmean
    """

    function = staticmethod(np.nanmean)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        is_number, share = _share(context, self.axis, self.keepdims)
        return [context.xp.where(is_number, share, 0)]


@dataclass(frozen=True, slots=True)
class _NanSpread(_NanReduction):
    ddof: float = 0

    def _dtype(self, operand: TensorType) -> Dtype:
        if operand.dtype.kind == "c":
            return np.empty(0, operand.dtype).real.dtype
        return _NanReduction._dtype(self, operand)

    def _cotangent_of_variance(self, context: VjpContext) -> Any:
        # d var / dx = 2 (x - mean) / (count - ddof)
        xp, (x,) = context.xp, context.operands
        is_number, share = _share(context, self.axis, self.keepdims, self.ddof)
        mean = xp.nanmean(x, axis=axes_of(self.axis, xp.ndim(x)), keepdims=True)
        # Replace NaN before multiplying, not only after: the second derivative multiplies by the deviation again.
        deviation = xp.where(is_number, xp.where(is_number, x, 0) - mean, 0)
        return share * 2 * (xp.conjugate(deviation) if deviation.dtype.kind == "c" else deviation)


@dataclass(frozen=True, slots=True)
class NanVar(_NanSpread):
    """The variance along axes of the elements that are not NaN.

    Derivative:  2 g (x - mean) / (count - ddof)
    Reference:   numpy.nanvar
    """

    function = staticmethod(np.nanvar)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [self._cotangent_of_variance(context)]


@dataclass(frozen=True, slots=True)
class NanStd(_NanSpread):
    """The standard deviation along axes of the elements that are not NaN.

    Derivative:  that of the variance / (2 std)
    Reference:   numpy.nanstd
    """

    function = staticmethod(np.nanstd)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        (g,), (result,) = context.cotangents, context.results
        return [self._cotangent_of_variance(replace(context, cotangents=[g / (2 * result)]))]


def _numbers_and_axes(name: str, a: TensorLike, axis: Any) -> tuple[LazyTensor, Axes | None]:
    tensor = _numeric(a, name)
    if not tensor.ndim and axis is not None:
        raise NoRuleError(f"{name}: an axis of a scalar")
    return tensor, None if axis is None else axes_of(axis, tensor.ndim)


def _is_kept(keepdims: object) -> bool:
    return keepdims is not _absent and is_set(keepdims)


def _refuse(function: str, *options: object) -> None:
    if any(option is not _absent for option in options):
        raise NoRuleError(f"{function}: options among dtype, initial, where, mean and correction")


@rule_for(np.nanmax)
def nanmax(
    a: TensorLike,
    axis: AxesLike | None = None,
    out: None = None,
    keepdims: object = _absent,
    initial: Any = _absent,
    where: Any = _absent,
) -> LazyTensor:
    """Return the largest element along axes that is not NaN. See np.nanmax.

    Derivative:  g at the largest element, shared evenly by equal ones
    """
    _refuse("nanmax", initial, where)
    tensor, axes = _numbers_and_axes("nanmax", a, axis)
    return apply(NanMax(axes, _is_kept(keepdims)), tensor)


@rule_for(np.nanmin)
def nanmin(
    a: TensorLike,
    axis: AxesLike | None = None,
    out: None = None,
    keepdims: object = _absent,
    initial: Any = _absent,
    where: Any = _absent,
) -> LazyTensor:
    """Return the smallest element along axes that is not NaN, as `nanmax`. See np.nanmin."""
    _refuse("nanmin", initial, where)
    tensor, axes = _numbers_and_axes("nanmin", a, axis)
    return apply(NanMin(axes, _is_kept(keepdims)), tensor)


def _numbers_and_axis(name: str, a: TensorLike, axis: Any) -> tuple[LazyTensor, int | None]:
    tensor = _numeric(a, name)
    if isinstance(axis, tuple | list) or not tensor.ndim:
        raise NoRuleError(f"{name}: several axes, or a scalar")
    return tensor, None if axis is None else axes_of(axis, tensor.ndim)[0]


@rule_for(np.nanargmax)
def nanargmax(
    a: TensorLike, axis: AxisLike | None = None, out: None = None, *, keepdims: object = _absent
) -> LazyTensor:
    """Return the position of the first largest element that is not NaN. See np.nanargmax."""
    tensor, position = _numbers_and_axis("nanargmax", a, axis)
    return apply(NanArgMax(position, _is_kept(keepdims)), tensor)


@rule_for(np.nanargmin)
def nanargmin(
    a: TensorLike, axis: AxisLike | None = None, out: None = None, *, keepdims: object = _absent
) -> LazyTensor:
    """Return the position of the first smallest element that is not NaN. See np.nanargmin."""
    tensor, position = _numbers_and_axis("nanargmin", a, axis)
    return apply(NanArgMin(position, _is_kept(keepdims)), tensor)


@rule_for(np.nanmean)
def nanmean(
    a: TensorLike,
    axis: AxesLike | None = None,
    dtype: Any = None,
    out: None = None,
    keepdims: object = _absent,
    *,
    where: Any = _absent,
) -> LazyTensor:
    """Return the mean along axes of the elements that are not NaN. See np.nanmean.

    Derivative:  g / count at every element that is not NaN
    """
    _refuse("nanmean", _absent if dtype is None else dtype, where)
    tensor, axes = _numbers_and_axes("nanmean", a, axis)
    return apply(NanMean(axes, _is_kept(keepdims)), tensor)


@rule_for(np.nanvar)
@numpys_for_matrices(np.nanvar)
def nanvar(
    a: TensorLike,
    axis: AxesLike | None = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: object = _absent,
    *,
    where: Any = _absent,
    mean: Any = _absent,
    correction: Any = _absent,
) -> LazyTensor:
    """Return the variance along axes of the elements that are not NaN. See np.nanvar.

    Derivative:  2 g (x - mean) / (count - ddof)
    """
    _refuse("nanvar", _absent if dtype is None else dtype, where, mean, correction)
    tensor, axes = _numbers_and_axes("nanvar", a, axis)
    return apply(NanVar(axes, _is_kept(keepdims), _known_number(ddof)), tensor)


@rule_for(np.nanstd)
@numpys_for_matrices(np.nanstd)
def nanstd(
    a: TensorLike,
    axis: AxesLike | None = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: object = _absent,
    *,
    where: Any = _absent,
    mean: Any = _absent,
    correction: Any = _absent,
) -> LazyTensor:
    """Return the standard deviation along axes of the elements that are not NaN. See np.nanstd."""
    _refuse("nanstd", _absent if dtype is None else dtype, where, mean, correction)
    tensor, axes = _numbers_and_axes("nanstd", a, axis)
    return apply(NanStd(axes, _is_kept(keepdims), _known_number(ddof)), tensor)


def _known_number(value: object) -> float:
    if type(value) not in (int, float):
        raise NoRuleError(f"ddof: {value!r} is no number of Python's")
    return whole(value) if type(value) is int else value  # type: ignore[return-value]  # checked above


@rule_for(np.nanmedian)
def nanmedian(
    a: TensorLike,
    axis: AxesLike | None = None,
    out: None = None,
    overwrite_input: bool = False,
    keepdims: object = _absent,
) -> LazyTensor:
    """Return the median along axes of the elements that are not NaN. See np.nanmedian."""
    if truth(overwrite_input):
        return nanmedian(a, axis, None, False, keepdims)
    return median_of(NanMedian, a, axis, keepdims is not _absent and truth(keepdims))


nanquantile = quantiles_of(NanQuantile)
nanpercentile = quantiles_of(NanPercentile)
