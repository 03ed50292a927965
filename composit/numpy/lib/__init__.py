"""numpy.lib on tensors: its tools for writers of libraries are numpy's own, what computes is ours.

May import emath, mixins, recfunctions, stride_tricks.
"""

from numpy.lib import (
    Arrayterator,
    NumpyVersion,
    add_docstring,
    add_newdoc,
    array_utils,
    format,
    introspect,
    npyio,
    tracemalloc_domain,
    user_array,
)

from composit.numpy import emath as scimath
from composit.numpy.lib import mixins, recfunctions, stride_tricks

__all__ = [
    "Arrayterator",
    "NumpyVersion",
    "add_docstring",
    "add_newdoc",
    "array_utils",
    "format",
    "introspect",
    "mixins",
    "npyio",
    "recfunctions",
    "scimath",
    "stride_tricks",
    "tracemalloc_domain",
    "user_array",
]
