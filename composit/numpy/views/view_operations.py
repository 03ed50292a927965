"""View operations beside indexing and reshaping: real and imaginary parts, memory read as another dtype, diagonals.

Writes pass through them as through all views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.operation import Array, Dtype, Operation, OperationKind, TensorType, VjpContext, tensor_type


@dataclass(frozen=True, slots=True)
class ComplexPart(Operation):
    """The real or imaginary part of each element, in the memory of the operand.

    part:        "real" or "imag"
    Derivative:  g for the real part, -i g for the imaginary part
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.ndarray.imag.html
    """

    part: str
    is_view = True
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return self.part

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (operand,) = operand_types
        return (tensor_type(operand.shape, np.zeros((), operand.dtype).real.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        array = np.asarray(operands[0])
        return array.real if self.part == "real" else array.imag

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        (g,) = context.cotangents
        return [context.xp.multiply(g, 1 if self.part == "real" else -1j)]


@dataclass(frozen=True, slots=True)
class ViewAs(Operation):
    """The operand's memory read as elements of another dtype.

    Derivative: between complex numbers and their parts, g by parts; none between other dtypes, which share bytes only
    Shapes:     if the dtypes differ in size, the last axis grows or shrinks
    Reference:  https://numpy.org/doc/stable/reference/generated/numpy.ndarray.view.html
    """

    dtype: Dtype
    is_view = True
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "view"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (operand,) = operand_types
        old, new = operand.dtype.itemsize, self.dtype.itemsize
        shape = operand.shape
        if old != new:
            shape = (*shape[:-1], shape[-1] * old // new)
        return (tensor_type(shape, self.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        array = np.asarray(operands[0])
        is_resized = array.dtype.itemsize != self.dtype.itemsize and array.shape[-1] != 1
        if is_resized and array.strides[-1] != array.dtype.itemsize:
            # This array has another layout than the one viewed first: the elements of a row must be neighbours.
            array = np.ascontiguousarray(array)
        return array.view(self.dtype)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        if x.dtype == self.dtype:
            return [g]
        shape = xp.shape(x)
        if self.dtype.kind == "c" and x.dtype == _part_of(self.dtype):
            # Of a + ib, where cotangents pair without conjugation.
            return [xp.reshape(xp.stack([xp.real(g), -xp.imag(g)], axis=-1), shape)]
        if x.dtype.kind == "c" and self.dtype == _part_of(x.dtype):
            pairs = xp.reshape(g, (*shape, 2))
            return [pairs[..., 0] - 1j * pairs[..., 1]]
        return [None]


def _part_of(dtype: Dtype) -> Dtype:
    """Return the dtype of the two halves of a complex dtype, the dtype itself for real numbers."""
    return np.empty(0, dtype).real.dtype


@dataclass(frozen=True, slots=True)
class MemoryField(Operation):
    """The bytes of each element from an offset on, read as another dtype.

    Derivative: of a part of complex numbers, g in this part; none of other bytes
    Reference:  https://numpy.org/doc/stable/reference/generated/numpy.ndarray.getfield.html
    """

    dtype: Dtype
    offset: int
    is_view = True
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "getfield"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        stand_in = np.zeros((), operand_types[0].dtype).getfield(self.dtype, self.offset)
        return (tensor_type(operand_types[0].shape + stand_in.shape, stand_in.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return np.asarray(operands[0]).getfield(self.dtype, self.offset)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        (g,), (x,) = context.cotangents, context.operands
        if x.dtype == self.dtype and self.offset == 0:
            return [g]
        if x.dtype.kind == "c" and self.dtype == _part_of(x.dtype) and self.offset in (0, self.dtype.itemsize):
            return [context.xp.multiply(g, -1j if self.offset else 1)]
        return [None]


@dataclass(frozen=True, slots=True)
class ReadOnly(Operation):
    """The operand, read-only.

    forever:     the memory itself is read-only, so setflags cannot make the tensor writable
    Derivative:  g
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.ndarray.setflags.html
    """

    forever: bool = False
    is_view = True
    is_read_only = True
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "read_only"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return operand_types

    def evaluate(self, *operands: Array) -> Array:
        return operands[0]

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [context.cotangents[0]]


@dataclass(frozen=True, slots=True)
class DiagonalView(Operation):
    """The diagonals over two axes, as the last axis; read-only in numpy.

    Derivative:  g on the diagonals of zeros
    Reference:   https://numpy.org/doc/stable/reference/generated/numpy.diagonal.html
    """

    offset: int
    axis1: int
    axis2: int
    is_view = True
    is_read_only = True
    kind = OperationKind.MOVEMENT

    @property
    def name(self) -> str:
        return "diagonal"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (operand,) = operand_types
        stand_in = np.broadcast_to(np.False_, operand.shape)
        return (tensor_type(stand_in.diagonal(self.offset, self.axis1, self.axis2).shape, operand.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return np.asarray(operands[0]).diagonal(self.offset, self.axis1, self.axis2)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (x,) = context.xp, context.operands
        shown = xp.diagonal(x, self.offset, self.axis1, self.axis2)
        gradients: Sequence[Any] = xp.chain_rule({shown: context.cotangents[0]}, [x])
        return gradients


@dataclass(frozen=True, slots=True)
class WritableDiagonalView(DiagonalView):
    """The diagonals as einsum returns them: writable.

    Derivative:  as that of `DiagonalView`
    Reference:   numpy.einsum
    """

    is_read_only = False

    def view_of(self, array: Array) -> Array:
        shown = self.evaluate(array)
        shown.flags.writeable = array.flags.writeable
        return shown
