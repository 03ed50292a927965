"""Lazy numpy: numpy's names, arguments, dtypes and errors on tensors; and all that `import composit` gives.

This module only gathers the families; what a function does is said where it is defined.
"""

from typing import TYPE_CHECKING

import numpy as _np
from numpy import __version__

from composit import multidigraph
from composit.apply import apply
from composit.apply import register_join as _register_join
from composit.at_call import strict
from composit.evaluation import evaluate
from composit.labels import with_name
from composit.node import name_scope
from composit.numpy import (
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
    conversions,
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
    submodules,
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
from composit.numpy.methods import LazyScalar, LazyTensor, ndarray
from composit.numpy.movement import *
from composit.numpy.nan_functions import *
from composit.numpy.numpy_call import register_views as _register_views
from composit.numpy.numpys_classes import *
from composit.numpy.old_polynomials import *
from composit.numpy.order_statistics import *
from composit.numpy.padding import *
from composit.numpy.printing import *
from composit.numpy.products import *
from composit.numpy.protocols import array_ufunc as _array_ufunc
from composit.numpy.protocols import register_functions as _register_functions
from composit.numpy.questions import *
from composit.numpy.rearranging import *
from composit.numpy.reductions import *
from composit.numpy.set_functions import *
from composit.numpy.settings import *
from composit.numpy.sorting import *
from composit.numpy.strided_views import sliding_window_view as _sliding_window_view
from composit.numpy.strided_views import view_of_part as _view_of_part
from composit.numpy.submodules import LISTED_NAMES as _LISTED_NAMES
from composit.numpy.submodules import late_name as _late_name
from composit.numpy.submodules import serve_numpys_modules as _serve_numpys_modules
from composit.numpy.taking import *
from composit.numpy.ufuncs import *
from composit.numpy.ufuncs import register_ufunc_methods as _register_ufunc_methods
from composit.numpy.vector_products import *
from composit.numpy.windows import *
from composit.program import count_evaluations
from composit.visualize import visualize, visualize_graph

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


# What is no name of numpy's; modules above this package are left to attribute access, so that a star binds no `numpy`.
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
__all__ += submodules.__all__
__all__ += taking.__all__
__all__ += ufuncs.__all__
__all__ += vector_products.__all__
__all__ += windows.__all__

# numpy's own functions, called on tensors, find ours by this table.
_register_functions({vars(_np)[name]: globals()[name] for name in __all__ if callable(vars(_np).get(name))})
_register_functions({vars(_np.linalg)[name]: vars(linalg)[name] for name in linalg.__all__})
_register_functions({vars(_np.fft)[name]: vars(fft)[name] for name in fft.__all__})
_register_functions({_np.lib.stride_tricks.sliding_window_view: _sliding_window_view})
_register_ufunc_methods(_array_ufunc)
_register_join(conversions.asarray)
_serve_numpys_modules()
_register_views(_view_of_part)
