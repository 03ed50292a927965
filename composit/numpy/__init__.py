"""Lazy numpy: numpy's names, arguments, dtypes and errors on tensors.

This module only gathers the families; what a function does is said where it is defined.
"""

import numpy as _np
from numpy import (
    bool_,
    bytes_,
    complex64,
    complex128,
    complexfloating,
    datetime64,
    dtype,
    e,
    errstate,
    euler_gamma,
    exceptions,
    finfo,
    float16,
    float32,
    float64,
    floating,
    generic,
    iinfo,
    inexact,
    inf,
    int8,
    int16,
    int32,
    int64,
    int_,
    integer,
    intp,
    issubdtype,
    nan,
    newaxis,
    number,
    pi,
    signedinteger,
    str_,
    timedelta64,
    ufunc,
    uint8,
    uint16,
    uint32,
    uint64,
    unsignedinteger,
)

from composit.apply import apply
from composit.numpy import (
    averages as _averages,
    creation as _creation,
    contractions as _contractions,
    elementwise_composites as _elementwise_composites,
    elementwise_table as _elementwise_table,
    indexing as _indexing,
    inspection as _inspection,
    joining as _joining,
    linalg,
    movement as _movement,
    padding as _padding,
    random,
    rearranging as _rearranging,
    reductions as _reductions,
)
from composit.numpy.averages import *
from composit.numpy.creation import *
from composit.numpy.contractions import *
from composit.numpy.elementwise import astype
from composit.numpy.elementwise_composites import *
from composit.numpy.elementwise_table import *
from composit.numpy.indexing import *
from composit.numpy.inspection import *
from composit.numpy.joining import *
from composit.numpy.linalg import *
from composit.numpy.methods import LazyTensor
from composit.numpy.movement import *
from composit.numpy.padding import *
from composit.numpy.protocols import register_functions as _register_functions
from composit.numpy.rearranging import *
from composit.numpy.reductions import *

ndarray = LazyTensor

_CONSTANTS = [
    "e",
    "euler_gamma",
    "inf",
    "nan",
    "newaxis",
    "pi",
]

_DTYPES = [
    "bool_",
    "bytes_",
    "complex64",
    "complex128",
    "complexfloating",
    "datetime64",
    "dtype",
    "errstate",
    "exceptions",
    "finfo",
    "float16",
    "float32",
    "float64",
    "floating",
    "generic",
    "iinfo",
    "inexact",
    "int8",
    "int16",
    "int32",
    "int64",
    "int_",
    "integer",
    "intp",
    "issubdtype",
    "number",
    "signedinteger",
    "str_",
    "timedelta64",
    "ufunc",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "unsignedinteger",
]

_FUNCTIONS = [
    "astype",
    *_averages.__all__,
    *_creation.__all__,
    *_contractions.__all__,
    *_elementwise_composites.__all__,
    *_elementwise_table.__all__,
    *_indexing.__all__,
    *_inspection.__all__,
    *_joining.__all__,
    *linalg.__all__,
    *_movement.__all__,
    *_padding.__all__,
    *_rearranging.__all__,
    *_reductions.__all__,
]

__all__ = ["LazyTensor", "linalg", "ndarray", "random", *_CONSTANTS, *_DTYPES, *_FUNCTIONS]

# numpy's own functions, called on tensors, find ours by this table.
_register_functions({vars(_np)[name]: globals()[name] for name in _FUNCTIONS if callable(vars(_np).get(name))})
