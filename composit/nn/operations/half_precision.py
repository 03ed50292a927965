"""`round_to_bfloat16`, `round_to_float16`: float32 rounded to the nearest number of bfloat16 or float16.

So programs of half precision are computed in float32, as processors do it, and numpy needs no bfloat16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import DtypeError
from composit.numpy.arguments.normalizing import TensorLike, handle_of
from composit.operation import Array, Operation, OperationKind, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["round_to_bfloat16", "round_to_float16"]

_DROPPED_BITS = 16  # bfloat16 is the upper half of float32: sign, exponent, and 7 of 23 bits of the fraction


@dataclass(frozen=True, slots=True)
class _Rounding(Operation):
    """The nearest number of another format, of two the even one, as float32.

    Derivative:  of the identity, as torch's for `x.to(torch.bfloat16)`
    """

    kind = OperationKind.ELEMENTWISE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        return (tensor_type(x.shape, x.dtype, is_scalar=not x.shape),)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return context.cotangents


@dataclass(frozen=True, slots=True)
class RoundToBfloat16(_Rounding):
    """Each number rounded to bfloat16."""

    @property
    def name(self) -> str:
        return "round_to_bfloat16"

    def evaluate(self, *operands: Array) -> Results:
        x = np.asarray(operands[0])
        bits = x.view(np.uint32)
        # Add just below half of the last bit that stays, and 1 more if that bit is set: a tie goes to the even neighbour.
        rounded = (bits >> np.uint32(_DROPPED_BITS)) & np.uint32(1)
        rounded += np.uint32(0x7FFF)
        rounded += bits
        rounded &= np.uint32(0xFFFF0000)
        result = np.array(rounded.view(np.float32))
        # A carry turns the bits of some NaN into others.
        np.copyto(result, np.float32(np.nan), where=np.isnan(x))
        return result if result.ndim else result[()]


@dataclass(frozen=True, slots=True)
class RoundToFloat16(_Rounding):
    """Each number rounded to float16; infinite beyond 65504."""

    @property
    def name(self) -> str:
        return "round_to_float16"

    def evaluate(self, *operands: Array) -> Results:
        with np.errstate(over="ignore"):
            result = np.asarray(operands[0]).astype(np.float16).astype(np.float32)
        return result if result.ndim else result[()]


def round_to_bfloat16(x: TensorLike) -> LazyTensor:
    """Return each number rounded to bfloat16: to the nearest, of two equally near to the one whose last bit is 0.

    Dtype:       float32
    Derivative:  of the identity
    Raises:      DtypeError: the operand is not float32
    Reference:   torch.Tensor.bfloat16
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(round_to_bfloat16(cnp.float32(3.14159)))
        np.float32(3.140625)
    """
    return apply(RoundToBfloat16(), _single("round_to_bfloat16", x))


def round_to_float16(x: TensorLike) -> LazyTensor:
    """Return each number rounded to float16, which has 11 binary digits and ends at 65504.

    Dtype:       float32
    Derivative:  of the identity
    Raises:      DtypeError: the operand is not float32
    Reference:   torch.Tensor.half
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(round_to_float16(cnp.float32(1e5)))
        np.float32(inf)
    """
    return apply(RoundToFloat16(), _single("round_to_float16", x))


def _single(function: str, x: TensorLike) -> LazyTensor:
    tensor = handle_of(x)
    if tensor.dtype != np.float32:
        raise DtypeError(
            f"{function}: an operand of dtype {tensor.dtype} was given; expected float32, in which half precision is computed; "
            "convert it with astype(np.float32)"
        )
    return tensor
