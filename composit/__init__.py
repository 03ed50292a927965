"""A lazy numpy that gives people a graph they can hold: all of composit.numpy, and what is done with graphs.

import composit as cnp

y = cnp.exp(cnp.ones((2, 3)) + 1)   # nothing is computed
cnp.evaluate(y)                     # a numpy array
"""

from typing import TYPE_CHECKING

from composit import backends as backends
from composit import errors as errors
from composit import multidigraph as multidigraph
from composit import nn as nn
from composit import numpy as numpy
from composit import types as types
from composit.nn.core import wrap_as_operation as wrap_as_operation
from composit.nn.differentiate import chain_rule as chain_rule
from composit.numpy import public_names as _public_names
from composit.numpy import submodules as _submodules
from composit.numpy.public_names import *
from composit.numpy.tensor.array_api import __array_namespace_info__ as __array_namespace_info__

__version__ = "0.1.0"

if not TYPE_CHECKING:
    # Imported when first asked for.
    def __getattr__(name):
        return _submodules.late_name(name)

    # Type checkers would take this list for all there is.
    __all__ = [
        "__array_namespace_info__",
        "chain_rule",
        "multidigraph",
        "nn",
        "numpy",
        "types",
        "wrap_as_operation",
    ]
    __all__ += [name for name in vars(_public_names) if not name.startswith("_")]


def __dir__() -> list[str]:
    return sorted({*globals(), *_submodules.LISTED_NAMES})
