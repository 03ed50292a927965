"""numpy.rec on tensors: it makes arrays of records, of numpy's own class, from real values."""

import numpy as np
from numpy.rec import format_parser, recarray, record

from composit.numpy.calls.declarations import with_own_memory, without_rule

__all__ = [
    "array",
    "find_duplicate",
    "format_parser",
    "fromarrays",
    "fromfile",
    "fromrecords",
    "fromstring",
    "recarray",
    "record",
]

array = without_rule(with_own_memory(np.rec.array))
find_duplicate = without_rule(np.rec.find_duplicate)
fromarrays = without_rule(np.rec.fromarrays)
fromfile = without_rule(np.rec.fromfile)
fromrecords = without_rule(np.rec.fromrecords)
fromstring = without_rule(np.rec.fromstring)
