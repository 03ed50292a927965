"""What algorithms of convolutions ask of a case."""

from __future__ import annotations

import math

import numpy as np

from composit.nn.operations.convolution import Convolution, TransposedConvolution
from composit.operation import Operation
from mosaic.algorithms.costs import memory_cycles, num_bytes, product_cycles
from mosaic.algorithms.record import Case

RANKS = (1, 2, 3)
"""The numbers of axes that convolutions run over."""


def operation_of(case: Case) -> Convolution | TransposedConvolution:
    """Return the parameters of a convolution, transposed or not."""
    operation = case.operation
    assert isinstance(operation, Convolution | TransposedConvolution), "asked for convolutions only"
    return operation


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


def no_tiles(case: Case) -> str:
    """Return why kernels in registers cannot take the dtypes; "" if they can."""
    if is_tiled(case):
        return ""
    return f"tiles are of float32 or float64, the same for both operands, not {', '.join(map(str, case.operand_types))}"


def outputs_of_group(case: Case) -> int:
    """Return how many channels of the result a group has."""
    return case.types[0].shape[1] // max(1, operation_of(case).groups)


def num_taps(case: Case) -> int:
    """Return the taps of a filter."""
    return math.prod(case.operand_types[1].shape[2:])


def touched_cycles(case: Case, has_channels_last: bool = True) -> float:
    """Return the cycles of reading both operands and writing the result, and of bringing them into and out of another order."""
    touched = memory_cycles(num_bytes((*case.operand_types, *case.types)), case.target)
    return touched + reordering_cycles(case, has_channels_last)


_moved_bytes_per_cycle = 2.5  # read and written by squares in registers: 8 to 16 GB/s of both (Sapphire Rapids)


def reordering_cycles(case: Case, has_channels_last: bool) -> float:
    """Return the cycles of bringing an image into the order of channels that an algorithm takes, and its result out of it.

    Outside of a program channels come first, and between convolutions last.
    """
    x, result = case.operand_types[0], case.types[0]
    moved = [x] * (case.is_entering == has_channels_last and x.shape[1] > 1)
    moved += [result] * (case.is_leaving == has_channels_last and result.shape[1] > 1)
    return num_bytes(moved) / _moved_bytes_per_cycle


def full_product_cycles(case: Case, share: float) -> float:
    """Return the cycles of the multiply-adds at a share of the limit, with those of lanes that stay empty."""
    itemsize, columns = case.types[0].dtype.itemsize, case.types[0].shape[1] // operation_of(case).groups
    lanes = case.target.lanes(itemsize)
    full = math.ceil(columns / lanes) * lanes / max(1, columns)
    return product_cycles(num_products(case) * full, itemsize, case.target, share)
