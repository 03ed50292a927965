"""numpy.testing on tensors: functions that compare evaluate first; functions that manage tests are numpy's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from composit.containers import flatten, with_made_tensors
from composit.evaluation import evaluate
from composit.numpy.calls.fallback import MADE_NO_ARRAY

# The remaining names differ between versions of numpy.
__all__ = list(np.testing.__all__)

Function = TypeVar("Function", bound=Callable[..., Any])


def _evaluating(function: Function) -> Function:
    """Return the function with tensors among its arguments evaluated, in containers too."""

    @wraps(function)
    def compared(*args: Any, **kwargs: Any) -> object:
        handles, rebuild = flatten((args, kwargs))
        given, named = rebuild(evaluate(handles)) if handles else (args, kwargs)
        try:
            return function(*given, **named)
        except ValueError as error:
            if str(error) != MADE_NO_ARRAY:
                raise
            (args, kwargs), is_changed = with_made_tensors((args, kwargs))
            if not is_changed:
                raise
        return compared(*args, **kwargs)

    return compared  # type: ignore[return-value]  # the same signature


assert_ = _evaluating(np.testing.assert_)
assert_equal = _evaluating(np.testing.assert_equal)
assert_almost_equal = _evaluating(np.testing.assert_almost_equal)
assert_approx_equal = _evaluating(np.testing.assert_approx_equal)
assert_array_equal = _evaluating(np.testing.assert_array_equal)
assert_array_less = _evaluating(np.testing.assert_array_less)
assert_string_equal = _evaluating(np.testing.assert_string_equal)
assert_array_almost_equal = _evaluating(np.testing.assert_array_almost_equal)
build_err_msg = _evaluating(np.testing.build_err_msg)
print_assert_equal = _evaluating(np.testing.print_assert_equal)
assert_array_almost_equal_nulp = _evaluating(np.testing.assert_array_almost_equal_nulp)
assert_array_max_ulp = _evaluating(np.testing.assert_array_max_ulp)
assert_allclose = _evaluating(np.testing.assert_allclose)
assert_array_compare = _evaluating(np.testing.assert_array_compare)


def __getattr__(name: str) -> Any:
    """Return numpy's own object: a name that manages tests."""
    return getattr(np.testing, name)
