"""The arguments `where=` (a mask) and `initial=` of sum, max, any and other reductions.

numpy adds masked elements in another order than all elements, so this is an operation apart from Reduce.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError
from composit.handle import TensorHandle
from composit.numpy.arguments.normalizing import handle_of, is_number
from composit.numpy.calls.expressions import pulled_back
from composit.numpy.elementwise import table
from composit.numpy.elementwise.functions import ElementwiseFunction
from composit.numpy.manipulation.broadcasting import broadcast_to
from composit.numpy.reductions import derivatives
from composit.numpy.reductions.arguments import reduced_dtype, reduced_shape
from composit.numpy.reductions.running import Accumulate, merged_last
from composit.operation import (
    Array,
    Axes,
    Dtype,
    Operation,
    OperationKind,
    TensorType,
    VjpContext,
    tensor_type,
)

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

_EXTREMA = (table.maximum, table.minimum)
_OF_TRUTH = (table.logical_and, table.logical_or)


@dataclass(frozen=True, slots=True)
class MaskedReduce(Operation):
    """The reduction along axes of the elements that a mask selects. Operands: array, mask if any, initial value if any.

    Derivative:  of sums, products and extrema that of the reduction of all elements, with the neutral element where the
                 mask is false; of others that of the last running result of the initial value and the chosen elements
    Reference:   numpy.ufunc.reduce
    """

    function: ElementwiseFunction
    axes: Axes
    keepdims: bool
    dtype: Dtype | None
    has_mask: bool
    has_initial: bool
    keeps_c_order = True
    kind = OperationKind.REDUCTION

    @property
    def name(self) -> str:
        return f"{self.function.name}.reduce"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        operand = operand_types[0]
        shape = reduced_shape(operand.shape, self.axes, self.keepdims)
        return (tensor_type(shape, reduced_dtype(self.function, operand, self.dtype), is_scalar=not shape),)

    def evaluate(self, *operands: Array) -> Any:
        mask, initial = self._options(operands)
        options: dict[str, Any] = {} if initial is None else {"initial": initial}
        if mask is not None:
            options["where"] = mask
        reduce = self.function.ufunc.reduce
        return reduce(operands[0], axis=self.axes, dtype=self.dtype, keepdims=self.keepdims, **options)

    def _options(self, operands: Sequence[Any]) -> tuple[Any, Any]:
        mask = operands[1] if self.has_mask else None
        return mask, (operands[-1] if self.has_initial else None)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x, *_) = context.xp, context.cotangents, context.operands
        mask, initial = self._options(context.operands)
        if self.function is table.add:
            to_x, to_initial = derivatives.spread(xp, g, x, self.axes, self.keepdims), g
        elif self.function is table.multiply:
            to_x, to_initial = self._of_product(xp, g, x, mask, initial)
        elif self.function in _EXTREMA:
            to_x, to_initial = self._of_extremum(xp, g, context.results[0], x, mask, initial)
        elif self.function in _OF_TRUTH:
            return [None] * len(context.operands)
        else:
            return pulled_back(context, partial(self._last_of_chosen, xp))
        found = [to_x if mask is None else xp.where(mask, to_x, 0)]
        return [*found, *[None] * self.has_mask, *[to_initial] * self.has_initial]

    def _last_of_chosen(self, xp: Any, x: Any, *options: Any) -> Any:
        """Return the last of the running results of the initial value and the chosen elements, which are moved forward."""
        mask, initial = self._options([x, *options])
        dtype = reduced_dtype(self.function, x.type, self.dtype)
        rows = merged_last(xp.astype(x, dtype), self.axes)
        last = rows.shape[-1] - 1
        if mask is not None:
            chosen = merged_last(xp.broadcast_to(mask, x.shape), self.axes)
            rows = xp.take_along_axis(rows, xp.argsort(xp.logical_not(chosen), axis=-1, kind="stable"), axis=-1)
            last = xp.sum(chosen, axis=-1, keepdims=True) - 1
        first = self.function.ufunc.identity if initial is None else initial
        if initial is not None or mask is not None or not x.size:
            rows = xp.concatenate(
                [xp.broadcast_to(xp.astype(xp.asarray(first), dtype), (*rows.shape[:-1], 1)), rows], axis=-1
            )
            last = last + 1
        running = apply(Accumulate(self.function, rows.ndim - 1), rows)
        result = running[..., last] if mask is None else xp.take_along_axis(running, last, axis=-1)
        return xp.reshape(result, reduced_shape(x.shape, self.axes, self.keepdims))

    def _of_product(self, xp: Any, g: Any, x: Any, mask: Any, initial: Any) -> tuple[Any, Any]:
        chosen = x if mask is None else xp.where(mask, x, 1)
        to_x = derivatives.kept(xp, g, self.axes, self.keepdims) * derivatives.product_of_others(xp, chosen, self.axes)
        if initial is None:
            return to_x, None
        return to_x * initial, g * xp.prod(chosen, axis=self.axes, keepdims=self.keepdims)

    def _of_extremum(self, xp: Any, g: Any, result: Any, x: Any, mask: Any, initial: Any) -> tuple[Any, Any]:
        # The result is function(extremum of the elements, initial); if these two are equal, each gets half of g.
        if not math.prod(xp.shape(x)[axis] for axis in self.axes):
            return xp.zeros_like(x), g
        # Not the initial value: where that is the result, it would seem to be an element too, and get half of g.
        neutral = -math.inf if self.function is table.maximum else math.inf
        chosen = x if mask is None else xp.where(mask, x, neutral)
        extremum = xp.max if self.function is table.maximum else xp.min
        inner = extremum(chosen, axis=self.axes, keepdims=self.keepdims)
        is_shared = xp.equal(inner, initial)
        share = xp.where(is_shared, g / 2, g)
        to_inner = xp.where(xp.equal(inner, result), share, 0)
        to_x = derivatives.share_among_extrema(xp, to_inner, inner, chosen, self.axes, self.keepdims)
        return to_x, xp.where(xp.equal(initial, result), share, 0)


def masked_reduce(
    function: ElementwiseFunction, a: Any, axes: Axes, keepdims: bool, dtype: Dtype | None, initial: Any, where: Any
) -> LazyTensor:
    """Return the reduction of a tensor with a mask, an initial value, or both; `np._NoValue` stands for none."""
    handle = handle_of(a)
    has_mask = where is not np._NoValue and where is not True
    has_initial = initial is not np._NoValue
    operands = [handle]
    if has_mask:
        operands.append(_mask_for(handle, where))
    if has_initial:
        operands.append(_initial_for(initial, reduced_dtype(function, handle.type, dtype)))
    if function.ufunc.identity is None and not has_initial:
        raise NoRuleError(f"{function.name}.reduce: a mask without an initial value, which numpy refuses")
    return apply(MaskedReduce(function, axes, keepdims, dtype, has_mask, has_initial), *operands)


def _mask_for(handle: Any, where: Any) -> LazyTensor:
    mask = handle_of(where)
    if mask.dtype.kind != "b":
        raise NoRuleError("reduce: a mask that is not boolean")
    broadcast_to(mask, handle.shape)  # raises where it does not fit
    return mask


def _initial_for(initial: Any, dtype: Dtype) -> Any:
    if isinstance(initial, TensorHandle):
        if initial.ndim or not np.can_cast(initial.dtype, dtype, "same_kind"):
            raise NoRuleError("reduce: an initial value that numpy has to cast")
        return initial
    if not is_number(initial):
        raise NoRuleError("reduce: an initial value that is no number")
    try:
        np.empty((), dtype)[()] = initial
    except (OverflowError, TypeError, ValueError) as error:
        raise NoRuleError(f"reduce: an initial value that does not fit: {error}") from error
    return initial
