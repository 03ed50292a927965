"""The operations that pooling is made of: sums and maxima of windows, and the indices of the maxima.

Each of WindowSum and WindowSpread is the derivative of the other. A maximum is the element at its index in the flattened spatial
axes, so its derivatives are those of take_along_axis. What numpy computes is in `pooling_arrays`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.nn.operations.pooling_arrays import (
    Kernel,
    maximum_indices,
    reduce_windows,
    spread_sums,
    tap_offsets,
    window_starts,
)
from composit.nn.operations.spatial import output_lengths
from composit.numpy.indexing.taking import TakeAlongAxisAdjoint
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
    """The largest element of each window; NaN where there is one. Operands: x, and if windows reach beyond it, x with a border.

    The derivative goes to x itself, although the elements are those of the bordered array: no border has to be cut off it.

    before:      how much longer the border makes the start of each axis

    Shapes:      (..., *lengths) -> (..., *positions)
    Derivative:  g at the index of the largest element of each window, as torch has it
    """

    kernel: Shape
    strides: Shape
    dilation: Shape
    before: Shape

    @property
    def name(self) -> str:
        return "window_maximum"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        seen = operand_types[-1]
        return (tensor_type(self._reduced_shape(seen.shape), seen.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return reduce_windows(np.maximum, operands[-1], self.moves)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), operands = context.xp, context.cotangents, context.operands
        shape: Shape = xp.shape(operands[0])
        outer, lengths = shape[: len(shape) - len(self.kernel)], self._lengths_of(context, operands[0])
        indices = indices_of_maxima(xp.apply, self, lengths, operands[-1], xp.shape(g))
        flat = (*outer, math.prod(xp.shape(g)[len(outer) :]))
        adjoint = TakeAlongAxisAdjoint(len(outer), (*outer, math.prod(lengths)))
        spread = xp.apply(adjoint, xp.reshape(g, flat), xp.reshape(indices, flat))
        return [xp.reshape(spread, shape), *[None] * (len(operands) - 1)]


def indices_of_maxima(
    apply: Callable[..., Any], maximum: WindowMaximum, lengths: Shape, seen: Any, result_shape: Shape
) -> Any:  # Any: tensors, or arrays
    """Return the index of the largest element of each window in the flattened last axes of x, which have these lengths.

    apply: applies an operation to operands
    """
    positions = result_shape[len(result_shape) - len(lengths) :]
    starts = [WindowStarts(*maximum.moves, maximum.before, lengths, positions, False)]
    if any(maximum.before):
        starts.append(WindowStarts(*maximum.moves, maximum.before, lengths, positions, True))
    return apply(MaximumIndices(*maximum.moves, lengths), seen, *map(apply, starts))


@dataclass(frozen=True, slots=True)
class WindowStarts(_OfWindows):
    """The index of the first element of each window in the flattened last axes of an array.

    before:    elements of the border before each axis, which the array does not have
    lengths:   those of the array's last axes
    positions: how many windows there are along each
    is_inside: of windows that begin in the border, the index of their first element that the array has

    Shapes:    () -> positions
    Dtype:     int32 where it holds all indices, else int64
    """

    kernel: Shape
    strides: Shape
    dilation: Shape
    before: Shape
    lengths: Shape
    positions: Shape
    is_inside: bool

    @property
    def name(self) -> str:
        return "window_starts"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        is_small = math.prod(self.lengths) <= np.iinfo(np.int32).max
        return (tensor_type(self.positions, np.dtype(np.int32 if is_small else np.int64)),)

    def evaluate(self, *operands: Array) -> Array:
        starts = window_starts(self.moves, self.before, self.lengths, self.positions, self.is_inside)
        return starts.astype(self.result_types()[0].dtype)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return []


@dataclass(frozen=True, slots=True)
class MaximumIndices(_OfWindows):
    """The index of the largest element of each window in flattened axes: of equal ones the first, of NaNs the last.

    Operands: the array of the windows; the index of each one's first element; if there is a border, also of its first one inside,
    which is the largest where no other is larger than the border.

    lengths: those of the axes whose indices these are: of the array without its border

    Shapes:  (..., *padded), *positions -> (..., *positions)
    Dtype:   that of the first elements' indices
    """

    kernel: Shape
    strides: Shape
    dilation: Shape
    lengths: Shape
    no_derivative = "an index is an integer"

    @property
    def name(self) -> str:
        return "maximum_indices"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self._reduced_shape(operand_types[0].shape), operand_types[1].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return maximum_indices(operands[0], self.moves, self.tap_offsets, *operands[1:])

    @property
    def tap_offsets(self) -> Shape:
        """How far each tap's element is behind that of the first tap, in flattened axes of these lengths."""
        return tap_offsets(self.moves, self.lengths)
