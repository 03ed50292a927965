"""Norms and distances whose derivative at 0 is 0, not NaN: parts of operations and losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

import composit.numpy as cnp
from composit.errors import ParameterError
from composit.operation import Axes

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor


def root(squares: LazyTensor) -> LazyTensor:
    """Return the square root, with the derivative 0 at 0."""
    is_zero = squares == 0
    return cnp.where(is_zero, 0, cnp.sqrt(cnp.where(is_zero, 1, squares)))


def _euclidean(x: LazyTensor, axes: Axes, keepdims: bool) -> LazyTensor:
    return root(cnp.sum(cnp.square(x), axis=axes, keepdims=keepdims))


def _absolute(x: LazyTensor, axes: Axes, keepdims: bool) -> LazyTensor:
    return cnp.sum(cnp.absolute(x), axis=axes, keepdims=keepdims)


def _largest(x: LazyTensor, axes: Axes, keepdims: bool) -> LazyTensor:
    return cnp.max(cnp.absolute(x), axis=axes, keepdims=keepdims)


def _count(x: LazyTensor, axes: Axes, keepdims: bool) -> LazyTensor:
    # 0 or 1, also of infinity and NaN, with a derivative of 0.
    return cnp.sum(cnp.where(cnp.isnan(x), 1, cnp.sign(cnp.absolute(x))), axis=axes, keepdims=keepdims)


_NORMS: dict[float, Callable[[LazyTensor, Axes, bool], LazyTensor]] = {
    0.0: _count,
    1.0: _absolute,
    2.0: _euclidean,
    math.inf: _largest,
}


def norm_along(function: str, x: LazyTensor, order: float, axes: Axes, keepdims: bool) -> LazyTensor:
    """Return the norm of an order along axes: 0 counts the elements that are not 0, infinity is the largest.

    Raises:  ParameterError: the order is NaN or minus infinity
    """
    if not order > -math.inf:
        raise ParameterError(
            f"{function}: a norm of order {order!r} was asked for; expected a number, or np.inf for the largest"
        )
    known = _NORMS.get(float(order))
    if known is not None:
        return known(x, axes, keepdims)
    magnitude = cnp.absolute(x)
    is_zero = magnitude == 0
    # A negative power of 0 is infinite, and makes the norm 0.
    of_zero = 0 if order > 0 else np.inf
    powers = cnp.where(is_zero, of_zero, cnp.power(cnp.where(is_zero, 1, magnitude), float(order)))
    total = cnp.sum(powers, axis=axes, keepdims=keepdims)
    is_degenerate = total == of_zero
    return cnp.where(is_degenerate, 0, cnp.power(cnp.where(is_degenerate, 1, total), 1 / float(order)))


def log_or_zero(x: LazyTensor) -> LazyTensor:
    """Return log(x), and 0 with the derivative 0 where x is 0: for x * log(x)."""
    return cnp.log(cnp.where(x == 0, 1, x))


LOG_2_PI = float(np.log(2 * np.pi))
