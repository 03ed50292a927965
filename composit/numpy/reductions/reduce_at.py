"""`ufunc.reduceat`: reductions of the slices between indices along one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError
from composit.guards import read_value
from composit.numpy.arguments.normalizing import AxisLike, TensorLike, handle_of, named_dtype, normalize_axis
from composit.numpy.calls.expressions import pulled_back
from composit.numpy.elementwise import table
from composit.numpy.elementwise.functions import ElementwiseFunction
from composit.numpy.reductions.arguments import reduced_dtype
from composit.numpy.reductions.running import AccumulateRuns
from composit.operation import Array, Dtype, Operation, OperationKind, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor


@dataclass(frozen=True, slots=True)
class ReduceAt(Operation):
    """The reductions of x[i[k]:i[k + 1]] along one axis; of x[i[k]] alone where i[k] >= i[k + 1]. Operands: x, i.

    Derivative:  for sums g at every element of a slice; for others that of the last running result of each slice. The
                 indices are read
    Reference:   numpy.ufunc.reduceat
    """

    function: ElementwiseFunction
    axis: int
    dtype: Dtype | None = None
    raises_by_value = True
    kind = OperationKind.REDUCTION

    @property
    def name(self) -> str:
        return f"{self.function.name}.reduceat"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        operand, indices = operand_types
        shape = (*operand.shape[: self.axis], indices.size, *operand.shape[self.axis + 1 :])
        return (tensor_type(shape, reduced_dtype(self.function, operand, self.dtype)),)

    def evaluate(self, *operands: Array) -> Results:
        x, indices = operands
        result: Array = self.function.ufunc.reduceat(x, indices, axis=self.axis, dtype=self.dtype)
        return result

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (x, indices) = context.xp, context.operands
        slices = _Slices.of(np.asarray(read_value(indices, "places")), xp.shape(x)[self.axis])
        if self.function is table.add:
            g = xp.take(context.cotangents[0], slices.numbers(), axis=self.axis)
            elements = xp.take(x, slices.positions, axis=self.axis)
            return [*xp.chain_rule({elements: g}, [x]), None]

        def last_of_slices(x: Any, indices: Any) -> Any:
            dtype = reduced_dtype(self.function, x.type, self.dtype)
            elements = xp.take(xp.moveaxis(xp.astype(x, dtype), self.axis, 0), slices.positions, axis=0)
            running = apply(AccumulateRuns(self.function), elements, slices.are_starts())
            return xp.moveaxis(xp.take(running, slices.ends - 1, axis=0), 0, self.axis)

        return pulled_back(context, last_of_slices)


@dataclass(frozen=True, slots=True)
class _Slices:
    """The slices one after the other: the positions of their elements, and where each begins and ends among them."""

    positions: Array
    begins: Array
    ends: Array

    @classmethod
    def of(cls, indices: Array, length: int) -> _Slices:
        following = np.append(indices[1:], length)
        lengths = np.where(following > indices, following - indices, 1)
        lengths[-1:] = length - indices[-1:]
        ends = np.cumsum(lengths)
        begins = ends - lengths
        positions = np.repeat(indices - begins, lengths) + np.arange(lengths.sum())
        return cls(positions, begins, ends)

    def numbers(self) -> Array:
        """Return for each element the number of its slice."""
        return np.repeat(np.arange(len(self.begins)), self.ends - self.begins)

    def are_starts(self) -> Array:
        result = np.zeros(len(self.positions), bool)
        result[self.begins] = True
        return result


def reduce_at(
    function: ElementwiseFunction, a: TensorLike, indices: Any, axis: AxisLike | None = 0, dtype: Any = None
) -> LazyTensor:
    """Return the reductions of slices along an axis by a function of two operands. See np.ufunc.reduceat.

    Raises:  NoRuleError: numpy refuses the call, or converts the indices
    """
    handle = handle_of(a)
    places = handle_of(indices if hasattr(indices, "__lazy_tensor__") else np.asarray(indices))
    if axis is None or not handle.ndim or places.ndim != 1 or places.dtype.kind not in "iu":
        raise NoRuleError(f"{function.name}.reduceat: no axis, or indices that are no vector of integers")
    if not np.can_cast(places.dtype, np.intp) or handle.dtype.kind in "OSUVT":
        raise NoRuleError(f"{function.name}.reduceat: indices or elements that are no numbers")
    used = None if dtype is None else named_dtype(dtype)
    return apply(ReduceAt(function, normalize_axis(axis, handle.ndim), used), handle, places)
