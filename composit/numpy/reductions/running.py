"""Running results of a function of two operands along an axis, in runs or in one: y[i] = f(y[i - 1], x[i]).

`Accumulate` is numpy's `ufunc.accumulate`. `AccumulateRuns` starts anew at given elements; `ufunc.at` and `ufunc.reduceat`
are differentiated as such runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.numpy.elementwise import table
from composit.numpy.elementwise.functions import ElementwiseFunction
from composit.numpy.manipulation.reshaping import reshape, transpose
from composit.numpy.reductions import derivatives
from composit.numpy.reductions.arguments import reduced_dtype, reduced_shape
from composit.operation import (
    Array,
    Axes,
    Dtype,
    Operation,
    OperationKind,
    Results,
    TensorType,
    VjpContext,
    tensor_type,
)

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

EXTREMA = (table.maximum, table.minimum, table.fmax, table.fmin)


@dataclass(frozen=True, slots=True)
class Accumulate(Operation):
    """All intermediate results of a reduction along one axis: cumsum, cumprod, maximum.accumulate.

    Derivative:  of cumsum the running sum of g from the end; of cumprod without division; of extrema g shared evenly by
                 those so far that are the extremum; of others by the chain rule along the axis
    Reference:   numpy.ufunc.accumulate
    """

    function: ElementwiseFunction
    axis: int
    dtype: Dtype | None = None
    keeps_c_order = True
    kind = OperationKind.REDUCTION

    @property
    def name(self) -> str:
        return _ACCUMULATION_NAMES.get(self.function, f"{self.function.name}.accumulate")

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (operand,) = operand_types
        return (tensor_type(operand.shape, reduced_dtype(self.function, operand, self.dtype)),)

    def evaluate(self, *operands: Array) -> Results:
        return self.evaluator()(*operands)

    def evaluator(self) -> Callable[..., Results]:
        accumulate = self.function.ufunc.accumulate
        return partial(accumulate, axis=self.axis, dtype=self.dtype)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x,), (y,) = context.xp, context.cotangents, context.operands, context.results
        if self.function is table.add:
            return [derivatives.running_sum(xp, g, self.axis)]
        if self.function is table.multiply:
            return [derivatives.running_product(xp, g, x, self.axis)]
        if self.function in EXTREMA:
            return [derivatives.share_among_running_extrema(xp, g, y, x, self.axis)]
        return [derivatives.running(xp, self.function.operation, g, y, x, self.axis)]


_ACCUMULATION_NAMES = {table.add: "cumsum", table.multiply: "cumprod"}


def last_of_running(
    function: ElementwiseFunction, x: LazyTensor, axes: Axes, keepdims: bool, dtype: Dtype | None
) -> LazyTensor:
    """Return the reduction of x along axes as the last of its running results."""
    rows = apply(Accumulate(function, x.ndim - len(axes), dtype), merged_last(x, axes))
    return reshape(rows[..., -1], reduced_shape(x.shape, axes, keepdims))


def merged_last(x: LazyTensor, axes: Axes) -> LazyTensor:
    """Return x with the axes merged into one, the last."""
    others = tuple(axis for axis in range(x.ndim) if axis not in axes)
    length = math.prod(x.shape[axis] for axis in axes)
    moved = x if axes == tuple(range(x.ndim - len(axes), x.ndim)) else transpose(x, (*others, *axes))
    return reshape(moved, (*(x.shape[axis] for axis in others), length))


@dataclass(frozen=True, slots=True)
class AccumulateRuns(Operation):
    """Running results along the first axis, in runs. Operands: the elements, and a vector that is true where a run starts.

    Derivative:  as that of `Accumulate`, in each run
    """

    function: ElementwiseFunction
    kind = OperationKind.REDUCTION

    @property
    def name(self) -> str:
        return f"{self.function.name}.accumulate"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        operand, _ = operand_types
        return (tensor_type(operand.shape, reduced_dtype(self.function, operand, None)),)

    def evaluate(self, *operands: Array) -> Results:
        x, is_start = operands
        dtype = self.result_types(tensor_type(x.shape, x.dtype), tensor_type(is_start.shape, is_start.dtype))[0].dtype
        result = np.array(x, dtype)
        starts = np.flatnonzero(is_start)
        lengths = np.diff(starts, append=len(x))
        # A run of more than sqrt(n) elements takes one call, the others one call per place: at most 2 sqrt(n) calls.
        limit = math.isqrt(len(x))
        for start, length in zip(starts[lengths > limit], lengths[lengths > limit], strict=True):
            run = slice(start, start + length)
            self.function.ufunc.accumulate(x[run], axis=0, out=result[run])
        starts, lengths = starts[lengths <= limit], lengths[lengths <= limit]
        for place in range(1, max(lengths, default=0)):
            starts, lengths = starts[lengths > place], lengths[lengths > place]
            result[starts + place] = self.function.ufunc(result[starts + place - 1], result[starts + place])
        return result

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x, is_start), (y,) = context.xp, context.cotangents, context.operands, context.results
        joins = xp.reshape(xp.logical_not(is_start[1:]), (-1,) + (1,) * (xp.ndim(x) - 1))
        if self.function in EXTREMA:
            return [derivatives.share_among_running_extrema(xp, g, y, x, 0, joins), None]
        return [derivatives.running(xp, self.function.operation, g, y, x, 0, joins), None]
