"""A lazy numpy that gives people a graph they can hold: all of composit.numpy, and what is done with graphs.

import composit as cnp

y = cnp.exp(cnp.ones((2, 3)) + 1)   # nothing is computed
cnp.evaluate(y)                     # a numpy array
"""

from composit import nn, numpy
from composit.evaluation import evaluate
from composit.handle import with_name
from composit.nn.core import wrap_as_operation
from composit.nn.differentiate import chain_rule
from composit.node import name_scope
from composit.numpy import *
from composit.visualize import visualize, visualize_graph

__version__ = "0.1.0"

__all__ = [
    "chain_rule",
    "evaluate",
    "name_scope",
    "nn",
    "numpy",
    "visualize",
    "visualize_graph",
    "with_name",
    "wrap_as_operation",
]
__all__ += numpy.__all__
