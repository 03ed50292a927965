"""packbits and unpackbits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError
from composit.numpy.arguments.normalizing import AxisLike, TensorLike, handle_of, normalize_axis
from composit.numpy.calls.array_function import ArrayFunction
from composit.numpy.calls.declarations import rule_for
from composit.numpy.manipulation.reshaping import ravel
from composit.operation import TensorType, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["packbits", "unpackbits"]


def _with_length(operand: TensorType, axis: int, length: int) -> tuple[TensorType, ...]:
    return (tensor_type((*operand.shape[:axis], length, *operand.shape[axis + 1 :]), np.uint8),)


@dataclass(frozen=True, slots=True)
class PackBits(ArrayFunction):
    """The truth values of the elements, eight to a byte along an axis. Reference: numpy.packbits."""

    function = staticmethod(np.packbits)
    no_derivative = "the result is integers"
    axis: int
    bitorder: str

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (operand,) = operand_types
        return _with_length(operand, self.axis, -(-operand.shape[self.axis] // 8))


@dataclass(frozen=True, slots=True)
class UnpackBits(ArrayFunction):
    """The bits of bytes along an axis as elements. Reference: numpy.unpackbits."""

    function = staticmethod(np.unpackbits)
    no_derivative = "the result is integers"
    axis: int
    bitorder: str

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (operand,) = operand_types
        return _with_length(operand, self.axis, operand.shape[self.axis] * 8)


_Bits: TypeAlias = type[PackBits] | type[UnpackBits]


def _along(operation: _Bits, a: TensorLike, axis: AxisLike | None, bitorder: str, kinds: str) -> LazyTensor:
    tensor = handle_of(a)
    if not tensor.ndim or tensor.dtype.kind not in kinds or bitorder not in ("big", "little"):
        raise NoRuleError(f"{operation.function.__name__}: no axis, {tensor.dtype} or bits in order {bitorder!r}")
    flat, position = (ravel(tensor), 0) if axis is None else (tensor, normalize_axis(axis, tensor.ndim))
    return apply(operation(position, bitorder), flat)


@rule_for(np.packbits)
def packbits(a: TensorLike, /, axis: AxisLike | None = None, bitorder: str = "big") -> LazyTensor:
    """Return the truth values of the elements as bits, eight to a byte. See np.packbits."""
    return _along(PackBits, a, axis, bitorder, "biu")


@rule_for(np.unpackbits)
def unpackbits(
    a: TensorLike, /, axis: AxisLike | None = None, count: int | None = None, bitorder: str = "big"
) -> LazyTensor:
    """Return the bits of bytes as elements. See np.unpackbits."""
    if count is not None or handle_of(a).dtype != np.uint8:
        raise NoRuleError("unpackbits: a number of bits, or elements that are not uint8")
    return _along(UnpackBits, a, axis, bitorder, "u")
