"""Covariances, correlations and convolutions. May import numpy_function."""

import numpy as np

from composit.numpy.numpy_function import without_rule

__all__ = ["convolve", "corrcoef", "correlate", "cov"]

convolve = without_rule(np.convolve)
corrcoef = without_rule(np.corrcoef)
correlate = without_rule(np.correlate)
cov = without_rule(np.cov)
