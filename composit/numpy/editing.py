"""Elements put in and taken out. May import numpy_function."""

import numpy as np

from composit.numpy.numpy_function import without_rule

__all__ = [
    "block",
    "delete",
    "insert",
    "row_stack",
    "trim_zeros",
]

block = without_rule(np.block)
delete = without_rule(np.delete)
insert = without_rule(np.insert)
trim_zeros = without_rule(np.trim_zeros)
row_stack = without_rule(np.row_stack)
