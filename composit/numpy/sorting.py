"""Elements in order, and their places in it. May import numpy_function."""

import numpy as np

from composit.numpy.numpy_function import without_rule

__all__ = [
    "argpartition",
    "argsort",
    "digitize",
    "lexsort",
    "partition",
    "searchsorted",
    "sort",
    "sort_complex",
]

argpartition = without_rule(np.argpartition)
argsort = without_rule(np.argsort)
lexsort = without_rule(np.lexsort)
partition = without_rule(np.partition)
searchsorted = without_rule(np.searchsorted)
sort = without_rule(np.sort)
sort_complex = without_rule(np.sort_complex)
digitize = without_rule(np.digitize)
