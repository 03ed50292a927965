"""Operators of scalars whose numbers are known: numpy computes at once, and the node is there for whoever asks for the graph.

`a[k]` of an array whose values are known is a number already, and so is `2.0 * a[k] - 1`. To compute it later would cost
ten times what it costs now, in programs that test elements one by one as in those that fill an array from its own elements.
The node is a draft (`composit/drafts.py`). May import elementwise, guards, handle, drafts, operation, errstates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.drafts import Draft, KnownNumber, new_draft
from composit.errstates import DEFAULT_ERRSTATE, current_errstate, reporting, set_errstate
from composit.handle import TensorHandle, known_scalar
from composit.node import root_origin
from composit.operation import Operation, TensorType, tensor_type
from composit.origins import Origin, joined_two
from composit.source import Source, find_source

if TYPE_CHECKING:
    from composit.numpy.elementwise.functions import ElementwiseFunction
    from composit.numpy.tensor.lazy_tensor import LazyTensor

Value = Any  # operands are tensors and numbers; results are LazyScalar

_TYPES: dict[type, tuple[TensorType, ...]] = {
    np.dtype(code).type: (tensor_type((), np.dtype(code), is_scalar=True),) for code in "?bhilqBHILQefdFD"
}
# Numbers that take part as they are.
_PLAIN = frozenset((float, int, *_TYPES))


def at_once(
    function: ElementwiseFunction,
    compute: Callable[[Any, Any], Any],
    otherwise: Callable[[Any, Value], Value],
    is_reflected: bool = False,
    of_scalars: bool = True,
) -> Callable[[Any, Value], Value]:
    """Return the method of an operator that computes where both numbers are known, and else does what `otherwise` does.

    compute:    Python's operator, on two of numpy's scalars
    of_scalars: whether numpy's scalars have an operator of their own, which is no ufunc
    """
    operation = function.scalar_operation if of_scalars else function.operation

    def method(self: Any, other: Value) -> Value:
        early = self._early or number_of(self)
        if early is None:
            return otherwise(self, other)
        number, origin, draft = early
        kind = type(other)
        other_origin: Origin | Draft | None = None
        if kind in _PLAIN:
            second = operand = other
        elif isinstance(other, TensorHandle) and (early := number_of(other)) is not None:
            second, other_origin, operand = early
            if other_origin is None or other_origin.is_dead:
                other_origin = _origin_of_scalar(other, operand)
            if operand is None:
                operand = other._node
        else:
            return otherwise(self, other)
        result = _computed(compute, second, number) if is_reflected else _computed(compute, number, second)
        types = _TYPES.get(result.__class__)
        if types is None:
            return otherwise(self, other)
        if origin is None or origin.is_dead:
            # Of what the number was computed from nobody holds a tensor any more; somebody holds the number.
            origin = _origin_of_scalar(self, draft)
        if other_origin is not None and other_origin is not origin:
            origin = joined_two(None if origin is None else origin.alive(), other_origin.alive())
        own = self._node if draft is None else draft
        first, second = (operand, own) if is_reflected else (own, operand)
        made = new_draft(Draft, operation, first, second, types, find_source())
        return known_scalar(types[0], result, origin, made)

    return method


def results_at_once(operation: Operation, operands: tuple[Value, ...], source: Source | None) -> LazyTensor | None:
    """Return an operation's result where all operands are known numbers, else None: the caller goes on lazily."""
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
        drafts.append(operand._node if draft is None else draft)
    try:
        result = _computed(operation.evaluate, *numbers)
    except (ArithmeticError, TypeError, ValueError):
        # The lazy way has more to say to it.
        return None
    types = _TYPES.get(result.__class__)
    if types is None:
        return None
    made = new_draft(Draft, operation, drafts[0], drafts[1] if len(drafts) > 1 else None, types, source)
    return known_scalar(types[0], result, origin, made)


def number_of(tensor: TensorHandle) -> KnownNumber | None:
    """Return the number of a scalar that was known from the beginning, or that a read has left since."""
    early = tensor._early
    if early is not None or not tensor._type.is_scalar:
        return early if isinstance(early, tuple) else None
    # Operands of drafts are first results: others are rare.
    known = None if tensor._output_index else tensor._node._values.get(0)
    if known is None or known.value.__class__ not in _TYPES:
        return None
    tensor._early = number = (known.value, known.origin, None)
    return number


def _origin_of_scalar(scalar: TensorHandle, draft: Draft | None) -> Origin | Draft | None:
    return root_origin(scalar._node) if draft is None else draft


def _computed(compute: Callable[..., Any], *numbers: Any) -> Any:
    # Numpy is asked to tell us what it would warn of, so that the warning names the user's line.
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
