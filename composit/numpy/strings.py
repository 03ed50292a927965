"""numpy.strings on tensors: numpy computes at the call.

Comparisons and concatenation are ufuncs of the elementwise table.
"""

import numpy as np

from composit.numpy.calls.declarations import without_rule
from composit.numpy.calls.ufuncs import NumpyUfunc
from composit.numpy.elementwise.table import add, equal, greater, greater_equal, less, less_equal, not_equal

__all__ = [
    "add",
    "capitalize",
    "center",
    "count",
    "decode",
    "encode",
    "endswith",
    "equal",
    "expandtabs",
    "find",
    "greater",
    "greater_equal",
    "index",
    "isalnum",
    "isalpha",
    "isdecimal",
    "isdigit",
    "islower",
    "isnumeric",
    "isspace",
    "istitle",
    "isupper",
    "less",
    "less_equal",
    "ljust",
    "lower",
    "lstrip",
    "mod",
    "multiply",
    "not_equal",
    "partition",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rstrip",
    "startswith",
    "str_len",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
    "zfill",
]

capitalize = without_rule(np.strings.capitalize)
center = without_rule(np.strings.center)
count = without_rule(np.strings.count)
decode = without_rule(np.strings.decode)
encode = without_rule(np.strings.encode)
endswith = without_rule(np.strings.endswith)
expandtabs = without_rule(np.strings.expandtabs)
find = without_rule(np.strings.find)
index = without_rule(np.strings.index)
isalnum = NumpyUfunc(np.strings.isalnum)
isalpha = NumpyUfunc(np.strings.isalpha)
isdecimal = NumpyUfunc(np.strings.isdecimal)
isdigit = NumpyUfunc(np.strings.isdigit)
islower = NumpyUfunc(np.strings.islower)
isnumeric = NumpyUfunc(np.strings.isnumeric)
isspace = NumpyUfunc(np.strings.isspace)
istitle = NumpyUfunc(np.strings.istitle)
isupper = NumpyUfunc(np.strings.isupper)
ljust = without_rule(np.strings.ljust)
lower = without_rule(np.strings.lower)
lstrip = without_rule(np.strings.lstrip)
mod = without_rule(np.strings.mod)
multiply = without_rule(np.strings.multiply)
partition = without_rule(np.strings.partition)
replace = without_rule(np.strings.replace)
rfind = without_rule(np.strings.rfind)
rindex = without_rule(np.strings.rindex)
rjust = without_rule(np.strings.rjust)
rpartition = without_rule(np.strings.rpartition)
rstrip = without_rule(np.strings.rstrip)
startswith = without_rule(np.strings.startswith)
str_len = NumpyUfunc(np.strings.str_len)
strip = without_rule(np.strings.strip)
swapcase = without_rule(np.strings.swapcase)
title = without_rule(np.strings.title)
translate = without_rule(np.strings.translate)
upper = without_rule(np.strings.upper)
zfill = without_rule(np.strings.zfill)

if hasattr(np.strings, "slice"):  # since numpy 2.3
    __all__ += ["slice"]
    slice = without_rule(np.strings.slice)
