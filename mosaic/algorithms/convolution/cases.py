"""What algorithms of convolutions ask of a case."""

from __future__ import annotations

import math

import numpy as np

from composit.nn.operations.convolution import Convolution
from composit.operation import Operation
from mosaic.algorithms.record import Case

RANKS = (1, 2, 3)
"""The numbers of axes that convolutions run over."""


def operation_of(case: Case) -> Convolution:
    """Return the parameters of a convolution."""
    return as_convolution(case.operation)


def as_convolution(operation: Operation) -> Convolution:
    """Return an operation that is a convolution as one."""
    assert isinstance(operation, Convolution), "an algorithm of convolutions is asked for convolutions"
    return operation


def is_tiled(case: Case) -> bool:
    """Whether kernels in registers compute with the dtype: float32 or float64, the same for all."""
    dtypes = {each.dtype for each in (*case.operand_types, *case.types)}
    return len(dtypes) == 1 and dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}


def num_products(case: Case) -> int:
    """Return the multiply-adds of a convolution as it is defined."""
    return math.prod(case.types[0].shape) * math.prod(case.operand_types[1].shape[1:])
