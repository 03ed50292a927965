"""Operators on scalars whose numbers are known: numpy computes at once, and a draft stands for the node.

If the values of `a` are known, so are `a[k]` and `2.0 * a[k] - 1`. Computing these lazily would cost ten times as
much, in loops that test elements one by one and in loops that fill an array from its own elements. The draft becomes
a node when the graph is asked for (`composit/drafts.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.drafts import Draft, KnownNumber, new_draft
from composit.errstates import DEFAULT_ERRSTATE, current_errstate, reporting, set_errstate
from composit.handle import TensorHandle, known_scalar
from composit.node import kept_value, root_origin
from composit.operation import Operation, TensorType, tensor_type
from composit.origins import Origin, joined_two
from composit.source import Source, find_source

if TYPE_CHECKING:
    from composit.numpy.arguments.normalizing import TensorLike
    from composit.numpy.elementwise.functions import ElementwiseFunction
    from composit.numpy.tensor.lazy_tensor import LazyTensor

_TYPES: dict[type, tuple[TensorType, ...]] = {
    np.dtype(code).type: (tensor_type((), np.dtype(code), is_scalar=True),) for code in "?bhilqBHILQefdFD"
}
# Classes of numbers that can be operands as they are.
_PLAIN = frozenset((float, int, *_TYPES))


def at_once(
    function: ElementwiseFunction,
    compute: Callable[[Any, Any], Any],
    otherwise: Callable[[Any, TensorLike], LazyTensor],
    is_reflected: bool = False,
    of_scalars: bool = True,
) -> Callable[[Any, TensorLike], LazyTensor]:
    """Return the method of an operator that computes at once if both numbers are known, and else calls `otherwise`.

    compute:    Python's operator, applied to two numpy scalars
    of_scalars: whether numpy's scalars compute this operator themselves, without the ufunc
    """
    operation = function.scalar_operation if of_scalars else function.operation

    def method(self: Any, other: Any) -> LazyTensor:  # Any: as TensorLike
        early = self._early or number_of(self)
        if early is None:
            return otherwise(self, other)
        number, origin, draft = early
        kind = type(other)
        other_origin: Origin | Draft | None = None
        if kind in _PLAIN:
            second = operand = other
        elif isinstance(other, TensorHandle) and (
            early := other._early if other._early.__class__ is tuple else number_of(other)
        ):
            second, other_origin, operand = early
            if other_origin is None or other_origin.is_dead:
                other_origin = _origin_of_scalar(other, operand)
            if operand is None:
                operand = other.node
        else:
            return otherwise(self, other)
        # As `_computed`, without the cost of a call.
        state = current_errstate()
        set_errstate(_told if state is DEFAULT_ERRSTATE else reporting(state))
        try:
            result = compute(second, number) if is_reflected else compute(number, second)
        finally:
            set_errstate(state)
        types = _TYPES.get(result.__class__)
        if types is None:
            return otherwise(self, other)
        if origin is None or origin.is_dead:
            # The tensors from which the number was computed are gone; the scalar itself is its own origin now.
            origin = _origin_of_scalar(self, draft)
        if other_origin is not None and other_origin is not origin:
            origin = joined_two(None if origin is None else origin.alive(), other_origin.alive())
        own = self.node if draft is None else draft
        first, second = (operand, own) if is_reflected else (own, operand)
        made = new_draft(Draft, operation, first, second, types, find_source())
        return known_scalar(types[0], result, origin, made)

    return method


def results_at_once(operation: Operation, operands: tuple[Any, ...], source: Source | None) -> LazyTensor | None:
    """Return an operation's result if all operands are known numbers, else None: then the caller builds a node."""
    if len(operands) > 2:
        return None
    numbers: list[Any] = []
    drafts: list[Any] = []
    origin: Origin | Draft | None = None
    for operand in operands:
        if type(operand) in _PLAIN:
            numbers.append(operand)
            drafts.append(operand)
            continue
        early = number_of(operand) if isinstance(operand, TensorHandle) else None
        if early is None:
            return None
        number, own, draft = early
        if own is None or own.is_dead:
            own = _origin_of_scalar(operand, draft)
        if origin is None:
            origin = own
        elif own is not None and own is not origin:
            origin = joined_two(origin.alive(), own.alive())
        numbers.append(number)
        drafts.append(operand.node if draft is None else draft)
    try:
        result = _computed(operation.evaluator(), *numbers)
    except (ArithmeticError, TypeError, ValueError):
        # The lazy path raises the error with more details.
        return None
    types = _TYPES.get(result.__class__)
    if types is None:
        return None
    made = new_draft(Draft, operation, drafts[0], drafts[1] if len(drafts) > 1 else None, types, source)
    return known_scalar(types[0], result, origin, made)


def number_of(tensor: TensorHandle) -> KnownNumber | None:
    """Return the number of a scalar that is known from the beginning or by a read; None for others."""
    early = tensor._early
    if early is not None or not tensor._type.is_scalar:
        return early if isinstance(early, tuple) else None
    # Only first results are looked up: scalars are rarely another result.
    known = None if tensor._output_index else kept_value(tensor._node or tensor.node, 0)
    if known is None or known.value.__class__ not in _TYPES:
        return None
    tensor._early = number = (known.value, known.origin, None)
    return number


def _origin_of_scalar(scalar: TensorHandle, draft: Draft | None) -> Origin | Draft | None:
    return root_origin(scalar.node) if draft is None else draft


def _computed(compute: Callable[..., Any], *numbers: Any) -> Any:
    # numpy reports its warnings to us, so that they can name the user's line.
    state = current_errstate()
    told = _told if state is DEFAULT_ERRSTATE else reporting(state)
    if told is state:
        return compute(*numbers)
    set_errstate(told)
    try:
        return compute(*numbers)
    finally:
        set_errstate(state)


_told = reporting(DEFAULT_ERRSTATE)
