"""Operators of scalars whose numbers are known: numpy computes at once, and the node is there for whoever asks for the graph.

`a[k]` of an array whose values are known is a number already, and so is `2.0 * a[k] - 1`. To compute it later would cost
ten times what it costs now, in programs that test elements one by one as in those that fill an array from its own elements.
May import elementwise, apply, handle, operation, errstates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from composit.apply import scalar_node
from composit.errstates import current_errstate, reporting, set_errstate
from composit.guards import root_origin
from composit.handle import TensorHandle, make_tensor, node_of_element
from composit.node import new_node
from composit.numpy.elementwise import ElementwiseFunction
from composit.operation import TensorType, tensor_type
from composit.origins import joined_two
from composit.source import find_source

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
        known = self._number
        if known is None:
            return otherwise(self, other)
        number, origin, recipe = known
        kind = type(other)
        if kind in _PLAIN:
            second, other_origin, other_recipe = other, None, None
        elif isinstance(other, TensorHandle) and other._number is not None:
            second, other_origin, other_recipe = other._number
        else:
            return otherwise(self, other)
        result = _computed(compute, second, number) if is_reflected else _computed(compute, number, second)
        types = _TYPES.get(type(result))
        if types is None:
            return otherwise(self, other)
        own = self._node if recipe is None else node_of_element(self)
        if origin is None or origin.is_dead:
            # Of what the number was computed from nobody holds a tensor any more; somebody holds the number.
            origin = root_origin(own)
        if kind in _PLAIN:
            node = scalar_node(other)
        else:
            node = other._node if other_recipe is None or other is self else node_of_element(other)
            if other_origin is None or other_origin.is_dead:
                other_origin = root_origin(node)
            origin = joined_two(origin, other_origin)
        flat = (node, 0, own, 0) if is_reflected else (own, 0, node, 0)
        tensor = make_tensor(new_node(operation, flat, types, find_source(2)))
        tensor._number = (result, origin, None)
        return tensor

    return method


def _computed(compute: Callable[[Any, Any], Any], first: Any, second: Any) -> Any:
    # Numpy is asked to tell us what it would warn of, so that the warning names the user's line.
    state = current_errstate()
    told = reporting(state)
    if told is state:
        return compute(first, second)
    set_errstate(told)
    try:
        return compute(first, second)
    finally:
        set_errstate(state)
