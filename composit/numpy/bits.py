"""Bits packed in bytes. May import numpy_function."""

import numpy as np

from composit.numpy.numpy_function import without_rule

__all__ = [
    "packbits",
    "unpackbits",
]

packbits = without_rule(np.packbits)
unpackbits = without_rule(np.unpackbits)
