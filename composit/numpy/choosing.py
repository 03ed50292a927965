"""Elements chosen by conditions and by numbers. May import numpy_function."""

import numpy as np

from composit.numpy.numpy_function import without_rule

__all__ = [
    "argwhere",
    "choose",
    "compress",
    "extract",
    "flatnonzero",
    "nonzero",
    "select",
]

argwhere = without_rule(np.argwhere)
choose = without_rule(np.choose)
compress = without_rule(np.compress)
extract = without_rule(np.extract)
flatnonzero = without_rule(np.flatnonzero)
nonzero = without_rule(np.nonzero)
select = without_rule(np.select)
