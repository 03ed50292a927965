"""Differences. May import numpy_function."""

import numpy as np

from composit.numpy.numpy_function import without_rule

__all__ = [
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "gradient",
    "interp",
    "trapezoid",
    "unwrap",
]

diff = without_rule(np.diff)
gradient = without_rule(np.gradient)
trapezoid = without_rule(np.trapezoid)
unwrap = without_rule(np.unwrap)
interp = without_rule(np.interp)
cumulative_prod = without_rule(np.cumulative_prod)
cumulative_sum = without_rule(np.cumulative_sum)
