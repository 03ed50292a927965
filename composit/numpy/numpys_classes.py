"""numpy's own classes of arrays that are no tensors, and what makes them: matrices, records, files in memory.

They take tensors, as everything of numpy's that calls asarray does. May import numpy_function.
"""

import numpy as np
from numpy import bmat, matrix, memmap, recarray, test

from composit.numpy.numpy_function import without_rule

__all__ = ["asmatrix", "bmat", "matrix", "memmap", "recarray", "test"]

asmatrix = without_rule(np.asmatrix)
