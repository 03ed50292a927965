"""Arguments of torch as arguments of numpy, for all rows: dtypes by torch's promotion, `dim` as axes."""

from __future__ import annotations

from typing import Any, TypeVar

import torch

import composit.numpy as cnp
from composit.handle import TensorHandle
from composit.operation import Axes, Dtype
from composit.types import LazyTensor
from flashlight.table import Call

# torch takes Python numbers in many places where it takes tensors.
Operand = TypeVar("Operand", bound=LazyTensor | complex)

aten = torch.ops.aten

# By kind of a tensor's dtype: the Python numbers that leave the dtype as it is, in torch and in numpy.
_NEEDS_NO_CAST: dict[str, tuple[type, ...]] = {"f": (int, float), "i": (int,), "c": (int, float, complex)}


def cast(x: Operand, dtype: Dtype) -> Operand:
    """Return the tensor cast to a dtype; Python numbers stay as they are, because they never decide a dtype."""
    if not isinstance(x, TensorHandle) or x.dtype == dtype:
        return x
    return cnp.astype(x, dtype)  # type: ignore[return-value]  # a tensor for a tensor


def promote(call: Call, *operands: LazyTensor | complex) -> list[Any]:  # Any: as given, tensors and numbers
    """Return the call's first operands, cast to the dtype in which torch computes.

    torch promotes differently from numpy: a tensor of rank 0 is weak, and int64 with float32 gives float32.
    """
    dtype = operands[0].dtype if isinstance(operands[0], TensorHandle) else None
    if all(isinstance(operand, TensorHandle) and operand.dtype == dtype for operand in operands):
        return list(operands)
    if len(operands) == 2 and dtype is not None and type(operands[1]) in _NEEDS_NO_CAST.get(dtype.kind, ()):
        return list(operands)
    common = call.common_dtype(*range(len(operands)))
    return [cast(operand, common) for operand in operands]


def axes_of(dim: int | list[int] | None, ndim: int) -> Axes | None:
    """Return torch's `dim` argument as numpy's axes; None and the empty list mean all axes."""
    if dim is None:
        return None
    dims = [dim] if isinstance(dim, int) else list(dim)
    if not dims or ndim == 0:
        return None
    return tuple(axis % ndim for axis in dims)
