"""numpy's own classes of arrays that are no tensors, and what makes them: matrices, records, files in memory.

They take tensors, as everything of numpy's that calls asarray does. May import numpy_call, numpy_function.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy import matrix, memmap, recarray, test

from composit.numpy.numpy_call import call_numpy
from composit.numpy.numpy_function import with_own_memory, without_rule

__all__ = ["asmatrix", "bmat", "matrix", "memmap", "recarray", "test"]


asmatrix = without_rule(with_own_memory(np.asmatrix))


def bmat(obj: Any, ldict: Any = None, gdict: Any = None) -> Any:
    """Return a matrix of blocks; names in a string are those of the caller. See np.bmat."""
    if isinstance(obj, str) and gdict is None:
        caller = sys._getframe(1)
        ldict, gdict = caller.f_locals, caller.f_globals
    return call_numpy(np.bmat, (obj, ldict, gdict), {})
