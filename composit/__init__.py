"""A lazy numpy that gives people a graph they can hold: all of composit.numpy, and what is done with graphs.

import composit as cnp

y = cnp.exp(cnp.ones((2, 3)) + 1)   # nothing is computed
cnp.evaluate(y)                     # a numpy array

The families are named one by one, as in composit.numpy: type checkers do not look through two modules of stars.
"""

from composit import nn, numpy
from composit.evaluation import evaluate
from composit.handle import with_name
from composit.nn.core import wrap_as_operation
from composit.nn.differentiate import chain_rule
from composit.node import name_scope
from composit.numpy import (
    LazyTensor,
    astype,
    averages,
    constants,
    contractions,
    creation,
    elementwise_composites,
    elementwise_table,
    indexing,
    inspection,
    joining,
    linalg,
    movement,
    ndarray,
    padding,
    random,
    rearranging,
    reductions,
)
from composit.numpy.averages import *
from composit.numpy.constants import *
from composit.numpy.contractions import *
from composit.numpy.creation import *
from composit.numpy.elementwise_composites import *
from composit.numpy.elementwise_table import *
from composit.numpy.indexing import *
from composit.numpy.inspection import *
from composit.numpy.joining import *
from composit.numpy.linalg import *
from composit.numpy.movement import *
from composit.numpy.padding import *
from composit.numpy.rearranging import *
from composit.numpy.reductions import *
from composit.visualize import visualize, visualize_graph

__version__ = "0.1.0"

__all__ = [
    "LazyTensor",
    "astype",
    "chain_rule",
    "evaluate",
    "linalg",
    "name_scope",
    "ndarray",
    "nn",
    "numpy",
    "random",
    "visualize",
    "visualize_graph",
    "with_name",
    "wrap_as_operation",
]
__all__ += averages.__all__
__all__ += constants.__all__
__all__ += contractions.__all__
__all__ += creation.__all__
__all__ += elementwise_composites.__all__
__all__ += elementwise_table.__all__
__all__ += indexing.__all__
__all__ += inspection.__all__
__all__ += joining.__all__
__all__ += linalg.__all__
__all__ += movement.__all__
__all__ += padding.__all__
__all__ += rearranging.__all__
__all__ += reductions.__all__
