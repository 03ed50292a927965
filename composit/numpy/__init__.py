"""Lazy numpy: numpy's names, arguments, dtypes and errors on tensors; and all that `import composit` gives.

Only imports: each function is documented where it is defined.
"""

from typing import TYPE_CHECKING

import numpy as _np
from numpy import __version__

from composit import multidigraph
from composit.apply import apply
from composit.direct import CODE_TO_SOURCE as _CODE_OF_DIRECT_RUNS
from composit.eager_results import strict
from composit.evaluation import evaluate
from composit.guards import compute_now as _compute_now
from composit.hooks import hooks as _hooks
from composit.interpreter import CODE_TO_SOURCE as _CODE_OF_PROGRAMS
from composit.labels import with_name
from composit.node import name_scope
from composit.numpy import fft, linalg, random, submodules
from composit.numpy.assignment import in_place
from composit.numpy.assignment.in_place import *
from composit.numpy.calculus import differences, polynomials
from composit.numpy.calculus.differences import *
from composit.numpy.calculus.polynomials import *
from composit.numpy.calls import matrices, ufuncs
from composit.numpy.calls.matrices import *
from composit.numpy.calls.ufuncs import *
from composit.numpy.creation import from_nothing, from_values, windows
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
from composit.numpy.indexing.strided_views import sliding_window_view as _sliding_window_view
from composit.numpy.indexing.strided_views import view_of_part as _view_of_part
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
from composit.numpy.submodules import serve_numpys_modules as _serve_numpys_modules
from composit.numpy.tensor import array_api
from composit.numpy.tensor.array_api import *
from composit.numpy.tensor.lazy_tensor import TENSOR_CLASSES as _TENSOR_CLASSES
from composit.numpy.tensor.lazy_tensor import LazyScalar, LazyTensor, ndarray
from composit.numpy.tensor.protocols import array_ufunc as _array_ufunc
from composit.program import count_evaluations
from composit.visualize import visualize, visualize_graph
from composit.warning_lines import warn_of_operation as _warn_of_operation

if TYPE_CHECKING:
    from numpy import core, ctypeslib, f2py, ma, matrixlib, typing, version

    from composit import backends, errors, nn, numpy, types
    from composit.nn import chain_rule, wrap_as_operation
    from composit.numpy import char, emath, lib, polynomial, rec, strings, testing
else:
    # Imported when first asked for.
    def __getattr__(name):
        return _late_name(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LISTED_NAMES})


# Names that numpy does not have. Modules above this package are left out, so that `import *` binds no name `numpy`.
__all__ = [
    "LazyScalar",
    "LazyTensor",
    "chain_rule",
    "count_evaluations",
    "evaluate",
    "fft",
    "linalg",
    "name_scope",
    "ndarray",
    "random",
    "strict",
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
__all__ += submodules.__all__
__all__ += taking.__all__
__all__ += ufuncs.__all__
__all__ += vector_products.__all__
__all__ += windows.__all__

# Functions that lower modules call but cannot import. `function_to_rule` leads numpy's functions, called on tensors,
# to ours.
_hooks.set_once(
    call_ufunc=_array_ufunc,
    code_to_source={**_CODE_OF_PROGRAMS, **_CODE_OF_DIRECT_RUNS},
    compute=_compute_now,
    function_to_rule={
        **{vars(_np)[name]: globals()[name] for name in __all__ if callable(vars(_np).get(name))},
        **{vars(_np.linalg)[name]: vars(linalg)[name] for name in linalg.__all__},
        **{vars(_np.fft)[name]: vars(fft)[name] for name in fft.__all__},
        _np.lib.stride_tricks.sliding_window_view: _sliding_window_view,
    },
    join=from_values.asarray,
    tensor_classes=_TENSOR_CLASSES,
    view_of_part=_view_of_part,
    warn=_warn_of_operation,
)
_serve_numpys_modules()
