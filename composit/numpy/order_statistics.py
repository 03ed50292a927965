"""Medians and quantiles. May import numpy_function."""

import numpy as np

from composit.numpy.numpy_function import without_rule

__all__ = [
    "median",
    "percentile",
    "quantile",
]

median = without_rule(np.median)
percentile = without_rule(np.percentile)
quantile = without_rule(np.quantile)
