"""Elements chosen by conditions and by numbers: choose, select, compress, extract, nonzero, argwhere.

If the size of the result depends on values, numpy computes it at the call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError
from composit.numpy.arguments.normalizing import (
    AxisLike,
    TensorLike,
    broadcast_shapes,
    handle_of,
    normalize_axis,
    promoted,
)
from composit.numpy.calls.array_function import ArrayFunction
from composit.numpy.calls.declarations import rule_for, without_rule
from composit.numpy.elementwise.casting import astype
from composit.numpy.elementwise.conditional import where
from composit.numpy.elementwise.functions import promote
from composit.numpy.indexing import expressions  # noqa: F401  # registers what numpy's choices are differentiated as
from composit.numpy.indexing.advanced_indices import known_integers
from composit.numpy.indexing.taking import take
from composit.numpy.manipulation.broadcasting import broadcast_to
from composit.numpy.manipulation.reshaping import ravel
from composit.numpy.views.layout import in_c_order, is_given_in_fortran_order
from composit.operation import OperationKind, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["argwhere", "choose", "compress", "extract", "flatnonzero", "nonzero", "select"]


argwhere = without_rule(np.argwhere)
flatnonzero = without_rule(np.flatnonzero)
nonzero = without_rule(np.nonzero)


@rule_for(np.compress)
def compress(condition: TensorLike, a: TensorLike, axis: AxisLike | None = None, out: None = None) -> LazyTensor:
    """Return the slices along an axis where a condition is true; lazy if the condition is known. See np.compress."""
    chosen = known_integers(condition)
    tensor = handle_of(a)
    if chosen is None or chosen.ndim != 1:
        raise NoRuleError("compress: the condition is not known, or is no vector")
    flat, position = (ravel(tensor), 0) if axis is None else (tensor, normalize_axis(axis, tensor.ndim))
    return take(flat, np.flatnonzero(chosen), position)


@rule_for(np.extract)
def extract(condition: TensorLike, arr: TensorLike) -> LazyTensor:
    """Return the elements where a condition is true, as a vector; lazy if the condition is known. See np.extract."""
    known = known_integers(condition)
    if known is None:
        raise NoRuleError("extract: the condition is not known")
    return compress(known.ravel(), ravel(arr))


@rule_for(np.select)
def select(condlist: Sequence[TensorLike], choicelist: Sequence[TensorLike], default: TensorLike = 0) -> LazyTensor:
    """Return at each place the element of the choice whose condition is the first true one. See np.select.

    Derivative:  g at the elements that are chosen
    """
    conditions = [handle_of(condition) for condition in condlist]
    given = choices = [handle_of(choice) for choice in (*choicelist, default)]
    if not conditions or len(choices) != len(conditions) + 1:
        raise NoRuleError("select: no conditions, or not as many choices as conditions")
    if any(condition.dtype.kind != "b" for condition in conditions):
        raise NoRuleError("select: a condition that is not boolean")
    shape = broadcast_shapes(*(part.shape for part in (*conditions, *choices)))
    if not shape or any(choice.dtype.kind not in "biufc" for choice in choices):
        raise NoRuleError("select: the result is a single element, or elements are no numbers")
    dtype = promote([choice.type for choice in choices])
    if any(choice.type.weak and not np.can_cast(choice.dtype, dtype, "same_kind") for choice in choices):
        raise NoRuleError("select: numpy refuses to cast a number among the choices")
    choices = [choice if choice.dtype == dtype else astype(choice, dtype) for choice in choices]
    result = choices.pop()
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        result = where(condition, choice, result)
    if result.shape != shape:
        return in_c_order(broadcast_to(result, shape))
    # select fills an array in C order, where `where` would keep the order of its operands.
    return in_c_order(result) if any(map(is_given_in_fortran_order, (*conditions, *given))) else result


@dataclass(frozen=True, slots=True)
class Choose(ArrayFunction):
    """Elements of the choices, picked by number. The first operand has the numbers, the others are the choices.

    Derivative:  g at the elements that are chosen
    Reference:   numpy.choose
    """

    function = staticmethod(np.choose)
    mode: Literal["raise", "wrap", "clip"]
    raises_by_value = True
    kind = OperationKind.ELEMENTWISE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        number, *choices = operand_types
        shape = broadcast_shapes(number.shape, *(choice.shape for choice in choices))
        return (tensor_type(shape, promoted(*(choice.dtype for choice in choices))),)

    def evaluator(self) -> Callable[..., Results]:
        return lambda number, *choices: np.choose(number, choices, mode=self.mode)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (number, *choices) = context.xp, context.cotangents, context.operands
        count = len(choices)
        place = number % count if self.mode == "wrap" else xp.clip(number, 0, count - 1)
        return [None, *(xp.where(xp.equal(place, index), g, 0) for index in range(count))]


@rule_for(np.choose)
def choose(
    a: TensorLike, choices: Sequence[TensorLike], out: None = None, mode: Literal["raise", "wrap", "clip"] = "raise"
) -> LazyTensor:
    """Return elements of the choices, picked by number. See np.choose.

    Derivative:  g at the elements that are chosen
    """
    number = handle_of(a)
    if not isinstance(choices, list | tuple) or not choices or mode not in ("raise", "wrap", "clip"):
        raise NoRuleError(f"choose: choices in one array, or mode {mode!r}")
    tensors = [handle_of(choice) for choice in choices]
    if number.dtype.kind not in "biu" or any(part.type.weak or part.dtype.kind not in "biufc" for part in tensors):
        raise NoRuleError("choose: the numbers are no integers, or a choice is no array of numbers")
    if not broadcast_shapes(number.shape, *(part.shape for part in tensors)):
        raise NoRuleError("choose: the result is a single element")
    return apply(Choose(mode), number, *tensors)
