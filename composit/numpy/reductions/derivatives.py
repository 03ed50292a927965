"""Derivatives of reductions and of running sums and products, as functions of `xp` (numpy or composit.numpy).

Derivatives of products multiply and never divide by an element, so they are right at zeros, to every order. Equal
extrema share their cotangent evenly.
"""

from __future__ import annotations

import math

from composit.derivative_types import ArrayOrTensor, Namespace
from composit.operation import Axes


def spread(xp: Namespace, g: ArrayOrTensor, x: ArrayOrTensor, axes: Axes, keepdims: bool) -> ArrayOrTensor:
    """Return the cotangent of a sum: g at every element."""
    return xp.broadcast_to(kept(xp, g, axes, keepdims), xp.shape(x))


def kept(xp: Namespace, g: ArrayOrTensor, axes: Axes, keepdims: bool) -> ArrayOrTensor:
    """Return g with the reduced axes in place, of length 1."""
    return g if keepdims or not axes else xp.expand_dims(g, axes)


def share_among_extrema(
    xp: Namespace, g: ArrayOrTensor, result: ArrayOrTensor, x: ArrayOrTensor, axes: Axes, keepdims: bool
) -> ArrayOrTensor:
    """Return g where x is the extremum, divided by how often it occurs."""
    is_extremum = x == kept(xp, result, axes, keepdims)
    # If the extremum is NaN, no element equals it: the count is 0, and so is the cotangent.
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
    ndim, length = len(xp.shape(x)), xp.shape(x)[axis]
    step = min(step, length)
    widths = [(0, 0)] * ndim
    widths[axis] = (step, 0)
    return xp.pad(x[_along(ndim, axis, slice(0, length - step))], widths, constant_values=fill)


def _along(ndim: int, axis: int, index: slice) -> tuple[slice, ...]:
    return (slice(None),) * (axis % ndim) + (index,)


def _backwards(xp: Namespace, x: ArrayOrTensor, axis: int) -> ArrayOrTensor:
    return x[_along(len(xp.shape(x)), axis, slice(None, None, -1))]


def running_sum(xp: Namespace, g: ArrayOrTensor, axis: int) -> ArrayOrTensor:
    """Return the cotangent of cumsum: the running sum of g from the end, as each element is in all later sums."""
    return _backwards(xp, xp.cumsum(_backwards(xp, g, axis), axis=axis), axis)


def running_product(xp: Namespace, g: ArrayOrTensor, x: ArrayOrTensor, axis: int) -> ArrayOrTensor:
    """Return the cotangent of cumprod: (x[0] ... x[i - 1]) s[i], where s[i] = g[i] + x[i + 1] s[i + 1]."""
    length = xp.shape(x)[axis]
    if math.prod(xp.shape(x)) == 0:
        return g
    # Reversed, the recurrence is s[i] = g[i] + a[i] s[i - 1]; doubling solves it in log2(n) steps.
    sums = _backwards(xp, g, axis)
    factors = _shifted(xp, _backwards(xp, x, axis), 1, axis, 0)
    step = 1
    while step < length:
        sums = sums + factors * _shifted(xp, sums, step, axis, 0)
        factors = factors * _shifted(xp, factors, step, axis, 0)
        step *= 2
    before = _shifted(xp, xp.cumprod(x, axis=axis), 1, axis, 1)
    return before * _backwards(xp, sums, axis)
