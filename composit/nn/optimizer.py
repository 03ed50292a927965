"""Optimizers: pairs of `init(parameters) -> state` and `update(parameters, gradients, state) -> (parameters, state)`.

Both take lazy tensors and build nodes; `composit/nn/optimize.py` evaluates. The rules are in `composit/nn/optimizers/`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import numpy as np

from composit.errors import ParameterError
from composit.handle import TensorHandle, make_tensor
from composit.node import Node
from composit.operation import Input, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

Tensors: TypeAlias = Sequence[Any]  # Any: lazy tensors
State = TypeVar("State")  # a nested container of tensors of the optimizer's choice, () if it has none


@dataclass(frozen=True, slots=True)
class Optimizer(Generic[State]):
    """A rule for new parameters from parameters and gradients: lazy functions, which get and return the state."""

    name: str
    init: Callable[[Tensors], State]
    update: Callable[[Tensors, Tensors, State], tuple[list[Any], State]]


def number_input(value: float, label: str) -> LazyTensor:
    """Return a weak scalar input: it does not change dtypes, and another value reuses the compiled program."""
    weak = tensor_type((), np.float64, is_scalar=True, weak=float)
    return make_tensor(Node(Input(float(value), weak), (), (weak,), None, label))


def check_number(
    name: str, what: str, value: Any, low: float = 0.0, high: float = math.inf, *, includes_high: bool = False
) -> Any:  # Any: a number, or a tensor, whose value is not known yet
    """Return a number of the user's that lies from `low` to below `high`; a tensor is returned unchecked.

    Raises:  ParameterError: it lies outside, or is no real number
    """
    if isinstance(value, TensorHandle):
        return value
    is_number = isinstance(value, Real) or (
        isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind in "iuf"
    )
    is_inside = is_number and low <= value and (value < high or (includes_high and value == high))
    if not is_inside or not np.isfinite(value):
        lower = "" if low == -math.inf else f" from {low:g}"
        upper = "" if high == math.inf else f" to {'' if includes_high else 'below '}{high:g}"
        raise ParameterError(
            f"{name}: {what}={value!r:.60} was given; expected a finite number{lower}{upper}; the usual one is the default"
        )
    return value


def is_used(number: Any) -> bool:  # Any: a number, or a tensor, whose value is not known yet
    """Return whether a number of a rule is another one than 0, which leaves out a part of it."""
    return isinstance(number, TensorHandle) or bool(number)
