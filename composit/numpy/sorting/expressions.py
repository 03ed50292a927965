"""What sets that numpy finds at the call are differentiated as: the elements that they were made of, taken by position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from composit.numpy.calls.expressions import Expressed, expressed

# Any, everywhere here: tensors, their namespace, and numpy's arguments.


def _first_equal(xp: Any, values: Any, *arrays: Any) -> Expressed:
    """Return the elements of the arrays that equal the values: of several that are equal, the first."""
    flat = xp.concatenate([xp.ravel(xp.asarray(each)) for each in arrays])
    order = xp.argsort(flat, kind="stable")
    return xp.take(flat, xp.take(order, xp.searchsorted(xp.take(flat, order), values)))


@expressed(np.unique)
def _unique(xp: Any, results: Sequence[Any], ar: Any, *args: Any, axis: Any = None, **options: Any) -> Expressed:
    values, *others = results
    if axis is None:
        return _first_equal(xp, values, ar), *others
    places = xp.unique(ar, return_index=True, axis=axis)[1]
    return xp.take(xp.asarray(ar), places, axis=axis), *others


@expressed(np.unique_values, np.unique_all, np.unique_counts, np.unique_inverse)
def _unique_values(xp: Any, results: Sequence[Any], x: Any) -> Expressed:
    values, *others = results
    return _first_equal(xp, values, x), *others


@expressed(np.union1d, np.setxor1d)
def _of_both(xp: Any, results: Sequence[Any], ar1: Any, ar2: Any, *args: Any, **options: Any) -> Expressed:
    return _first_equal(xp, results[0], ar1, ar2)


@expressed(np.intersect1d, np.setdiff1d)
def _of_the_first(xp: Any, results: Sequence[Any], ar1: Any, ar2: Any, *args: Any, **options: Any) -> Expressed:
    values, *others = results
    return _first_equal(xp, values, ar1), *others
