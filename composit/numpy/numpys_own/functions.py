"""Functions that call a user's function, and those of dates: numpy runs them at the call.

A user's function may do anything with the values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from composit.numpy.calls.declarations import without_rule
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
apply_over_axes = without_rule(np.apply_over_axes)
piecewise = without_rule(np.piecewise)


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
