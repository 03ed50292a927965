"""Windows. May import numpy_function."""

import numpy as np

from composit.numpy.numpy_function import without_rule

__all__ = [
    "bartlett",
    "blackman",
    "hamming",
    "hanning",
    "i0",
    "kaiser",
]

bartlett = without_rule(np.bartlett)
blackman = without_rule(np.blackman)
hamming = without_rule(np.hamming)
hanning = without_rule(np.hanning)
i0 = without_rule(np.i0)
kaiser = without_rule(np.kaiser)
