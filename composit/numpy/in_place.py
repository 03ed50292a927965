"""Functions that change their first argument: a tensor there moves on to the new value, and so do its views.

May import numpy_function.
"""

import numpy as np

from composit.numpy.numpy_function import without_rule

__all__ = [
    "copyto",
    "fill_diagonal",
    "place",
    "put",
    "put_along_axis",
    "putmask",
]

copyto = without_rule(np.copyto, writes="dst")
fill_diagonal = without_rule(np.fill_diagonal, writes="a")
place = without_rule(np.place, writes="arr")
put = without_rule(np.put, writes="a")
put_along_axis = without_rule(np.put_along_axis, writes="arr")
putmask = without_rule(np.putmask, writes="a")
