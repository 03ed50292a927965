"""Reductions that leave NaN out: nansum, nanmean, nanmax, nancumsum and kin.

Sums and products are those of the elements with the neutral element in the place of NaN, as numpy's are. May import
reductions, averages, order_statistics, computations, arguments, errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from composit.errors import NoRuleError
from composit.numpy import elementwise_table as table
from composit.numpy import reduction_derivatives as derivatives
from composit.numpy import reductions
from composit.numpy.arguments import AxesLike, AxisLike, TensorLike, handle_of, truth
from composit.numpy.computations import Computation, Parameters
from composit.numpy.elementwise_composites import where as choose_where
from composit.numpy.matrices import numpys_for_matrices
from composit.numpy.numpy_function import rule_for
from composit.numpy.order_statistics import median_of, median_types, quantiles_of
from composit.numpy.reduction_arguments import axes_of, is_set, reduced_shape
from composit.operation import TensorType, tensor_type

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

Tensor = Any  # LazyTensor, which is defined above this module
_absent: Any = np._NoValue  # Any: stands in places of any type


def _numeric(a: TensorLike, function: str) -> Tensor:
    tensor = handle_of(a)
    if tensor.dtype.kind not in "biufc":
        raise NoRuleError(f"{function}: elements that are no numbers")
    return tensor


def _replaced(a: TensorLike, neutral: int, function: str) -> Tensor:
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
) -> Tensor:
    """Return the sum along axes of what is not NaN. See np.nansum."""
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
) -> Tensor:
    """Return the product along axes of what is not NaN. See np.nanprod."""
    return reductions.prod(_replaced(a, 1, "nanprod"), axis, dtype, None, keepdims, initial, where)


@rule_for(np.nancumsum)
def nancumsum(a: TensorLike, axis: AxisLike | None = None, dtype: Any = None, out: None = None) -> Tensor:
    """Return the running sums of what is not NaN. See np.nancumsum."""
    return reductions.cumsum(_replaced(a, 0, "nancumsum"), axis, dtype)


@rule_for(np.nancumprod)
def nancumprod(a: TensorLike, axis: AxisLike | None = None, dtype: Any = None, out: None = None) -> Tensor:
    """Return the running products of what is not NaN. See np.nancumprod."""
    return reductions.cumprod(_replaced(a, 1, "nancumprod"), axis, dtype)


def _reduced(parameters: Parameters, operand: TensorType, dtype: Any) -> TensorType:
    axes = axes_of(parameters["axis"], operand.ndim)
    shape = reduced_shape(operand.shape, axes, parameters.get("keepdims", False))
    return tensor_type(shape, dtype, is_scalar=not shape)


def _extremum_types(parameters: Parameters, operand: TensorType) -> TensorType:
    if not operand.size:
        raise NoRuleError("nanmax: no elements")
    return _reduced(parameters, operand, operand.dtype)


def _position_types(parameters: Parameters, operand: TensorType) -> TensorType:
    if not operand.size or not operand.ndim:
        raise NoRuleError("nanargmax: no elements")
    return _reduced(parameters, operand, np.intp)


def _mean_types(parameters: Parameters, operand: TensorType) -> TensorType:
    return _reduced(parameters, operand, np.float64 if operand.dtype.kind in "biu" else operand.dtype)


def _variance_types(parameters: Parameters, operand: TensorType) -> TensorType:
    if operand.dtype.kind == "c":
        return _reduced(parameters, operand, np.empty(0, operand.dtype).real.dtype)
    return _mean_types(parameters, operand)


def _extremum_derivative(xp: Any, g: Any, result: Any, parameters: Parameters, x: Any) -> Sequence[Any]:
    axes = axes_of(parameters["axis"], xp.ndim(x))
    return [derivatives.share_among_extrema(xp, g, result, x, axes, parameters.get("keepdims", False))]


def _share(xp: Any, g: Any, parameters: Parameters, x: Any, ddof: float = 0) -> tuple[Any, Any]:
    """Return where x is a number, and g / (count - ddof), with the reduced axes in place."""
    axes = axes_of(parameters["axis"], xp.ndim(x))
    is_number = xp.logical_not(xp.isnan(x))
    count = xp.sum(is_number, axis=axes, keepdims=True, dtype=g.dtype)
    # Where nothing is a number, nothing is asked of the quotient, which must not be NaN then.
    rest = xp.where(count == 0, 1, count - ddof)
    return is_number, derivatives.kept(xp, g, axes, parameters.get("keepdims", False)) / rest


def _mean_derivative(xp: Any, g: Any, result: Any, parameters: Parameters, x: Any) -> Sequence[Any]:
    is_number, share = _share(xp, g, parameters, x)
    return [xp.where(is_number, share, 0)]


def _variance_derivative(xp: Any, g: Any, result: Any, parameters: Parameters, x: Any) -> Sequence[Any]:
    # d var / dx = 2 (x - mean) / (count - ddof)
    axes = axes_of(parameters["axis"], xp.ndim(x))
    is_number, share = _share(xp, g, parameters, x, parameters["ddof"])
    mean = xp.nanmean(x, axis=axes, keepdims=True)
    # NaN is taken out before anything is multiplied: the derivative of this rule multiplies by the deviation once more.
    deviation = xp.where(is_number, xp.where(is_number, x, 0) - mean, 0)
    return [share * 2 * (xp.conjugate(deviation) if deviation.dtype.kind == "c" else deviation)]


def _deviation_derivative(xp: Any, g: Any, result: Any, parameters: Parameters, x: Any) -> Sequence[Any]:
    # d std = d var / (2 std)
    return _variance_derivative(xp, g / (2 * result), result, parameters, x)


_nanmax = Computation(np.nanmax, _extremum_types, _extremum_derivative)
_nanmin = Computation(np.nanmin, _extremum_types, _extremum_derivative)
_nanargmax = Computation(np.nanargmax, _position_types, "none: a position is an integer", raises_by_value=True)
_nanargmin = Computation(np.nanargmin, _position_types, "none: a position is an integer", raises_by_value=True)
_nanmean = Computation(np.nanmean, _mean_types, _mean_derivative)
_nanvar = Computation(np.nanvar, _variance_types, _variance_derivative)
_nanstd = Computation(np.nanstd, _variance_types, _deviation_derivative)


def _reduction(row: Computation, a: TensorLike, axis: Any, keepdims: object, **parameters: Any) -> Tensor:
    tensor = _numeric(a, row.name)
    if not tensor.ndim and axis is not None:
        raise NoRuleError(f"{row.name}: an axis of a scalar")
    known = None if axis is None else axes_of(axis, tensor.ndim)
    if keepdims is not _absent:
        parameters["keepdims"] = is_set(keepdims)
    return row(tensor, axis=known, **parameters)


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
) -> Tensor:
    """Return the largest element along axes that is not NaN. See np.nanmax.

    Derivative:  g at the largest element, shared evenly by equal ones
    """
    _refuse("nanmax", initial, where)
    return _reduction(_nanmax, a, axis, keepdims)


@rule_for(np.nanmin)
def nanmin(
    a: TensorLike,
    axis: AxesLike | None = None,
    out: None = None,
    keepdims: object = _absent,
    initial: Any = _absent,
    where: Any = _absent,
) -> Tensor:
    """Return the smallest element along axes that is not NaN, as `nanmax`. See np.nanmin."""
    _refuse("nanmin", initial, where)
    return _reduction(_nanmin, a, axis, keepdims)


def _position(row: Computation, a: TensorLike, axis: Any, keepdims: object) -> Tensor:
    tensor = _numeric(a, row.name)
    if isinstance(axis, tuple | list) or not tensor.ndim:
        raise NoRuleError(f"{row.name}: several axes, or a scalar")
    known = None if axis is None else axes_of(axis, tensor.ndim)[0]
    options = {} if keepdims is _absent else {"keepdims": is_set(keepdims)}
    return row(tensor, axis=known, **options)


@rule_for(np.nanargmax)
def nanargmax(a: TensorLike, axis: AxisLike | None = None, out: None = None, *, keepdims: object = _absent) -> Tensor:
    """Return the place of the first largest element that is not NaN. See np.nanargmax."""
    return _position(_nanargmax, a, axis, keepdims)


@rule_for(np.nanargmin)
def nanargmin(a: TensorLike, axis: AxisLike | None = None, out: None = None, *, keepdims: object = _absent) -> Tensor:
    """Return the place of the first smallest element that is not NaN. See np.nanargmin."""
    return _position(_nanargmin, a, axis, keepdims)


@rule_for(np.nanmean)
def nanmean(
    a: TensorLike,
    axis: AxesLike | None = None,
    dtype: Any = None,
    out: None = None,
    keepdims: object = _absent,
    *,
    where: Any = _absent,
) -> Tensor:
    """Return the mean along axes of what is not NaN. See np.nanmean.

    Derivative:  g / count at every element that is not NaN
    """
    _refuse("nanmean", _absent if dtype is None else dtype, where)
    return _reduction(_nanmean, a, axis, keepdims)


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
) -> Tensor:
    """Return the variance along axes of what is not NaN. See np.nanvar.

    Derivative:  2 g (x - mean) / (count - ddof)
    """
    _refuse("nanvar", _absent if dtype is None else dtype, where, mean, correction)
    return _reduction(_nanvar, a, axis, keepdims, ddof=_known_number(ddof))


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
) -> Tensor:
    """Return the standard deviation along axes of what is not NaN. See np.nanstd."""
    _refuse("nanstd", _absent if dtype is None else dtype, where, mean, correction)
    return _reduction(_nanstd, a, axis, keepdims, ddof=_known_number(ddof))


def _known_number(value: object) -> float:
    if type(value) not in (int, float):
        raise NoRuleError(f"ddof: {value!r} is no number of Python's")
    return value  # type: ignore[return-value]  # checked above


_nanmedian = Computation(np.nanmedian, median_types, keeps_c_order=False)


@rule_for(np.nanmedian)
def nanmedian(
    a: TensorLike,
    axis: AxesLike | None = None,
    out: None = None,
    overwrite_input: bool = False,
    keepdims: object = _absent,
) -> Tensor:
    """Return the median along axes of what is not NaN. See np.nanmedian."""
    if truth(overwrite_input):
        return nanmedian(a, axis, None, False, keepdims)
    return median_of(_nanmedian, a, axis, keepdims is not _absent and truth(keepdims))


nanquantile = quantiles_of(np.nanquantile, 1)
nanpercentile = quantiles_of(np.nanpercentile, 100)
