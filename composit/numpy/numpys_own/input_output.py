"""Arrays as text, in files and in buffers: these functions need the values, so they compute at the call.

The print options are numpy's own, so that `print` of a tensor obeys them.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from numpy import get_printoptions, printoptions, set_printoptions

from composit.guards import from_outside
from composit.numpy.calls.declarations import without_rule

__all__ = [
    "array2string",
    "array_repr",
    "array_str",
    "asarray_chkfinite",
    "base_repr",
    "binary_repr",
    "format_float_positional",
    "format_float_scientific",
    "frombuffer",
    "fromfile",
    "fromfunction",
    "fromiter",
    "fromregex",
    "fromstring",
    "genfromtxt",
    "get_printoptions",
    "load",
    "loadtxt",
    "printoptions",
    "save",
    "savetxt",
    "savez",
    "savez_compressed",
    "set_printoptions",
]


def _showing(function: Callable[..., str]) -> Callable[..., str]:
    @wraps(function)
    def shown(*args: Any, **kwargs: Any) -> str:
        return function(*map(from_outside, args), **{name: from_outside(value) for name, value in kwargs.items()})

    return shown


array2string = without_rule(_showing(np.array2string))
array_repr = without_rule(_showing(np.array_repr))
array_str = without_rule(_showing(np.array_str))
base_repr = without_rule(np.base_repr)
binary_repr = without_rule(np.binary_repr)
format_float_positional = without_rule(np.format_float_positional)
format_float_scientific = without_rule(np.format_float_scientific)


frombuffer = without_rule(np.frombuffer)
fromfile = without_rule(np.fromfile)
fromfunction = without_rule(np.fromfunction)
fromiter = without_rule(np.fromiter)
fromregex = without_rule(np.fromregex)
fromstring = without_rule(np.fromstring)
genfromtxt = without_rule(np.genfromtxt)
load = without_rule(np.load)
loadtxt = without_rule(np.loadtxt)
save = without_rule(np.save)
savetxt = without_rule(np.savetxt)
savez = without_rule(np.savez)
savez_compressed = without_rule(np.savez_compressed)
asarray_chkfinite = without_rule(np.asarray_chkfinite)
