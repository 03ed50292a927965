"""Questions. May import numpy_function."""

import numpy as np
from numpy import broadcast

from composit.numpy.numpy_function import without_rule

__all__ = [
    "broadcast",
    "common_type",
    "isdtype",
    "isfortran",
    "isscalar",
    "iterable",
    "may_share_memory",
    "min_scalar_type",
    "mintypecode",
    "real_if_close",
    "shares_memory",
    "typename",
]

common_type = without_rule(np.common_type)
isfortran = without_rule(np.isfortran)
isscalar = without_rule(np.isscalar)
iterable = without_rule(np.iterable)
may_share_memory = without_rule(np.may_share_memory)
min_scalar_type = without_rule(np.min_scalar_type)
mintypecode = without_rule(np.mintypecode)
real_if_close = without_rule(np.real_if_close)
shares_memory = without_rule(np.shares_memory)
typename = without_rule(np.typename)
isdtype = without_rule(np.isdtype)
