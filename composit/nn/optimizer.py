"""Optimizers: pairs of `init(parameters) -> state` and `update(parameters, gradients, state) -> (parameters, state)`.

Both take lazy tensors and build nodes; `composit/nn/optimize.py` evaluates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import numpy as np

from composit.errors import ParameterError
from composit.handle import make_tensor
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


def rate_input(value: float, label: str) -> LazyTensor:
    """Return a weak scalar input: it does not change dtypes, and another value reuses the compiled program.

    Raises:  ParameterError: the value is not a finite number
    """
    if not np.isfinite(value):
        raise ParameterError(f"{label}: {value!r} was given; expected a finite number such as 1e-3")
    weak = tensor_type((), np.float64, is_scalar=True, weak=float)
    return make_tensor(Node(Input(float(value), weak), (), (weak,), None, label))


def sgd_optimizer(learning_rate: float = 1e-3) -> Optimizer[tuple[()]]:
    """Return plain stochastic gradient descent: parameter - learning_rate * gradient, without state.

    Example:
        >>> sgd_optimizer(learning_rate=0.1).name
        'sgd'

    Reference: Robbins and Monro, A Stochastic Approximation Method, 1951
    """
    rate = rate_input(learning_rate, "learning_rate")

    def update(parameters: Tensors, gradients: Tensors, state: tuple[()]) -> tuple[list[Any], tuple[()]]:
        stepped = [parameter - rate * gradient for parameter, gradient in zip(parameters, gradients, strict=True)]
        return stepped, state

    return Optimizer("sgd", lambda parameters: (), update)
