"""The torch function of each of numpy's elementwise functions, with the dtypes for which both compute the same.

All others run through numpy: integer powers and divisions, half precision, edges where torch differs (the sign of NaN).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch

from composit.numpy.elementwise import table
from composit.numpy.elementwise.functions import Elementwise, ElementwiseFunction
from composit.operation import TensorType
from flashlight.conversion import NUMPY_TO_TORCH

Run: TypeAlias = Callable[..., Any]  # Any: a tensor, or several

# Kinds of dtypes: b truth values, i and u integers, f floats.
_NUMBERS, _FLOATS, _INTEGERS, _ALL = "iuf", "f", "biu", "biuf"


def _clip(x: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    # torch.clamp would lose the sign of zeros.
    raised = torch.where((x < low) | low.isnan(), low, x)
    return torch.where((raised > high) | high.isnan(), high, raised)


_ROWS: dict[ElementwiseFunction, tuple[Run, str]] = {
    table.add: (torch.add, _NUMBERS),
    table.subtract: (torch.sub, _NUMBERS),
    table.multiply: (torch.mul, _NUMBERS),
    table.divide: (torch.div, _FLOATS),
    table.power: (torch.pow, _FLOATS),
    table.negative: (torch.neg, "if"),
    table.positive: (torch.clone, _NUMBERS),
    table.absolute: (torch.abs, "if"),
    table.fabs: (torch.abs, _FLOATS),
    table.reciprocal: (torch.reciprocal, _FLOATS),
    table.square: (torch.square, _NUMBERS),
    table.sqrt: (torch.sqrt, _FLOATS),
    table.exp: (torch.exp, _FLOATS),
    table.exp2: (torch.exp2, _FLOATS),
    table.expm1: (torch.expm1, _FLOATS),
    table.log: (torch.log, _FLOATS),
    table.log2: (torch.log2, _FLOATS),
    table.log10: (torch.log10, _FLOATS),
    table.log1p: (torch.log1p, _FLOATS),
    table.logaddexp: (torch.logaddexp, _FLOATS),
    table.sin: (torch.sin, _FLOATS),
    table.cos: (torch.cos, _FLOATS),
    table.tan: (torch.tan, _FLOATS),
    table.arcsin: (torch.asin, _FLOATS),
    table.arccos: (torch.acos, _FLOATS),
    table.arctan: (torch.atan, _FLOATS),
    table.arctan2: (torch.atan2, _FLOATS),
    table.hypot: (torch.hypot, _FLOATS),
    table.sinh: (torch.sinh, _FLOATS),
    table.cosh: (torch.cosh, _FLOATS),
    table.tanh: (torch.tanh, _FLOATS),
    table.arcsinh: (torch.asinh, _FLOATS),
    table.arccosh: (torch.acosh, _FLOATS),
    table.arctanh: (torch.atanh, _FLOATS),
    table.floor: (torch.floor, _FLOATS),
    table.ceil: (torch.ceil, _FLOATS),
    table.trunc: (torch.trunc, _FLOATS),
    table.rint: (torch.round, _FLOATS),
    table.maximum: (torch.maximum, _ALL),
    table.minimum: (torch.minimum, _ALL),
    table.fmax: (torch.fmax, _FLOATS),
    table.fmin: (torch.fmin, _FLOATS),
    table.clip_between: (_clip, _NUMBERS),
    table.copysign: (torch.copysign, _FLOATS),
    table.equal: (torch.eq, _ALL),
    table.not_equal: (torch.ne, _ALL),
    table.less: (torch.lt, _ALL),
    table.less_equal: (torch.le, _ALL),
    table.greater: (torch.gt, _ALL),
    table.greater_equal: (torch.ge, _ALL),
    table.logical_and: (torch.logical_and, _ALL),
    table.logical_or: (torch.logical_or, _ALL),
    table.logical_xor: (torch.logical_xor, _ALL),
    table.logical_not: (torch.logical_not, _ALL),
    table.isfinite: (torch.isfinite, _FLOATS),
    table.isinf: (torch.isinf, _FLOATS),
    table.isnan: (torch.isnan, _FLOATS),
    table.signbit: (torch.signbit, _FLOATS),
    table.bitwise_and: (torch.bitwise_and, _INTEGERS),
    table.bitwise_or: (torch.bitwise_or, _INTEGERS),
    table.bitwise_xor: (torch.bitwise_xor, _INTEGERS),
    table.invert: (torch.bitwise_not, _INTEGERS),
    table.erf: (torch.erf, _FLOATS),
}


def elementwise_callable(operation: Elementwise, operands: Sequence[TensorType]) -> Run | None:
    """Return a function on torch tensors that computes in the dtypes of numpy's loop; None if torch has none."""
    row = _ROWS.get(operation.function)
    if row is None:
        return None
    function, kinds = row
    dtypes = operation.function.loop_dtypes(operands, operation.dtype, "unsafe" if operation.dtype else "same_kind")
    computed = dtypes[: operation.function.nin]
    if any(dtype.kind not in kinds or not is_computable(dtype) for dtype in computed):
        return None
    casts = [NUMPY_TO_TORCH[dtype] for dtype in computed]
    result = NUMPY_TO_TORCH.get(dtypes[-1])

    def run(*tensors: torch.Tensor) -> torch.Tensor:
        cast = [each if each.dtype is dtype else each.to(dtype) for each, dtype in zip(tensors, casts, strict=True)]
        computed: torch.Tensor = function(*cast)
        return computed if computed.dtype is result else computed.to(result)

    return run if result is not None else None


def is_computable(dtype: Any) -> bool:  # Any: numpy's dtype
    """Return whether torch on the CPU computes in this dtype as numpy does; half precision rounds differently."""
    known = NUMPY_TO_TORCH.get(dtype)
    return known is not None and known not in (torch.float16, torch.uint16, torch.uint32, torch.uint64)
