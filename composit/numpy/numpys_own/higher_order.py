"""Functions that take functions: these get real values, since what they do with them is not known.

May import numpy_function, numpy_call.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from composit.numpy.calls.numpy_call import call_numpy
from composit.numpy.calls.numpy_function import without_rule

__all__ = ["apply_along_axis", "apply_over_axes", "piecewise", "vectorize"]

apply_along_axis = without_rule(np.apply_along_axis)
apply_over_axes = without_rule(np.apply_over_axes)
piecewise = without_rule(np.piecewise)


class vectorize(np.vectorize):
    """A Python function made to work element by element, on tensors too. See np.vectorize."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the function's results for each element, computed now."""
        return call_numpy(super().__call__, args, kwargs)
