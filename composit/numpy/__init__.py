"""Lazy numpy: numpy's names, arguments, dtypes and errors on tensors.

This module only gathers the families; what a function does is said where it is defined.
"""

import numpy as _np

from composit.apply import apply
from composit.numpy import (
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
    padding,
    random,
    rearranging,
    reductions,
)
from composit.numpy.averages import *
from composit.numpy.constants import *
from composit.numpy.contractions import *
from composit.numpy.creation import *
from composit.numpy.elementwise import astype
from composit.numpy.elementwise import register_ufunc_methods as _register_ufunc_methods
from composit.numpy.elementwise_composites import *
from composit.numpy.elementwise_table import *
from composit.numpy.indexing import *
from composit.numpy.inspection import *
from composit.numpy.joining import *
from composit.numpy.linalg import *
from composit.numpy.methods import LazyTensor
from composit.numpy.movement import *
from composit.numpy.padding import *
from composit.numpy.protocols import array_ufunc as _array_ufunc
from composit.numpy.protocols import register_functions as _register_functions
from composit.numpy.rearranging import *
from composit.numpy.reductions import *

ndarray = LazyTensor

__all__ = ["LazyTensor", "astype", "linalg", "ndarray", "random"]
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

# numpy's own functions, called on tensors, find ours by this table.
_register_functions({vars(_np)[name]: globals()[name] for name in __all__ if callable(vars(_np).get(name))})
_register_ufunc_methods(_array_ufunc)
