"""Arrays as sets: the results' lengths depend on values, so numpy computes them at the call. May import numpy_function."""

import numpy as np

from composit.numpy.numpy_function import without_rule

__all__ = [
    "ediff1d",
    "intersect1d",
    "isin",
    "setdiff1d",
    "setxor1d",
    "union1d",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]

intersect1d = without_rule(np.intersect1d)
isin = without_rule(np.isin)
setdiff1d = without_rule(np.setdiff1d)
setxor1d = without_rule(np.setxor1d)
union1d = without_rule(np.union1d)
unique = without_rule(np.unique)
unique_all = without_rule(np.unique_all)
unique_counts = without_rule(np.unique_counts)
unique_inverse = without_rule(np.unique_inverse)
unique_values = without_rule(np.unique_values)
ediff1d = without_rule(np.ediff1d)
