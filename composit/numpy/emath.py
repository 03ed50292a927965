"""numpy.emath on tensors: whether a result is complex depends on the values, so these functions compute at the call."""

import numpy as np

from composit.numpy.calls.declarations import without_rule

__all__ = ["arccos", "arcsin", "arctanh", "log", "log2", "log10", "logn", "power", "sqrt"]

sqrt = without_rule(np.emath.sqrt)
log = without_rule(np.emath.log)
log2 = without_rule(np.emath.log2)
log10 = without_rule(np.emath.log10)
logn = without_rule(np.emath.logn)
power = without_rule(np.emath.power)
arccos = without_rule(np.emath.arccos)
arcsin = without_rule(np.emath.arcsin)
arctanh = without_rule(np.emath.arctanh)
