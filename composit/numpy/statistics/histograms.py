"""histogram, bincount and kin, computed by numpy at the call because the bins depend on values."""

import numpy as np

from composit.numpy.calls.declarations import without_rule
from composit.numpy.statistics import expressions  # noqa: F401  # registers what these are differentiated as

__all__ = [
    "bincount",
    "histogram",
    "histogram2d",
    "histogram_bin_edges",
    "histogramdd",
]

bincount = without_rule(np.bincount)
histogram = without_rule(np.histogram)
histogram2d = without_rule(np.histogram2d)
histogram_bin_edges = without_rule(np.histogram_bin_edges)
histogramdd = without_rule(np.histogramdd)
