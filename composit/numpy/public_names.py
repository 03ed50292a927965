"""The names that `import composit as cnp` and `import composit.numpy as cnp` have in common, written once.

Both packages import all of this module. It defines no `__all__`: type checkers follow a
star through a star only if every name is public. What is imported by name is public because it is repeated (`as fft`).
"""

import typing as _typing

from composit.eager_results import strict as strict
from composit.evaluation import evaluate as evaluate
from composit.labels import with_name as with_name
from composit.mixed.explain_evaluation import explain as explain
from composit.node import name_scope as name_scope
from composit.numpy import fft as fft
from composit.numpy import linalg as linalg
from composit.numpy import random as random
from composit.numpy.assignment.in_place import *
from composit.numpy.calculus.differences import *
from composit.numpy.calculus.poly_functions import *
from composit.numpy.calls.matrices import *
from composit.numpy.calls.ufuncs import *
from composit.numpy.creation.from_nothing import *
from composit.numpy.creation.from_values import *
from composit.numpy.creation.windows import *
from composit.numpy.elementwise.cardinal_sine import *
from composit.numpy.elementwise.composites import *
from composit.numpy.elementwise.conditional import *
from composit.numpy.elementwise.table import *
from composit.numpy.indexing.choosing import *
from composit.numpy.indexing.diagonals import *
from composit.numpy.indexing.grids import *
from composit.numpy.indexing.index_arrays import *
from composit.numpy.indexing.iteration import *
from composit.numpy.indexing.taking import *
from composit.numpy.inspection.properties import *
from composit.numpy.inspection.shared_memory import *
from composit.numpy.manipulation.broadcasting import *
from composit.numpy.manipulation.joining import *
from composit.numpy.manipulation.reshaping import *
from composit.numpy.numpys_own.functions import *
from composit.numpy.numpys_own.input_output import *
from composit.numpy.numpys_own.same_objects import *
from composit.numpy.products.einsums import *
from composit.numpy.products.matrix_products import *
from composit.numpy.products.vector_products import *
from composit.numpy.rearranging.building_matrices import *
from composit.numpy.rearranging.editing import *
from composit.numpy.rearranging.flips_and_repeats import *
from composit.numpy.rearranging.packed_bits import *
from composit.numpy.rearranging.padding import *
from composit.numpy.reductions.reduce import *
from composit.numpy.sorting.sets import *
from composit.numpy.sorting.sort_and_search import *
from composit.numpy.statistics.averages import *
from composit.numpy.statistics.correlations import *
from composit.numpy.statistics.histograms import *
from composit.numpy.statistics.nan_functions import *
from composit.numpy.statistics.order_statistics import *
from composit.numpy.tensor.array_api import *
from composit.numpy.tensor.lazy_tensor import LazyScalar as LazyScalar
from composit.numpy.tensor.lazy_tensor import LazyTensor as LazyTensor
from composit.numpy.tensor.lazy_tensor import ndarray as ndarray
from composit.program import count_evaluations as count_evaluations
from composit.visualize import visualize as visualize
from composit.visualize import visualize_graph as visualize_graph

if _typing.TYPE_CHECKING:
    # Imported when first asked for, by the packages' `__getattr__`.
    from numpy import core as core
    from numpy import ctypeslib as ctypeslib
    from numpy import f2py as f2py
    from numpy import ma as ma
    from numpy import matrixlib as matrixlib
    from numpy import typing as typing
    from numpy import version as version

    from composit import backends as backends
    from composit import errors as errors
    from composit import nn as nn
    from composit import numpy as numpy
    from composit import types as types
    from composit.nn import chain_rule as chain_rule
    from composit.nn import wrap_as_operation as wrap_as_operation
    from composit.numpy import char as char
    from composit.numpy import emath as emath
    from composit.numpy import lib as lib
    from composit.numpy import polynomial as polynomial
    from composit.numpy import rec as rec
    from composit.numpy import strings as strings
    from composit.numpy import testing as testing
