"""Half precision in graphs: rows compute in float32, as torch does, and results are rounded to what torch stores.

float16 is numpy's. bfloat16, which numpy lacks, is float32 whose numbers are rounded to those of bfloat16
(docs/decisions/half-precision-is-computed-in-float32.md).
"""

from __future__ import annotations

import numpy as np
import torch

import composit.numpy as cnp
from composit import nn
from composit.apply import apply
from composit.handle import make_tensor
from composit.nn.operations.half_precision import RoundToBfloat16, RoundToFloat16
from composit.node import Node
from composit.numpy.elementwise.casting import Astype
from composit.numpy.manipulation.broadcasting import BroadcastTo
from composit.numpy.manipulation.reshaping import ExpandDims, Reshape, Squeeze, Transpose
from composit.numpy.views.basic_indices import BasicIndex
from composit.operation import Array
from composit.types import LazyTensor
from flashlight.conversion import HALVES

# Their results are elements of their only operand.
_MOVES = frozenset((BasicIndex, BroadcastTo, ExpandDims, Reshape, Squeeze, Transpose))
_FLOAT16, _FLOAT32 = np.dtype(np.float16), np.dtype(np.float32)


def widened(lazy: LazyTensor, dtype: torch.dtype) -> LazyTensor:
    """Return a tensor of half precision as float32. dtype: torch's."""
    if dtype is torch.bfloat16:
        # What is given for an input later, in `inputs=`, may be numbers that bfloat16 lacks. torch would have rounded them.
        return _bfloat16(lazy)
    return _float16_as_float32(lazy) if dtype is torch.float16 else lazy


def rounded(lazy: LazyTensor, dtype: torch.dtype) -> LazyTensor:
    """Return what a row computed in float32 as a tensor of half precision. dtype: torch's."""
    if dtype not in HALVES or lazy.dtype != _FLOAT32:
        return lazy
    if dtype is torch.bfloat16:
        return _bfloat16(lazy)
    if isinstance(lazy.node.operation, Astype):
        source = _operand_of(lazy.node)
        if source.dtype == _FLOAT16:
            # float16 -> float32 -> float16: the row has only handed the tensor through.
            return source
    return cnp.astype(lazy, _FLOAT16)


def nearest_half(value: complex | Array, dtype: torch.dtype) -> Array:
    """Return numbers rounded to half precision, as numpy's float32. dtype: torch's."""
    rounding = RoundToBfloat16() if dtype is torch.bfloat16 else RoundToFloat16()
    with np.errstate(all="ignore"):
        return np.asarray(rounding.evaluate(np.asarray(value, np.float32)))


def round_as(lazy: LazyTensor, dtype: torch.dtype) -> LazyTensor:
    """Return float32 rounded to half precision, as float32. dtype: torch's."""
    return _bfloat16(lazy) if dtype is torch.bfloat16 else nn.round_to_float16(lazy)


def _bfloat16(lazy: LazyTensor) -> LazyTensor:
    node = lazy.node
    while type(node.operation) in _MOVES:
        node = node.operands[0][0]
    return lazy if isinstance(node.operation, RoundToBfloat16) else nn.round_to_bfloat16(lazy)


def _float16_as_float32(lazy: LazyTensor) -> LazyTensor:
    """Return float16 as float32. What was float32 before is rounded there, so that mosaic, which has no float16, computes it.

    Such as (y.astype(float16)).T, which is round_to_float16(y).T.
    """
    node = lazy.node
    if type(node.operation) in _MOVES:
        return apply(node.operation, _float16_as_float32(_operand_of(node)))
    if isinstance(node.operation, Astype):
        source = _operand_of(node)
        if source.dtype == _FLOAT32:
            return nn.round_to_float16(source)
    return cnp.astype(lazy, _FLOAT32)


def _operand_of(node: Node) -> LazyTensor:
    source, index = node.operands[0]
    return make_tensor(source, index)
