"""Functions that call a user's function, and those of dates: numpy runs them at the call.

A user's function may do anything with the values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from composit.errors import NoRuleError
from composit.numpy.arguments.normalizing import TensorLike, handle_of, normalize_axis
from composit.numpy.calls.declarations import rule_for, without_rule
from composit.numpy.calls.expressions import Expressed, expressed
from composit.numpy.calls.fallback import call_numpy

__all__ = [
    "apply_along_axis",
    "apply_over_axes",
    "busday_count",
    "busday_offset",
    "datetime_as_string",
    "datetime_data",
    "is_busday",
    "piecewise",
    "vectorize",
]

apply_along_axis = without_rule(np.apply_along_axis)
piecewise = without_rule(np.piecewise)


@rule_for(np.apply_over_axes)
def apply_over_axes(func: Callable[..., Any], a: TensorLike, axes: Any) -> Any:
    """Return the result of a function called as func(a, axis), for one axis after the other. See np.apply_over_axes.

    Lazy where the function is; its derivative is that of its parts.
    """
    result = handle_of(a)
    for axis in np.atleast_1d(np.asarray(axes)).tolist():
        made = handle_of(func(result, axis))
        if made.ndim not in (result.ndim, result.ndim - 1):
            raise NoRuleError("apply_over_axes: the function returns another number of axes")
        if made.ndim < result.ndim:
            place = normalize_axis(axis, result.ndim)
            made = made.reshape((*made.shape[:place], 1, *made.shape[place:]))
        result = made
    return result


@expressed(np.apply_along_axis)
def _apply_along_axis(
    xp: Any, results: Sequence[Any], func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any
) -> Expressed:
    # As numpy does: one call per vector, in C order of the other axes.
    moved = xp.moveaxis(xp.asarray(arr), axis, -1)
    others = moved.shape[:-1]
    made = [xp.asarray(func1d(moved[index], *args, **kwargs)) for index in np.ndindex(others)]
    stacked = xp.reshape(xp.stack(made), (*others, *made[0].shape))
    place = normalize_axis(axis, len(others) + 1)
    inner = tuple(range(len(others), stacked.ndim))
    return xp.moveaxis(stacked, inner, tuple(range(place, place + len(inner))))


@expressed(np.piecewise)
def _piecewise(
    xp: Any, results: Sequence[Any], x: Any, condlist: Any, funclist: Any, *args: Any, **kwargs: Any
) -> Expressed:
    values = xp.asarray(x)
    is_one = np.ndim(condlist) == 0 or (np.ndim(condlist[0]) == 0 and values.ndim != 0)
    conditions = [xp.astype(xp.asarray(each), bool) for each in ([condlist] if is_one else condlist)]
    if len(funclist) == len(conditions) + 1:
        conditions.append(xp.logical_not(xp.any(xp.stack(conditions), axis=0)))
    result = xp.zeros(values.shape, results[0].dtype)
    for condition, function in zip(conditions, funclist, strict=True):
        if not callable(function):
            result = xp.where(condition, function, result)
            continue
        places = xp.flatnonzero(condition)
        if places.size:
            flat = xp.copy(xp.ravel(result))
            flat[places] = function(xp.take(xp.ravel(values), places), *args, **kwargs)
            result = xp.reshape(flat, values.shape)
    return result


class vectorize(np.vectorize):
    """A Python function applied element by element, to tensors too. See np.vectorize."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the function's results for all elements, computed now."""
        return call_numpy(super().__call__, args, kwargs)


busday_count = without_rule(np.busday_count)
busday_offset = without_rule(np.busday_offset)
datetime_as_string = without_rule(np.datetime_as_string)
datetime_data = without_rule(np.datetime_data)
is_busday = without_rule(np.is_busday)
