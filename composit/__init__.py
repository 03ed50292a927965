"""A lazy numpy that gives people a graph they can hold: all of composit.numpy, and what is done with graphs.

import composit as cnp

y = cnp.exp(cnp.ones((2, 3)) + 1)   # nothing is computed
cnp.evaluate(y)                     # a numpy array

The families are named one by one, as in composit.numpy: type checkers do not look through two modules of stars.
"""

from typing import TYPE_CHECKING

from composit import backends, errors, multidigraph, nn, numpy, types
from composit.at_call import strict
from composit.evaluation import evaluate
from composit.labels import with_name
from composit.nn.core import wrap_as_operation
from composit.nn.differentiate import chain_rule
from composit.node import name_scope
from composit.numpy import (
    LazyScalar,
    LazyTensor,
    array_api,
    averages,
    bits,
    broadcasting,
    calculus,
    cardinal_sine,
    choosing,
    comparing,
    constants,
    contractions,
    correlations,
    creation,
    dates,
    editing,
    elementwise_composites,
    elementwise_table,
    fft,
    files,
    grid_positions,
    higher_order,
    histograms,
    in_place,
    index_helpers,
    inspection,
    iteration,
    joining,
    linalg,
    matrices,
    movement,
    nan_functions,
    ndarray,
    numpys_classes,
    old_polynomials,
    order_statistics,
    padding,
    printing,
    products,
    questions,
    random,
    rearranging,
    reductions,
    set_functions,
    settings,
    sorting,
    taking,
    ufuncs,
    vector_products,
    windows,
)
from composit.numpy.array_api import *
from composit.numpy.averages import *
from composit.numpy.bits import *
from composit.numpy.broadcasting import *
from composit.numpy.calculus import *
from composit.numpy.cardinal_sine import *
from composit.numpy.choosing import *
from composit.numpy.comparing import *
from composit.numpy.constants import *
from composit.numpy.contractions import *
from composit.numpy.conversions import *
from composit.numpy.correlations import *
from composit.numpy.creation import *
from composit.numpy.dates import *
from composit.numpy.editing import *
from composit.numpy.elementwise_composites import *
from composit.numpy.elementwise_table import *
from composit.numpy.files import *
from composit.numpy.grid_positions import *
from composit.numpy.higher_order import *
from composit.numpy.histograms import *
from composit.numpy.in_place import *
from composit.numpy.index_helpers import *
from composit.numpy.inspection import *
from composit.numpy.iteration import *
from composit.numpy.joining import *
from composit.numpy.matrices import *
from composit.numpy.movement import *
from composit.numpy.nan_functions import *
from composit.numpy.numpys_classes import *
from composit.numpy.old_polynomials import *
from composit.numpy.order_statistics import *
from composit.numpy.padding import *
from composit.numpy.printing import *
from composit.numpy.products import *
from composit.numpy.questions import *
from composit.numpy.rearranging import *
from composit.numpy.reductions import *
from composit.numpy.set_functions import *
from composit.numpy.settings import *
from composit.numpy.sorting import *
from composit.numpy.submodules import LISTED_NAMES as _LISTED_NAMES
from composit.numpy.submodules import late_name as _late_name
from composit.numpy.taking import *
from composit.numpy.ufuncs import *
from composit.numpy.vector_products import *
from composit.numpy.windows import *
from composit.program import count_evaluations
from composit.visualize import visualize, visualize_graph

__version__ = "0.1.0"

__all__ = [
    "LazyScalar",
    "LazyTensor",
    "chain_rule",
    "count_evaluations",
    "evaluate",
    "fft",
    "linalg",
    "multidigraph",
    "name_scope",
    "ndarray",
    "nn",
    "numpy",
    "random",
    "strict",
    "types",
    "visualize",
    "visualize_graph",
    "with_name",
    "wrap_as_operation",
]
__all__ += array_api.__all__
__all__ += averages.__all__
__all__ += bits.__all__
__all__ += broadcasting.__all__
__all__ += calculus.__all__
__all__ += cardinal_sine.__all__
__all__ += choosing.__all__
__all__ += comparing.__all__
__all__ += constants.__all__
__all__ += contractions.__all__
__all__ += correlations.__all__
__all__ += creation.__all__
__all__ += dates.__all__
__all__ += editing.__all__
__all__ += elementwise_composites.__all__
__all__ += elementwise_table.__all__
__all__ += files.__all__
__all__ += grid_positions.__all__
__all__ += higher_order.__all__
__all__ += histograms.__all__
__all__ += in_place.__all__
__all__ += index_helpers.__all__
__all__ += inspection.__all__
__all__ += iteration.__all__
__all__ += joining.__all__
__all__ += matrices.__all__
__all__ += movement.__all__
__all__ += nan_functions.__all__
__all__ += numpys_classes.__all__
__all__ += old_polynomials.__all__
__all__ += order_statistics.__all__
__all__ += padding.__all__
__all__ += printing.__all__
__all__ += products.__all__
__all__ += questions.__all__
__all__ += rearranging.__all__
__all__ += reductions.__all__
__all__ += set_functions.__all__
__all__ += settings.__all__
__all__ += sorting.__all__
__all__ += taking.__all__
__all__ += ufuncs.__all__
__all__ += vector_products.__all__
__all__ += windows.__all__

if TYPE_CHECKING:
    from numpy import core, ctypeslib, f2py, ma, matrixlib, typing, version

    from composit.numpy import char, emath, lib, polynomial, rec, strings, testing
else:
    # Imported when first asked for.
    def __getattr__(name):
        return _late_name(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LISTED_NAMES})
