"""mean, var, std, average and ptp.

Composed of sums in numpy's order of steps: results are equal to the last bit, and derivatives come from the parts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError, OperandError, ParameterError
from composit.numpy.arguments.normalizing import (
    AxesLike,
    TensorLike,
    handle_of,
    named_dtype,
    normalize_axes,
    promoted,
    whole,
)
from composit.numpy.calls.declarations import rule_for
from composit.numpy.elementwise import table
from composit.numpy.elementwise.casting import astype
from composit.numpy.elementwise.composites import imag, real
from composit.numpy.elementwise.conditional import where as choose_where
from composit.numpy.indexing.advanced_indices import known_integers
from composit.numpy.manipulation.broadcasting import broadcast_to
from composit.numpy.manipulation.reshaping import reshape, transpose
from composit.numpy.reductions.arguments import are_plain, axes_of
from composit.numpy.reductions.reduce import KINDS_OF_OBJECTS, DtypeLike, max, min, sum
from composit.numpy.views.layout import in_c_order
from composit.operation import Array, Dtype, Operation, OperationKind, Results, Shape, TensorType, VjpContext
from composit.source import warn_user

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["average", "mean", "ptp", "std", "var"]

# float32 holds every smaller count exactly, so numpy's division in float64 and one in float32 round to the same number.
_EXACT_IN_FLOAT32 = 2**24


@rule_for(np.mean)
def mean(
    a: TensorLike,
    axis: AxesLike | None = None,
    dtype: DtypeLike = None,
    out: None = None,
    keepdims: object = np._NoValue,
    *,
    where: Any = np._NoValue,
) -> LazyTensor:
    """Return the mean along axes; float64 for integers. See np.mean.

    Derivative:  g / count at every element
    """
    handle = _of_numbers(a)
    if where is not np._NoValue and where is not True:
        return _mean_where(handle, axis, dtype, keepdims, where)
    count = _count(handle, axis)
    if count == 0:
        warn_user("Mean of empty slice", RuntimeWarning)
    used = _sum_dtype(handle.dtype, dtype)
    if dtype is None and handle.dtype == np.float16:
        total = sum(handle, axis, np.float32, None, keepdims)
        return astype(_divided(total, count), np.float16)
    return _quotient(sum(handle, axis, used, None, keepdims), count)


def _mean_where(
    handle: LazyTensor, axis: AxesLike | None, dtype: DtypeLike, keepdims: object, where: Any
) -> LazyTensor:
    count = sum(broadcast_to(where, handle.shape), axis, np.intp, None, keepdims)
    total = sum(handle, axis, _sum_dtype(handle.dtype, dtype), None, keepdims, where=where)
    return astype(table.divide(total, count), total.dtype)


@rule_for(np.var)
def var(
    a: TensorLike,
    axis: AxesLike | None = None,
    dtype: DtypeLike = None,
    out: None = None,
    ddof: float = 0,
    keepdims: object = np._NoValue,
    *,
    where: Any = np._NoValue,
    mean: object = np._NoValue,
    correction: float | Any = np._NoValue,
) -> LazyTensor:
    """Return the variance along axes, divided by count - ddof. See np.var.

    Derivative:  2 g (x - mean) / (count - ddof)
    """
    found = _variance if where is np._NoValue or where is True else partial(_variance_where, where)
    return found(a, axis, dtype, _degrees(ddof, correction), keepdims, mean)


def _variance(
    a: TensorLike, axis: AxesLike | None, dtype: DtypeLike, ddof: float, keepdims: object, mean: object
) -> LazyTensor:
    handle = _of_numbers(a)
    count, used = _count(handle, axis), _sum_dtype(handle.dtype, dtype)
    if ddof >= count:
        warn_user("Degrees of freedom <= 0 for slice", RuntimeWarning)
    if mean is np._NoValue or mean is None:
        mean = _quotient(sum(handle, axis, used, None, True), count)
    deviation = table.subtract(handle, mean)
    if deviation.dtype.kind in KINDS_OF_OBJECTS:
        raise NoRuleError("var: a mean that is an object, whose own subtraction numpy uses")
    if deviation.dtype.kind == "c" and handle.dtype.kind != "c":
        raise NoRuleError("var: a complex mean of real numbers")
    if deviation.dtype.kind == "c":
        used = None if dtype is None else used
    rest = count - ddof
    return _quotient(sum(_squares(deviation), axis, used, None, keepdims), rest if rest > 0 else 0)


def _squares(deviation: LazyTensor) -> LazyTensor:
    if deviation.dtype.kind == "c":
        return table.add(table.square(real(deviation)), table.square(imag(deviation)))
    return table.square(deviation)


def _variance_where(
    where: Any,
    a: TensorLike,
    axis: AxesLike | None,
    dtype: DtypeLike,
    ddof: float,
    keepdims: object,
    mean: object,
) -> LazyTensor:
    handle, mask = _of_numbers(a), known_integers(where)
    if mask is None or mask.dtype.kind != "b" or handle.dtype.kind == "c" or not (mean is np._NoValue or mean is None):
        raise NoRuleError("var: a mask that is not known, complex numbers, or a mean")
    if np.any(np.sum(np.broadcast_to(mask, handle.shape), axis) <= ddof):
        raise NoRuleError("var: too few elements, of which numpy warns")
    used = _sum_dtype(handle.dtype, dtype)
    # Masked elements may be NaN; set to 0, they do not make the derivative of the squares NaN.
    handle = choose_where(where, handle, handle.dtype.type(0))
    count = sum(broadcast_to(where, handle.shape), axis, np.intp, None, True)
    total = sum(handle, axis, used, None, True, where=where)
    squares = _squares(table.subtract(handle, astype(table.divide(total, count), total.dtype)))
    result = sum(squares, axis, used, None, keepdims, where=where)
    rest = table.subtract(count if result.shape == count.shape else reshape(count, result.shape), ddof)
    return astype(table.divide(result, rest), result.dtype)


@rule_for(np.std)
def std(
    a: TensorLike,
    axis: AxesLike | None = None,
    dtype: DtypeLike = None,
    out: None = None,
    ddof: float = 0,
    keepdims: object = np._NoValue,
    *,
    where: Any = np._NoValue,
    mean: object = np._NoValue,
    correction: float | Any = np._NoValue,
) -> LazyTensor:
    """Return the standard deviation along axes. See np.std.

    Derivative:  g (x - mean) / ((count - ddof) std); NaN if all elements are equal, where none exists
    """
    found = _variance if where is np._NoValue or where is True else partial(_variance_where, where)
    return table.sqrt(found(a, axis, dtype, _degrees(ddof, correction), keepdims, mean))


@rule_for(np.ptp)
def ptp(a: TensorLike, axis: AxesLike | None = None, out: None = None, keepdims: object = np._NoValue) -> LazyTensor:
    """Return the largest minus the smallest element along axes. See np.ptp."""
    handle = handle_of(a)
    return table.subtract(max(handle, axis, None, keepdims), min(handle, axis, None, keepdims))


@rule_for(np.average)
def average(
    a: TensorLike,
    axis: AxesLike | None = None,
    weights: TensorLike | None = None,
    returned: bool = False,
    *,
    keepdims: object = np._NoValue,
) -> Any:
    """Return the weighted mean along axes. See np.average.

    The weights have the shape of `a`, or the lengths of the axes. Weights that sum to 0 raise at evaluation.
    """
    handle = _of_numbers(a)
    if not handle.size:
        raise NoRuleError("average: no element, where numpy divides by zero")
    if axis is not None:
        # Unlike np.mean and np.sum, np.average takes any iterable of axes, such as a list.
        axis = np.lib.array_utils.normalize_axis_tuple(axis, handle.ndim, argname="axis")  # type: ignore[arg-type]
    if weights is None:
        result = mean(handle, axis, None, None, keepdims)
        total: LazyTensor = table.divide(_count(handle, axis), np.ones((), result.dtype)[()])
    else:
        weight = _aligned_weights(handle, axis, weights)
        dtype = promoted(handle.dtype, weight.dtype, np.float64 if handle.dtype.kind in "iub" else np.bool)
        total = apply(NonzeroWeights(), sum(weight, axis, dtype, None, keepdims))
        result = table.divide(sum(table.multiply(handle, weight, dtype=dtype), axis, None, None, keepdims), total)
    if not returned:
        return result
    return result, total if total.shape == result.shape else in_c_order(broadcast_to(total, result.shape))


@dataclass(frozen=True, slots=True)
class NonzeroWeights(Operation):
    """Its operand, a sum of weights, unchanged; evaluation raises if it is zero.

    Derivative:  g
    Reference:   numpy.average
    """

    keeps_c_order = True
    raises_by_value = True
    kind = OperationKind.ELEMENTWISE

    @property
    def name(self) -> str:
        return "sum of weights"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return operand_types

    def evaluate(self, *operands: Array) -> Results:
        (total,) = operands
        if np.any(total == 0.0):
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        return total

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return context.cotangents


def _of_numbers(a: TensorLike) -> LazyTensor:
    handle = handle_of(a)
    if handle.dtype.kind in KINDS_OF_OBJECTS:
        raise NoRuleError("averages: elements that are objects or texts")
    return handle


def _aligned_weights(handle: LazyTensor, axis: AxesLike | None, weights: TensorLike) -> LazyTensor:
    weight = handle_of(weights)
    if weight.shape == handle.shape:
        return weight
    if axis is None:
        raise OperandError(
            f"Axis must be specified when shapes of a and weights differ.: average was given weights of shape {weight.shape} for"
            f" shape {handle.shape}; name the axes that the weights belong to"
        )
    axes = normalize_axes(axis, handle.ndim)
    if weight.shape != tuple(handle.shape[axis] for axis in axes):
        raise ParameterError(
            "Shape of weights must be consistent with shape of a along specified axis.: average was given weights of shape"
            f" {weight.shape} for shape {handle.shape} and axis {axis}; name the axes that the weights belong to"
        )
    # The weights have the named axes in the order given, for example axis=(2, 0); sort them, and add the others.
    ordered = transpose(weight, tuple(sorted(range(len(axes)), key=axes.__getitem__)))
    return reshape(ordered, tuple(length if i in axes else 1 for i, length in enumerate(handle.shape)))


def _count(handle: LazyTensor, axis: AxesLike | None) -> int:
    shape = handle.type.shape
    return _planned_count(shape, axis) if are_plain(axis) else _count_along(shape, axis)


def _count_along(shape: Shape, axis: Any) -> int:
    if axis is not None and not shape:
        # Unlike np.sum, np.mean refuses axis 0 of a scalar.
        return math.prod(normalize_axes(axis, 0))
    return math.prod([shape[position] for position in axes_of(axis, len(shape))])


_planned_count = lru_cache(maxsize=4096, typed=True)(_count_along)


def _sum_dtype(dtype: Dtype, asked: DtypeLike) -> Dtype | None:
    if asked is not None:
        used = named_dtype(asked)
        if used.kind not in "fc":
            raise NoRuleError(f"averages: steps in {used}, to which numpy rounds or which it leaves on the way")
        return used
    return np.dtype(np.float64) if dtype.kind in "iub" else None


def _degrees(ddof: float, correction: Any) -> float:
    if np.ndim(ddof) or np.ndim(correction):
        raise NoRuleError("var: degrees of freedom that are no number")
    if correction is np._NoValue:
        return whole(ddof) if type(ddof) is int else ddof
    if ddof != 0:
        raise ParameterError(
            f"ddof and correction can't be provided simultaneously. ddof={ddof} and correction={correction} were "
            "given; they are two names of one argument, give either"
        )
    return float(whole(correction) if type(correction) is int else correction)


def _quotient(total: LazyTensor, count: float) -> LazyTensor:
    """Return total / count in total's dtype, rounded as numpy does: divide in the dtype common to both, then cast."""
    is_exact = total.dtype.itemsize >= 8 and total.dtype.kind == "f"
    if is_exact or (total.dtype == np.float32 and count < _EXACT_IN_FLOAT32):
        return _divided(total, count)
    return astype(_divided(total, np.asarray(count)[()]), total.dtype)


def _divided(total: LazyTensor, count: Any) -> LazyTensor:
    # numpy divides two scalars with the operator /, whose warnings differ from those of np.divide.
    return table.divide.of_scalars(total, count) if total.type.is_scalar else table.divide(total, count)
