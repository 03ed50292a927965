"""Positions in a grid. May import numpy_function."""

import numpy as np

from composit.numpy.numpy_function import without_rule

__all__ = [
    "diag_indices",
    "diag_indices_from",
    "mask_indices",
    "ravel_multi_index",
    "tril_indices",
    "tril_indices_from",
    "triu_indices",
    "triu_indices_from",
    "unravel_index",
    "vander",
]

diag_indices = without_rule(np.diag_indices)
diag_indices_from = without_rule(np.diag_indices_from)
mask_indices = without_rule(np.mask_indices)
tril_indices = without_rule(np.tril_indices)
tril_indices_from = without_rule(np.tril_indices_from)
triu_indices = without_rule(np.triu_indices)
triu_indices_from = without_rule(np.triu_indices_from)
ravel_multi_index = without_rule(np.ravel_multi_index)
unravel_index = without_rule(np.unravel_index)
vander = without_rule(np.vander)
