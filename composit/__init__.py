"""A lazy numpy that gives people a graph they can hold: all of composit.numpy, and what is done with graphs.

import composit as cnp

y = cnp.exp(cnp.ones((2, 3)) + 1)   # nothing is computed
cnp.evaluate(y)                     # a numpy array

The families are named one by one, as in composit.numpy: type checkers do not look through two modules of stars.
"""

from typing import TYPE_CHECKING

from composit import backends, errors, multidigraph, nn, numpy, types
from composit.eager_results import strict
from composit.evaluation import evaluate
from composit.labels import with_name
from composit.nn.core import wrap_as_operation
from composit.nn.differentiate import chain_rule
from composit.node import name_scope
from composit.numpy import LazyScalar, LazyTensor, fft, linalg, ndarray, random
from composit.numpy.assignment import in_place
from composit.numpy.assignment.in_place import *
from composit.numpy.calculus import differences, polynomials
from composit.numpy.calculus.differences import *
from composit.numpy.calculus.polynomials import *
from composit.numpy.calls import matrices, ufuncs
from composit.numpy.calls.matrices import *
from composit.numpy.calls.ufuncs import *
from composit.numpy.creation import from_nothing, windows
from composit.numpy.creation.from_nothing import *
from composit.numpy.creation.from_values import *
from composit.numpy.creation.windows import *
from composit.numpy.elementwise import cardinal_sine, composites, conditional, table
from composit.numpy.elementwise.cardinal_sine import *
from composit.numpy.elementwise.composites import *
from composit.numpy.elementwise.conditional import *
from composit.numpy.elementwise.table import *
from composit.numpy.indexing import choosing, diagonals, grids, index_arrays, iteration, taking
from composit.numpy.indexing.choosing import *
from composit.numpy.indexing.diagonals import *
from composit.numpy.indexing.grids import *
from composit.numpy.indexing.index_arrays import *
from composit.numpy.indexing.iteration import *
from composit.numpy.indexing.taking import *
from composit.numpy.inspection import properties, shared_memory
from composit.numpy.inspection.properties import *
from composit.numpy.inspection.shared_memory import *
from composit.numpy.manipulation import broadcasting, joining, reshaping
from composit.numpy.manipulation.broadcasting import *
from composit.numpy.manipulation.joining import *
from composit.numpy.manipulation.reshaping import *
from composit.numpy.numpys_own import functions, input_output, same_objects
from composit.numpy.numpys_own.functions import *
from composit.numpy.numpys_own.input_output import *
from composit.numpy.numpys_own.same_objects import *
from composit.numpy.products import einsums, matrix_products, vector_products
from composit.numpy.products.einsums import *
from composit.numpy.products.matrix_products import *
from composit.numpy.products.vector_products import *
from composit.numpy.rearranging import bits, building_matrices, editing, flips_and_repeats, padding
from composit.numpy.rearranging.bits import *
from composit.numpy.rearranging.building_matrices import *
from composit.numpy.rearranging.editing import *
from composit.numpy.rearranging.flips_and_repeats import *
from composit.numpy.rearranging.padding import *
from composit.numpy.reductions import reduce
from composit.numpy.reductions.reduce import *
from composit.numpy.sorting import sets, sort_and_search
from composit.numpy.sorting.sets import *
from composit.numpy.sorting.sort_and_search import *
from composit.numpy.statistics import averages, correlations, histograms, nan_functions, order_statistics
from composit.numpy.statistics.averages import *
from composit.numpy.statistics.correlations import *
from composit.numpy.statistics.histograms import *
from composit.numpy.statistics.nan_functions import *
from composit.numpy.statistics.order_statistics import *
from composit.numpy.submodules import LISTED_NAMES as _LISTED_NAMES
from composit.numpy.submodules import late_name as _late_name
from composit.numpy.tensor import array_api
from composit.numpy.tensor.array_api import *
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
__all__ += differences.__all__
__all__ += cardinal_sine.__all__
__all__ += choosing.__all__
__all__ += same_objects.__all__
__all__ += einsums.__all__
__all__ += correlations.__all__
__all__ += from_nothing.__all__
__all__ += editing.__all__
__all__ += building_matrices.__all__
__all__ += composites.__all__
__all__ += conditional.__all__
__all__ += diagonals.__all__
__all__ += table.__all__
__all__ += index_arrays.__all__
__all__ += functions.__all__
__all__ += histograms.__all__
__all__ += in_place.__all__
__all__ += grids.__all__
__all__ += properties.__all__
__all__ += iteration.__all__
__all__ += joining.__all__
__all__ += matrices.__all__
__all__ += reshaping.__all__
__all__ += nan_functions.__all__
__all__ += polynomials.__all__
__all__ += order_statistics.__all__
__all__ += padding.__all__
__all__ += input_output.__all__
__all__ += matrix_products.__all__
__all__ += shared_memory.__all__
__all__ += flips_and_repeats.__all__
__all__ += reduce.__all__
__all__ += sets.__all__
__all__ += sort_and_search.__all__
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
