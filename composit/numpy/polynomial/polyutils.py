"""numpy.polynomial.polyutils: helpers of all series, computed by numpy at the call."""

from numpy.polynomial import polyutils as _numpys
from numpy.polynomial.polyutils import format_float

from composit.numpy.calls.declarations import without_rule

__all__ = [
    "as_series",
    "trimseq",
    "trimcoef",
    "getdomain",
    "mapdomain",
    "mapparms",
    "format_float",
]

as_series = without_rule(_numpys.as_series)
trimseq = without_rule(_numpys.trimseq)
trimcoef = without_rule(_numpys.trimcoef)
getdomain = without_rule(_numpys.getdomain)
mapdomain = without_rule(_numpys.mapdomain)
mapparms = without_rule(_numpys.mapparms)
