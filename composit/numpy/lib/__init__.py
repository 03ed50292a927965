"""numpy.lib: scimath, stride_tricks, recfunctions and mixins take tensors; the rest is numpy's, unchanged."""

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
