"""Dates and business days: numpy computes them at the call. May import calls."""

import numpy as np

from composit.numpy.calls.numpy_function import without_rule

__all__ = ["busday_count", "busday_offset", "datetime_as_string", "datetime_data", "is_busday"]

busday_count = without_rule(np.busday_count)
busday_offset = without_rule(np.busday_offset)
datetime_as_string = without_rule(np.datetime_as_string)
datetime_data = without_rule(np.datetime_data)
is_busday = without_rule(np.is_busday)
