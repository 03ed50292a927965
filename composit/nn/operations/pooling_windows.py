"""The operations that pooling is made of: sums and maxima of windows, and the elements at chosen taps.

Each of WindowSum and WindowSpread is the derivative of the other, and so are PickInWindow and SpreadInWindow; a maximum is
the element at its position. So there are derivatives of every order. What numpy computes is in `pooling_arrays`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.nn.operations.pooling_arrays import (
    Kernel,
    maximum_positions,
    pick,
    reduce_windows,
    spread_picked,
    spread_sums,
)
from composit.nn.operations.spatial import output_lengths
from composit.operation import Array, Operation, OperationKind, Shape, TensorType, VjpContext, tensor_type


class _OfWindows(Operation):
    """What these operations share: a kernel that moves over the last axes."""

    __slots__ = ()
    kernel: Shape
    strides: Shape
    dilation: Shape
    kind = OperationKind.REDUCTION

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        # One step for each tap of each window.
        return max(1, math.prod(self.kernel) * min(each.size for each in (*operand_types, *result_types)))

    @property
    def moves(self) -> Kernel:
        """The kernel as functions of arrays take it."""
        return Kernel(self.kernel, self.strides, self.dilation)

    def _reduced_shape(self, shape: Shape) -> Shape:
        start = len(shape) - len(self.kernel)
        return (*shape[:start], *output_lengths(shape[start:], self.kernel, self.strides, self.dilation))

    def _full_shape(self, shape: Shape, lengths: Shape) -> Shape:
        return (*shape[: len(shape) - len(self.kernel)], *lengths)

    def _lengths_of(self, context: VjpContext, x: Any) -> Shape:
        shape: Shape = context.xp.shape(x)
        return shape[len(shape) - len(self.kernel) :]


@dataclass(frozen=True, slots=True)
class WindowSum(_OfWindows):
    """The sums of all windows.

    Shapes:      (..., *lengths) -> (..., *positions)
    Derivative:  WindowSpread(g)
    """

    kernel: Shape
    strides: Shape
    dilation: Shape

    @property
    def name(self) -> str:
        return "window_sum"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self._reduced_shape(operand_types[0].shape), operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return reduce_windows(np.add, operands[0], self.moves)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        lengths = self._lengths_of(context, context.operands[0])
        return [context.xp.apply(WindowSpread(*self.moves, lengths), context.cotangents[0])]


@dataclass(frozen=True, slots=True)
class WindowSpread(_OfWindows):
    """Each element added to all elements of its window: the adjoint of WindowSum.

    Shapes:      (..., *positions) -> (..., *lengths)
    Derivative:  WindowSum(g)
    """

    kernel: Shape
    strides: Shape
    dilation: Shape
    lengths: Shape

    @property
    def name(self) -> str:
        return "window_spread"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self._full_shape(operand_types[0].shape, self.lengths), operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return spread_sums(operands[0], self.lengths, self.moves)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [context.xp.apply(WindowSum(*self.moves), context.cotangents[0])]


@dataclass(frozen=True, slots=True)
class WindowMaximum(_OfWindows):
    """The largest element of each window; NaN where there is one.

    Shapes:      (..., *lengths) -> (..., *positions)
    Derivative:  g at the first of the largest elements of each window, as torch has it
    """

    kernel: Shape
    strides: Shape
    dilation: Shape

    @property
    def name(self) -> str:
        return "window_maximum"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self._reduced_shape(operand_types[0].shape), operand_types[0].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return reduce_windows(np.maximum, operands[0], self.moves)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        positions = xp.apply(MaximumPositions(*self.moves), x)
        return [xp.apply(SpreadInWindow(*self.moves, self._lengths_of(context, x)), positions, g)]


@dataclass(frozen=True, slots=True)
class MaximumPositions(_OfWindows):
    """The number of the tap with the largest element of each window, in row-major order: of equal ones the first.

    Shapes:  (..., *lengths) -> (..., *positions)
    """

    kernel: Shape
    strides: Shape
    dilation: Shape
    no_derivative = "a position is an integer"

    @property
    def name(self) -> str:
        return "maximum_positions"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self._reduced_shape(operand_types[0].shape), np.int64),)

    def evaluate(self, *operands: Array) -> Array:
        return maximum_positions(operands[0], self.moves)


@dataclass(frozen=True, slots=True)
class PickInWindow(_OfWindows):
    """From each window, the element of the tap whose number is given.

    Shapes:      positions (..., *positions), x (..., *lengths) -> (..., *positions)
    Derivative:  SpreadInWindow(positions, g); none for the positions
    """

    kernel: Shape
    strides: Shape
    dilation: Shape

    @property
    def name(self) -> str:
        return "pick_in_window"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(operand_types[0].shape, operand_types[1].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return pick(operands[0], operands[1], self.moves)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        positions, x = context.operands
        spread = SpreadInWindow(*self.moves, self._lengths_of(context, x))
        return [None, context.xp.apply(spread, positions, context.cotangents[0])]


@dataclass(frozen=True, slots=True)
class SpreadInWindow(_OfWindows):
    """Each element added to the element of its window whose tap has the given number: the adjoint of PickInWindow.

    Shapes:      positions (..., *positions), x (..., *positions) -> (..., *lengths)
    Derivative:  PickInWindow(positions, g); none for the positions
    """

    kernel: Shape
    strides: Shape
    dilation: Shape
    lengths: Shape

    @property
    def name(self) -> str:
        return "spread_in_window"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self._full_shape(operand_types[1].shape, self.lengths), operand_types[1].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return spread_picked(operands[0], operands[1], self.lengths, self.moves)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        pick_back = PickInWindow(*self.moves)
        return [None, context.xp.apply(pick_back, context.operands[0], context.cotangents[0])]
