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

    @property
    def aliases(self) -> tuple[str, ...]:
        return "avg_pool", f"avg_pool{len(self.kernel)}d"

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

    @property
    def aliases(self) -> tuple[str, ...]:
        return "max_pool", f"max_pool{len(self.kernel)}d"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        seen = operand_types[-1]
        return (tensor_type(self._reduced_shape(seen.shape), seen.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return reduce_windows(np.maximum, operands[-1], self.moves)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), operands = context.xp, context.cotangents, context.operands
        lengths = self._lengths_of(context, operands[0])
        indices = indices_of_maxima(xp.apply, self, lengths, operands[-1], xp.shape(g))
        spread = _spread_at(xp, g, _flattened(xp, indices, len(lengths)), xp.shape(operands[0]), len(lengths))
        return [spread, *[None] * (len(operands) - 1)]


def _flattened(xp: Any, x: Any, rank: int) -> Any:  # Any: a namespace, and its arrays
    """Return x with its last axes as one."""
    shape = xp.shape(x)
    outer = shape[: len(shape) - rank]
    return xp.reshape(x, (*outer, math.prod(shape[len(outer) :])))


def _spread_at(xp: Any, g: Any, indices: Any, shape: Shape, rank: int) -> Any:  # Any: a namespace, and its arrays
    """Return zeros of a shape with g added at indices in its flattened last axes."""
    outer = shape[: len(shape) - rank]
    adjoint = TakeAlongAxisAdjoint(len(outer), (*outer, math.prod(shape[len(outer) :])))
    return xp.reshape(xp.apply(adjoint, _flattened(xp, g, rank), indices), shape)


@dataclass(frozen=True, slots=True)
class ChosenMaximum(_OfWindows):
    """The largest elements of windows of several lengths, or at places that data chooses. Operands: x, its windows, and places.

    The windows are parts of x of one length, side by side; the places are the indices in x's flattened axes of their elements. The
    derivative goes to x itself, not through the windows.

    Shapes:      x (..., *lengths), (..., *windows), places of the windows -> (..., *positions)
    Derivative:  g at the place of the largest element of each window
    """

    kernel: Shape
    strides: Shape
    dilation: Shape

    @property
    def name(self) -> str:
        return "chosen_maximum"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type(self._reduced_shape(operand_types[1].shape), operand_types[1].dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return reduce_windows(np.maximum, operands[1], self.moves)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x, seen, places) = context.xp, context.cotangents, context.operands
        indices = places_of_maxima(xp, self, seen, places, xp.shape(g))
        return [_spread_at(xp, g, indices, xp.shape(x), len(self.kernel)), None, None]


def places_of_maxima(xp: Any, maximum: ChosenMaximum, seen: Any, places: Any, result_shape: Shape) -> Any:
    """Return the places of the largest elements of windows, their last axes as one.

    xp: numpy's functions, and `apply`; of arrays or of tensors
    """
    rank = len(maximum.kernel)
    within, lengths = WindowMaximum(*maximum.moves, (0,) * rank), xp.shape(seen)[len(result_shape) - rank :]
    chosen = _flattened(xp, indices_of_maxima(xp.apply, within, lengths, seen, result_shape), rank)
    return xp.take_along_axis(_flattened(xp, places, rank), chosen, axis=-1)


def indices_of_maxima(
    apply: Callable[..., Any], maximum: WindowMaximum, lengths: Shape, seen: Any, result_shape: Shape
) -> Any:  # Any: tensors, or arrays
    """Return the index of the largest element of each window in the flattened last axes of x, which have these lengths.

    apply: applies an operation to operands
    """
    positions = result_shape[len(result_shape) - len(lengths) :]
    dtype = np.int32 if math.prod(lengths) <= np.iinfo(np.int32).max else np.int64
    starts = [
        window_starts(maximum.moves, maximum.before, lengths, positions, is_inside).astype(dtype)
        for is_inside in ((False, True) if any(maximum.before) else (False,))
    ]
    return apply(MaximumIndices(*maximum.moves, lengths), seen, *starts)


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
