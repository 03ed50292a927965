"""numpy's own classes of arrays that are no tensors, and what makes them: matrices, records, files in memory.

They take tensors, as everything of numpy's that calls asarray does. May import numpy_call, numpy_function.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy import matrix, memmap, recarray, test

from composit.numpy.numpy_call import call_numpy
from composit.numpy.numpy_function import without_rule

__all__ = ["asmatrix", "bmat", "matrix", "memmap", "recarray", "test"]


def _matrix_of(data: Any, dtype: Any = None) -> Any:
    # A tensor's value is read only: its matrix is one that can be written to.
    return (
        np.matrix(data, dtype)
        if isinstance(data, np.ndarray) and not data.flags.writeable
        else np.asmatrix(data, dtype)
    )


_matrix_of.__name__ = "asmatrix"
asmatrix = without_rule(_matrix_of)


def bmat(obj: Any, ldict: Any = None, gdict: Any = None) -> Any:
    """Return a matrix of blocks; names in a string are those of the caller. See np.bmat."""
    if isinstance(obj, str) and gdict is None:
        caller = sys._getframe(1)
        ldict, gdict = caller.f_locals, caller.f_globals
    return call_numpy(np.bmat, (obj, ldict, gdict), {})
