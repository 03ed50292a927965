"""numpy.char on tensors: like strings, but white space at the end of an element is ignored.

chararray stays numpy's own class.
"""

import numpy as np
from numpy.char import chararray

from composit.numpy.calls.declarations import with_own_memory, without_rule
from composit.numpy.strings import (
    add,
    capitalize,
    center,
    count,
    decode,
    encode,
    endswith,
    expandtabs,
    find,
    index,
    isalnum,
    isalpha,
    isdecimal,
    isdigit,
    islower,
    isnumeric,
    isspace,
    istitle,
    isupper,
    ljust,
    lower,
    lstrip,
    mod,
    replace,
    rfind,
    rindex,
    rjust,
    rstrip,
    startswith,
    str_len,
    strip,
    swapcase,
    title,
    translate,
    upper,
    zfill,
)

__all__ = [
    "add",
    "array",
    "asarray",
    "capitalize",
    "center",
    "chararray",
    "compare_chararrays",
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
    "join",
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
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "str_len",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
    "zfill",
]

array = without_rule(np.char.array)
asarray = without_rule(with_own_memory(np.char.asarray))
compare_chararrays = without_rule(np.char.compare_chararrays)
equal = without_rule(np.char.equal)
greater = without_rule(np.char.greater)
greater_equal = without_rule(np.char.greater_equal)
join = without_rule(np.char.join)
less = without_rule(np.char.less)
less_equal = without_rule(np.char.less_equal)
multiply = without_rule(np.char.multiply)
not_equal = without_rule(np.char.not_equal)
partition = without_rule(np.char.partition)
rpartition = without_rule(np.char.rpartition)
rsplit = without_rule(np.char.rsplit)
split = without_rule(np.char.split)
splitlines = without_rule(np.char.splitlines)
