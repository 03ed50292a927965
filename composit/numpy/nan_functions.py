"""Reductions that leave NaN out. May import numpy_function."""

import numpy as np

from composit.numpy.numpy_function import without_rule

__all__ = [
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nanpercentile",
    "nanprod",
    "nanquantile",
    "nanstd",
    "nansum",
    "nanvar",
]

nanargmax = without_rule(np.nanargmax)
nanargmin = without_rule(np.nanargmin)
nancumprod = without_rule(np.nancumprod)
nancumsum = without_rule(np.nancumsum)
nanmax = without_rule(np.nanmax)
nanmean = without_rule(np.nanmean)
nanmedian = without_rule(np.nanmedian)
nanmin = without_rule(np.nanmin)
nanpercentile = without_rule(np.nanpercentile)
nanprod = without_rule(np.nanprod)
nanquantile = without_rule(np.nanquantile)
nanstd = without_rule(np.nanstd)
nansum = without_rule(np.nansum)
nanvar = without_rule(np.nanvar)
