"""Derivatives of norms, as functions of `xp` (numpy or composit.numpy). Where a norm is 0 they are 0, a subgradient."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from composit.derivative_types import ArrayOrTensor, Namespace
from composit.numpy.linalg.matrix_formulas import conjugated
from composit.numpy.linalg.spectral_matrices import MatrixFromSingularValues
from composit.numpy.reductions.derivatives import kept, share_among_extrema
from composit.operation import Axes

Order: TypeAlias = int | float | Literal["fro", "nuc"] | None


def norm(
    xp: Namespace, g: ArrayOrTensor, result: ArrayOrTensor, x: ArrayOrTensor, order: Order, axes: Axes
) -> ArrayOrTensor | None:
    """Return the cotangent of x from that of its norm along the axes; g and the norm have axes of length 1 there.

    None for the number of elements that are not zero (order 0).
    """
    if len(axes) == 1 and order not in (None, 2):
        return _vector_norm(xp, g, result, x, order, axes)
    # Over one axis, order 2 is the root of the sum of squares.
    return matrix_norm(xp, g, result, x, None if len(axes) == 1 else order, axes)


def matrix_norm(
    xp: Namespace, g: ArrayOrTensor, result: ArrayOrTensor, x: ArrayOrTensor, order: Order, axes: Axes
) -> ArrayOrTensor:
    """Return the same for the norm of matrices, and for the root of the sum of squares along any axes."""
    if order is None or order == "fro":
        return g * conjugated(xp, x) / xp.where(result == 0, 1, result)
    if order in ("nuc", 2, -2):
        return _norm_of_singular_values(xp, g, x, order, axes)
    # The largest or smallest of the sums along one of the two axes.
    summed = axes[:1] if abs(float(order)) == 1 else axes[1:]
    absolute = xp.abs(x)
    sums = xp.sum(absolute, axis=summed, keepdims=True)
    return _unit(xp, x) * share_among_extrema(xp, g, result, sums, axes, True)


def _unit(xp: Namespace, x: ArrayOrTensor) -> ArrayOrTensor:
    return conjugated(xp, xp.sign(x))


def _vector_norm(
    xp: Namespace, g: ArrayOrTensor, result: ArrayOrTensor, x: ArrayOrTensor, order: Order, axes: Axes
) -> ArrayOrTensor | None:
    if order == 0:
        return None
    if order == 1:
        return g * _unit(xp, x)
    absolute = xp.abs(x)
    power = float(order or 2)
    if math.isinf(power):
        return _unit(xp, x) * share_among_extrema(xp, g, result, absolute, axes, True)
    return g * _unit(xp, x) * (absolute / xp.where(result == 0, 1, result)) ** (power - 1)


def _norm_of_singular_values(
    xp: Namespace, g: ArrayOrTensor, x: ArrayOrTensor, order: Order, axes: Axes
) -> ArrayOrTensor:
    moved = xp.moveaxis(x, axes, (-2, -1))
    inner = xp.squeeze(xp.moveaxis(g, axes, (-2, -1)), -1)
    left, values, right = xp.linalg.svd(moved, full_matrices=False)
    if order != "nuc":
        # Compare with the extremum of these values, not with the norm: numpy may have computed it with other last bits.
        extremum = values[..., :1] if order == 2 else values[..., -1:]
        inner = share_among_extrema(xp, inner, extremum, values, (values.ndim - 1,), True)
    cotangent = conjugated(xp, xp.apply(MatrixFromSingularValues(), moved, left, values, right, inner))
    return xp.moveaxis(cotangent, (-2, -1), axes)


def with_axes(xp: Namespace, value: ArrayOrTensor, x: ArrayOrTensor, axes: Axes, keepdims: bool) -> ArrayOrTensor:
    """Return the value with the reduced axes in place."""
    return kept(xp, value, tuple(sorted(axis % x.ndim for axis in axes)), keepdims)
