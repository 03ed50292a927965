"""Derivatives of reductions and of running sums and products, as functions of `xp` (numpy or composit.numpy).

Derivatives of products multiply and never divide by an element, so they are right at zeros, to every order. Equal
extrema share their cotangent evenly.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from composit.derivative_types import ArrayOrTensor, Namespace
from composit.operation import Axes, Operation, VjpContext


def spread(xp: Namespace, g: ArrayOrTensor, x: ArrayOrTensor, axes: Axes, keepdims: bool) -> ArrayOrTensor:
    """Return the cotangent of a sum: g at every element."""
    # Leading axes come back by broadcasting alone.
    is_leading = axes == tuple(range(len(axes)))
    return xp.broadcast_to(g if is_leading and not keepdims else kept(xp, g, axes, keepdims), xp.shape(x))


def kept(xp: Namespace, g: ArrayOrTensor, axes: Axes, keepdims: bool) -> ArrayOrTensor:
    """Return g with the reduced axes in place, of length 1."""
    return g if keepdims or not axes else xp.expand_dims(g, axes)


def share_among_extrema(
    xp: Namespace, g: ArrayOrTensor, result: ArrayOrTensor, x: ArrayOrTensor, axes: Axes, keepdims: bool
) -> ArrayOrTensor:
    """Return g where x is the extremum, divided by how often it occurs."""
    extremum = kept(xp, result, axes, keepdims)
    # An extremum that is NaN belongs to the elements that are.
    is_extremum = (x == extremum) | (xp.isnan(extremum) & xp.isnan(x))
    # Infinite sums of logarithms share by the same rule, where no element may be equal.
    count = xp.maximum(xp.sum(is_extremum, axis=axes, keepdims=True, dtype=g.dtype), 1)
    return xp.where(is_extremum, kept(xp, g, axes, keepdims) / count, 0)


def product_of_others(xp: Namespace, x: ArrayOrTensor, axes: Axes) -> ArrayOrTensor:
    """Return for each element the product of the other elements along the axes."""
    if math.prod(xp.shape(x)) == 0 or not axes:
        return xp.ones_like(x)
    shape = xp.shape(x)
    order = (*(axis for axis in range(len(shape)) if axis not in axes), *axes)
    moved = xp.transpose(x, order)
    rows = xp.reshape(moved, (*(shape[axis] for axis in order[: -len(axes)]), -1))
    others = _product_before(xp, rows) * _backwards(xp, _product_before(xp, _backwards(xp, rows, -1)), -1)
    back = tuple(order.index(axis) for axis in range(len(order)))
    return xp.transpose(xp.reshape(others, tuple(shape[axis] for axis in order)), back)


def _product_before(xp: Namespace, x: ArrayOrTensor) -> ArrayOrTensor:
    # Along the last axis, in log2(n) steps: each step doubles the number of previous elements in each product.
    length = xp.shape(x)[-1]
    result = _shifted(xp, x, 1, -1, 1)
    step = 1
    while step < length:
        result = result * _shifted(xp, result, step, -1, 1)
        step *= 2
    return result


def _shifted(xp: Namespace, x: ArrayOrTensor, step: int, axis: int, fill: int) -> ArrayOrTensor:
    """Return x shifted by `step` towards higher indices along the axis, with `fill` at the start."""
    length = xp.shape(x)[axis]
    step = min(step, length)
    return _preceded(xp, x[_along(len(xp.shape(x)), axis, slice(0, length - step))], step, axis, fill)


def _preceded(xp: Namespace, x: ArrayOrTensor, count: int, axis: int, fill: int) -> ArrayOrTensor:
    """Return x with `count` elements `fill` before it along the axis."""
    widths = [(0, 0)] * len(xp.shape(x))
    widths[axis] = (count, 0)
    return xp.pad(x, widths, constant_values=fill)


def _along(ndim: int, axis: int, index: slice) -> tuple[slice, ...]:
    return (slice(None),) * (axis % ndim) + (index,)


def _backwards(xp: Namespace, x: ArrayOrTensor, axis: int) -> ArrayOrTensor:
    return x[_along(len(xp.shape(x)), axis, slice(None, None, -1))]


def running_sum(xp: Namespace, g: ArrayOrTensor, axis: int) -> ArrayOrTensor:
    """Return the cotangent of cumsum: the running sum of g from the end, as each element is in all later sums."""
    return _backwards(xp, xp.cumsum(_backwards(xp, g, axis), axis=axis), axis)


def running_product(xp: Namespace, g: ArrayOrTensor, x: ArrayOrTensor, axis: int) -> ArrayOrTensor:
    """Return the cotangent of cumprod: (x[0] ... x[i - 1]) s[i], where s[i] = g[i] + x[i + 1] s[i + 1]."""
    if math.prod(xp.shape(x)) == 0:
        return g
    factors = _shifted(xp, _backwards(xp, x, axis), 1, axis, 0)
    sums = _backwards(xp, linear_recurrence(xp, _backwards(xp, g, axis), factors, axis), axis)
    return _shifted(xp, xp.cumprod(x, axis=axis), 1, axis, 1) * sums


def linear_recurrence(xp: Namespace, terms: ArrayOrTensor, factors: ArrayOrTensor, axis: int) -> ArrayOrTensor:
    """Return s with s[i] = terms[i] + factors[i] s[i - 1] and s[-1] = 0; doubling solves it in log2(n) steps."""
    length, step = xp.shape(terms)[axis], 1
    while step < length:
        terms = terms + factors * _shifted(xp, terms, step, axis, 0)
        step *= 2
        if step < length:
            factors = factors * _shifted(xp, factors, step // 2, axis, 0)
    return terms


def log_sum(
    xp: Namespace,
    g: ArrayOrTensor,
    result: ArrayOrTensor,
    x: ArrayOrTensor,
    axes: Axes,
    keepdims: bool,
    exponential: Callable[[ArrayOrTensor], ArrayOrTensor],
) -> ArrayOrTensor:
    """Return the cotangent of a reduction by logaddexp: g exp(x - result), and shared evenly among equal infinities."""
    whole = kept(xp, result, axes, keepdims)
    is_infinite = xp.isinf(whole)
    below = xp.where(is_infinite, 0, x) - xp.where(is_infinite, 0, whole)
    shared = share_among_extrema(xp, g, result, x, axes, keepdims)
    return xp.where(is_infinite, shared, kept(xp, g, axes, keepdims) * exponential(below))


# In the domain of nearly all functions, and no pole of any of these.
_HARMLESS = 0.5


def running(
    xp: Namespace,
    operation: Operation,
    g: ArrayOrTensor,
    y: ArrayOrTensor,
    x: ArrayOrTensor,
    axis: int,
    joins: ArrayOrTensor | None = None,
) -> ArrayOrTensor:
    """Return the cotangent of x for y[0] = x[0], y[i] = f(y[i - 1], x[i]): with s[i] = g[i] + df/dy[i] s[i + 1], df/dx s.

    operation: f
    joins:     per element but the first, whether it continues; a new run starts with y[i] = x[i] where it is false
    """
    ndim, length = len(xp.shape(x)), xp.shape(x)[axis]
    if length < 2:
        return g
    first, rest = _along(ndim, axis, slice(0, 1)), _along(ndim, axis, slice(1, None))
    before, after, later = y[_along(ndim, axis, slice(None, -1))], y[rest], xp.astype(x[rest], y.dtype)
    if joins is not None:
        before, after, later = (xp.where(joins, each, _HARMLESS) for each in (before, after, later))
    ones = xp.ones_like(after)
    slopes = _one_cotangent(xp, operation, 0, ones, before, later, after)
    slopes = slopes if joins is None else xp.where(joins, slopes, 0)
    # Reversed, the recurrence is one from the start.
    factors = _preceded(xp, _backwards(xp, slopes, axis), 1, axis, 0)
    totals = _backwards(xp, linear_recurrence(xp, _backwards(xp, g, axis), factors, axis), axis)
    to_later = _one_cotangent(xp, operation, 1, totals[rest], before, later, after)
    to_later = to_later if joins is None else xp.where(joins, to_later, totals[rest])
    return xp.concatenate([totals[first], to_later], axis=axis)


def _one_cotangent(
    xp: Namespace,
    operation: Operation,
    place: int,
    g: ArrayOrTensor,
    a: ArrayOrTensor,
    b: ArrayOrTensor,
    result: ArrayOrTensor,
) -> ArrayOrTensor:
    found = operation.vjp(VjpContext(xp, [g], [a, b], [result], [place == 0, place == 1]))[place]
    return xp.zeros_like(g) if found is None else found


def share_among_running_extrema(
    xp: Namespace,
    g: ArrayOrTensor,
    y: ArrayOrTensor,
    x: ArrayOrTensor,
    axis: int,
    joins: ArrayOrTensor | None = None,
) -> ArrayOrTensor:
    """Return the cotangent of maximum.accumulate: each g is shared evenly by the elements so far that are the extremum."""
    ndim = len(xp.shape(x))
    is_same = y[_along(ndim, axis, slice(1, None))] == y[_along(ndim, axis, slice(None, -1))]
    is_same = is_same if joins is None else is_same & joins
    # Runs of one extremum: element i goes on with the run of element i - 1 where `continues` is 1.
    link = xp.astype(is_same, g.dtype)
    continues = _preceded(xp, link, 1, axis, 0)
    is_extremum = x == y
    count = linear_recurrence(xp, xp.astype(is_extremum, g.dtype), continues, axis)
    # A run of NaN has no element that equals it.
    shares = _backwards(xp, g / xp.where(count == 0, 1, count), axis)
    going_on = _preceded(xp, _backwards(xp, link, axis), 1, axis, 0)
    return xp.where(is_extremum, _backwards(xp, linear_recurrence(xp, shares, going_on, axis), axis), 0)
