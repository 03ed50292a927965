"""Bits packed in bytes. May import computations, movement, arguments, errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from composit.errors import NoRuleError
from composit.numpy.arguments import AxisLike, TensorLike, handle_of, normalize_axis
from composit.numpy.computations import Computation, Parameters
from composit.numpy.movement import ravel
from composit.numpy.numpy_function import rule_for
from composit.operation import TensorType, tensor_type

__all__ = ["packbits", "unpackbits"]


def _with_length(operand: TensorType, axis: int, length: int) -> TensorType:
    return tensor_type((*operand.shape[:axis], length, *operand.shape[axis + 1 :]), np.uint8)


def _packed_types(parameters: Parameters, operand: TensorType) -> TensorType:
    axis = parameters["axis"]
    return _with_length(operand, axis, -(-operand.shape[axis] // 8))


def _unpacked_types(parameters: Parameters, operand: TensorType) -> TensorType:
    axis = parameters["axis"]
    return _with_length(operand, axis, operand.shape[axis] * 8)


_packbits = Computation(np.packbits, _packed_types, "none: the result is integers")
_unpackbits = Computation(np.unpackbits, _unpacked_types, "none: the result is integers")


def _along(row: Computation, a: TensorLike, axis: AxisLike | None, bitorder: str, kinds: str) -> Any:
    tensor = handle_of(a)
    if not tensor.ndim or tensor.dtype.kind not in kinds or bitorder not in ("big", "little"):
        raise NoRuleError(f"{row.name}: no axis, {tensor.dtype} or bits in order {bitorder!r}")
    flat, position = (ravel(tensor), 0) if axis is None else (tensor, normalize_axis(axis, tensor.ndim))
    return row(flat, axis=position, bitorder=bitorder)


@rule_for(np.packbits)
def packbits(a: TensorLike, /, axis: AxisLike | None = None, bitorder: str = "big") -> Any:
    """Return whether elements are true as the bits of bytes. See np.packbits."""
    return _along(_packbits, a, axis, bitorder, "biu")


@rule_for(np.unpackbits)
def unpackbits(a: TensorLike, /, axis: AxisLike | None = None, count: int | None = None, bitorder: str = "big") -> Any:
    """Return the bits of bytes as elements. See np.unpackbits."""
    if count is not None or handle_of(a).dtype != np.uint8:
        raise NoRuleError("unpackbits: a number of bits, or elements that are not uint8")
    return _along(_unpackbits, a, axis, bitorder, "u")
