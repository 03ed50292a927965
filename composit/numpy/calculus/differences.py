"""diff, ediff1d, gradient, trapezoid, unwrap, interp, cumulative_sum and cumulative_prod.

All but interp are composed of slices and arithmetic in numpy's order of steps: results are equal to the last bit, and
derivatives come from the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError
from composit.guards import read_value
from composit.numpy.arguments.normalizing import (
    AxesLike,
    AxisLike,
    TensorLike,
    handle_of,
    normalize_axes,
    normalize_axis,
)
from composit.numpy.calculus import expressions  # noqa: F401  # registers what numpy's differences are differentiated as
from composit.numpy.calls.array_function import ArrayFunction
from composit.numpy.calls.declarations import rule_for
from composit.numpy.elementwise import table
from composit.numpy.elementwise.casting import in_dtype
from composit.numpy.elementwise.conditional import where
from composit.numpy.indexing.taking import TakeAdjoint, take
from composit.numpy.manipulation.broadcasting import broadcast_to
from composit.numpy.manipulation.joining import concatenate
from composit.numpy.manipulation.reshaping import ravel, reshape
from composit.numpy.reductions import reduce as reductions
from composit.numpy.sorting.sort_and_search import argsort
from composit.operation import TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "ediff1d",
    "gradient",
    "interp",
    "trapezoid",
    "unwrap",
]

_absent: Any = np._NoValue  # Any: stands in places of any type


def _part(tensor: LazyTensor, axis: int, start: int | None, stop: int | None) -> LazyTensor:
    part: LazyTensor = tensor[(*[slice(None)] * axis, slice(start, stop))]
    return part


def _border(value: TensorLike, tensor: LazyTensor, axis: int) -> LazyTensor:
    border = handle_of(value)
    if border.ndim:
        return border
    shape = (*tensor.shape[:axis], 1, *tensor.shape[axis + 1 :])
    return broadcast_to(np.asarray(value)[()] if border.type.weak else border, shape)


@rule_for(np.diff)
def diff(
    a: TensorLike, n: int = 1, axis: AxisLike = -1, prepend: TensorLike = _absent, append: TensorLike = _absent
) -> Any:  # Any: for n=0 it returns `a` itself
    """Return the differences of neighbours along an axis, n times. See np.diff."""
    if n == 0:
        return a
    tensor = handle_of(a)
    if not tensor.ndim or n < 1 or tensor.dtype.kind not in "biufcmM":
        raise NoRuleError(f"diff: {n} times of {tensor.type}")
    position = normalize_axis(axis, tensor.ndim)
    parts = [] if prepend is _absent else [_border(prepend, tensor, position)]
    parts.append(tensor)
    parts += [] if append is _absent else [_border(append, tensor, position)]
    tensor = concatenate(parts, position) if len(parts) > 1 else tensor
    function = table.not_equal if tensor.dtype.kind == "b" else table.subtract
    for _ in range(n):
        tensor = function(_part(tensor, position, 1, None), _part(tensor, position, None, -1))
    return tensor


@rule_for(np.ediff1d)
def ediff1d(ary: TensorLike, to_end: Any = None, to_begin: Any = None) -> LazyTensor:
    """Return the differences of neighbours in the flattened array. See np.ediff1d."""
    if to_end is not None or to_begin is not None:
        raise NoRuleError("ediff1d: elements for the ends, which numpy casts")
    flat = ravel(handle_of(ary))
    return table.subtract(flat[1:], flat[:-1])


@rule_for(np.gradient)
def gradient(f: TensorLike, *varargs: Any, axis: AxesLike | None = None, edge_order: int = 1) -> Any:
    """Return central differences along axes, one-sided at the ends. See np.gradient.

    Lazy where the spacings are numbers; numpy computes it at the call where they are arrays.
    """
    tensor = handle_of(f)
    axes = tuple(range(tensor.ndim)) if axis is None else normalize_axes(axis, tensor.ndim)
    steps = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    if len(steps) != len(axes) or any(np.ndim(step) or hasattr(step, "__lazy_tensor__") for step in steps):
        raise NoRuleError("gradient: spacings that are no numbers")
    if tensor.dtype.kind not in "iufc" or edge_order not in (1, 2):
        raise NoRuleError(f"gradient: edges of order {edge_order}, or {tensor.dtype}")
    if any(tensor.shape[position] < edge_order + 1 for position in axes):
        raise NoRuleError("gradient: too few elements")
    values = tensor.astype(np.float64) if tensor.dtype.kind in "iu" else tensor
    results = tuple(
        _gradient_along(values, position, step, edge_order) for position, step in zip(axes, steps, strict=True)
    )
    return results[0] if len(axes) == 1 else results


def _gradient_along(values: LazyTensor, axis: int, step: Any, edge_order: int) -> LazyTensor:
    inner = table.divide(table.subtract(_part(values, axis, 2, None), _part(values, axis, None, -2)), 2.0 * step)
    first, last = _short_edges(values, axis, step) if edge_order == 1 else _long_edges(values, axis, step)
    # numpy writes each part into an array of the result's dtype, which rounds it.
    parts = [in_dtype(part, values.dtype) for part in (first, inner, last)]
    return in_dtype(concatenate(parts, axis), values.dtype)


def _short_edges(values: LazyTensor, axis: int, step: Any) -> tuple[LazyTensor, LazyTensor]:
    first = table.subtract(_part(values, axis, 1, 2), _part(values, axis, 0, 1))
    last = table.subtract(_part(values, axis, -1, None), _part(values, axis, -2, -1))
    return table.divide(first, step), table.divide(last, step)


def _long_edges(values: LazyTensor, axis: int, step: Any) -> tuple[LazyTensor, LazyTensor]:
    # The derivative at f0 to second order, from three elements: (-3 f0 + 4 f1 - f2) / 2h.
    length = values.shape[axis]

    def weighted(start: int, factors: Sequence[float]) -> LazyTensor:
        terms = [
            table.multiply(factor / step, _part(values, axis, start + place, start + place + 1))
            for place, factor in enumerate(factors)
        ]
        return table.add(table.add(terms[0], terms[1]), terms[2])

    return weighted(0, (-1.5, 2.0, -0.5)), weighted(length - 3, (0.5, -2.0, 1.5))


@rule_for(np.trapezoid)
def trapezoid(y: TensorLike, x: TensorLike | None = None, dx: Any = 1.0, axis: AxisLike = -1) -> LazyTensor:
    """Return the integral along an axis by the trapezoidal rule. See np.trapezoid."""
    values = handle_of(y)
    position = normalize_axis(axis, values.ndim)
    distance = dx if x is None else _distances(handle_of(x), values.ndim, position, axis)
    heights = table.add(_part(values, position, 1, None), _part(values, position, None, -1))
    # Distances may have more axes than the values.
    return reductions.sum(table.divide(table.multiply(distance, heights), 2.0), axis)


def _distances(x: LazyTensor, ndim: int, position: int, axis: AxisLike) -> LazyTensor:
    if x.ndim != 1:
        distances: LazyTensor = diff(x, axis=axis)
        return distances
    distances = diff(x)
    return reshape(distances, tuple(distances.shape[0] if place == position else 1 for place in range(ndim)))


@rule_for(np.unwrap)
def unwrap(
    p: TensorLike, discont: float | None = None, axis: AxisLike = -1, *, period: float = 6.283185307179586
) -> LazyTensor:
    """Return angles without the jumps that are larger than half a period. See np.unwrap.

    Lazy for floating-point angles; numpy computes it at the call for integers.
    """
    angles = handle_of(p)
    if angles.dtype.kind != "f" or hasattr(period, "shape") or not angles.ndim:
        raise NoRuleError("unwrap: elements that are no real numbers, or another kind of period")
    position = normalize_axis(axis, angles.ndim)
    steps = diff(angles, axis=position)
    half = period / 2
    limit = half if discont is None else discont
    if steps.dtype != np.result_type(steps.dtype, period):
        raise NoRuleError("unwrap: a period that decides the dtype")
    wrapped = table.add(table.remainder(table.subtract(steps, -half), period), -half)
    # A jump of exactly half a period keeps its sign.
    is_half = table.logical_and(table.equal(wrapped, -half), table.greater(steps, 0))
    wrapped = where(is_half, half, wrapped)
    correction = table.subtract(wrapped, steps)
    correction = where(table.less(table.absolute(steps), limit), 0, correction)
    rest = table.add(_part(angles, position, 1, None), reductions.cumsum(correction, position))
    return concatenate([_part(angles, position, 0, 1), rest], position)


@dataclass(frozen=True, slots=True)
class Interp(ArrayFunction):
    """A piecewise linear function of x, given by the values it has at some places. Operands: x, places, values.

    Derivative:  of x, g times the slope; of the two values around x, g times the weight each has in the result; of
                 their places, -g times the slope times the same weights
    Reference:   numpy.interp
    """

    function = staticmethod(np.interp)

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        x, _, values = operand_types
        dtype = np.complex128 if values.dtype.kind == "c" else np.float64
        return (tensor_type(x.shape, dtype, is_scalar=not x.shape),)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x, places, values) = context.xp, context.cotangents, context.operands
        last = xp.shape(places)[0] - 1
        segment = xp.clip(xp.searchsorted(places, x, side="right") - 1, 0, max(last - 1, 0))
        after = xp.minimum(segment + 1, last)
        low, width = xp.take(places, segment), xp.take(places, after) - xp.take(places, segment)
        is_inside = xp.logical_and(x >= places[0], x <= places[-1])
        share = xp.clip((x - low) / width, 0, 1)
        slope = (xp.take(values, after) - xp.take(values, segment)) / width
        add = TakeAdjoint(None, "raise", xp.shape(values))
        to_values = xp.apply(add, g * (1 - share), segment) + xp.apply(add, g * share, after)
        # Moving both places by d changes the result as moving x by -d does.
        inner = xp.where(is_inside, -g * slope, 0)
        to_places = xp.apply(add, inner * (1 - share), segment) + xp.apply(add, inner * share, after)
        return [xp.where(is_inside, g * slope, 0), to_places, to_values]


@rule_for(np.interp)
def interp(
    x: TensorLike, xp: TensorLike, fp: TensorLike, left: Any = None, right: Any = None, period: Any = None
) -> LazyTensor:
    """Return at x the piecewise linear function that has the values fp at the places xp. See np.interp."""
    places, values = handle_of(xp), handle_of(fp)
    if places.ndim != 1 or values.shape != places.shape or places.size < 2:
        raise NoRuleError("interp: places that are no vector as long as the values")
    at = handle_of(x)
    if any(part.dtype.kind not in kinds for part, kinds in ((at, "biuf"), (places, "biuf"), (values, "biufc"))):
        raise NoRuleError("interp: elements that are no numbers")
    if period is not None:
        return _of_period(at, places, values, period)
    result = apply(Interp(), at, places, values)
    for outside, is_outside in ((left, table.less(at, places[0])), (right, table.greater(at, places[-1]))):
        if outside is not None:
            result = where(is_outside, _outside(outside, result), result)
    return result


def _outside(value: Any, result: LazyTensor) -> LazyTensor:
    number = handle_of(value)
    if number.ndim or number.dtype.kind not in ("biufc" if result.dtype.kind == "c" else "biuf"):
        raise NoRuleError("interp: values outside that are no numbers")
    return in_dtype(number, result.dtype)


def _of_period(at: LazyTensor, places: LazyTensor, values: LazyTensor, period: Any) -> LazyTensor:
    """Return the interpolation on a circle: places are sorted within one period, and go on for one place at either end."""
    length = table.absolute(handle_of(period))
    if length.ndim or length.dtype.kind not in "iuf" or not read_value(length, "period"):
        raise NoRuleError("interp: a period that is 0 or no number")
    at, places = (table.remainder(in_dtype(each, np.dtype(np.float64)), length) for each in (at, places))
    order = argsort(places)
    places, values = take(places, order), take(values, order)
    around = concatenate(
        [table.subtract(_part(places, 0, -1, None), length), places, table.add(_part(places, 0, 0, 1), length)]
    )
    return apply(Interp(), at, around, concatenate([_part(values, 0, -1, None), values, _part(values, 0, 0, 1)]))


def _cumulative(
    function: Callable[..., LazyTensor],
    neutral: int,
    x: TensorLike,
    axis: AxisLike | None,
    dtype: Any,
    include_initial: bool,
) -> LazyTensor:
    tensor = handle_of(x)
    if not tensor.ndim or (axis is None and tensor.ndim != 1):
        raise NoRuleError("cumulative: no axis, or several without one named")
    position = 0 if axis is None else normalize_axis(axis, tensor.ndim)
    result = function(tensor, position, dtype)
    if not include_initial:
        return result
    shape = (*tensor.shape[:position], 1, *tensor.shape[position + 1 :])
    return concatenate([broadcast_to(result.dtype.type(neutral), shape), result], position)


@rule_for(np.cumulative_sum)
def cumulative_sum(
    x: TensorLike, /, *, axis: AxisLike | None = None, dtype: Any = None, include_initial: bool = False
) -> LazyTensor:
    """Return the running sums along an axis, with a 0 in front if `include_initial`. See np.cumulative_sum."""
    return _cumulative(reductions.cumsum, 0, x, axis, dtype, include_initial)


@rule_for(np.cumulative_prod)
def cumulative_prod(
    x: TensorLike, /, *, axis: AxisLike | None = None, dtype: Any = None, include_initial: bool = False
) -> LazyTensor:
    """Return the running products along an axis, with a 1 in front if `include_initial`. See np.cumulative_prod."""
    return _cumulative(reductions.cumprod, 1, x, axis, dtype, include_initial)
