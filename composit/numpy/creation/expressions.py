"""What arrays that numpy creates at the call are differentiated as: geomspace, and logspace with several bases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from composit.numpy.calls.expressions import Expressed, expressed

# Any, everywhere here: tensors, their namespace, and numpy's arguments.


def _fractions(num: int, is_endpoint: bool, ndim: int) -> Expressed:
    """Return how far each of the numbers is from the start to the stop, along a first axis."""
    steps = max(num - 1 if is_endpoint else num, 1)
    return np.reshape(np.arange(num) / steps, (num,) + (1,) * ndim)


@expressed(np.geomspace)
def _geomspace(
    xp: Any,
    results: Sequence[Any],
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    dtype: Any = None,
    axis: int = 0,
) -> Expressed:
    inner = np.complex128 if results[0].dtype.kind == "c" else np.float64
    first, last = (xp.astype(xp.asarray(each), inner) for each in (start, stop))
    ndim = max(first.ndim, last.ndim)
    # Of the ratio, as numpy's: two negative ends have a positive one.
    logarithm = xp.log(last / first) if inner is np.float64 else _complex_logarithm(xp, first, last)
    return xp.moveaxis(first * xp.exp(_fractions(results[0].shape[axis], endpoint, ndim) * logarithm), 0, axis)


def _complex_logarithm(xp: Any, first: Any, last: Any) -> Expressed:
    # numpy turns both ends so that the start is positive, and takes the logarithm of each.
    direction = first / xp.abs(first)
    return xp.log(last / direction) - xp.log(first / direction)


@expressed(np.logspace)
def _logspace(
    xp: Any,
    results: Sequence[Any],
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Expressed:
    first, last, root = (xp.asarray(each) for each in (start, stop, base))
    ndim = max(first.ndim, last.ndim, root.ndim)
    exponents = first + _fractions(results[0].shape[axis], endpoint, ndim) * (last - first)
    return xp.moveaxis(root**exponents, 0, axis)
