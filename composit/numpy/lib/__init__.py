"""numpy.lib on tensors: its tools for writers of libraries are numpy's own, what computes is ours.

May import emath, stride_tricks.
"""

from numpy.lib import (
    Arrayterator,
    NumpyVersion,
    add_docstring,
    add_newdoc,
    array_utils,
    format,
    introspect,
    mixins,
    npyio,
    stride_tricks,
    tracemalloc_domain,
)

from composit.numpy import emath as scimath

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
    "scimath",
    "stride_tricks",
    "tracemalloc_domain",
]
