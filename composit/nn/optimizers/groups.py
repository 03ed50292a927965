"""Groups of parameters, each with an optimizer of its own: another rate for the head, no weight decay for biases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from composit.errors import ParameterError
from composit.nn.optimizer import Optimizer, Tensors

# The states of the optimizers, in their order.
States: TypeAlias = list[Any]  # Any: each optimizer's own


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters that share an optimizer.

    holds: whether a parameter belongs to the group, asked with the tensor (which has a name and a shape) and its position
    """

    holds: Callable[[Any, int], bool]
    optimizer: Optimizer[Any]  # Any: its state


def grouped(groups: Sequence[ParameterGroup], default: Optimizer[Any] | None = None) -> Optimizer[States]:
    """Return an optimizer that gives each parameter to the first group that holds it, and the others to `default`.

    Raises:  ParameterError: no group holds a parameter and there is no default
    Example:
        >>> from composit.nn import optimizers
        >>> biases = optimizers.ParameterGroup(lambda parameter, position: parameter.ndim < 2, optimizers.adamw(1e-3, weight_decay=0.0))
        >>> optimizer = optimizers.grouped([biases], default=optimizers.adamw(1e-3))
    """
    optimizers = [group.optimizer for group in groups] + ([] if default is None else [default])

    def places_of(parameters: Tensors) -> list[list[int]]:
        places: list[list[int]] = [[] for _ in optimizers]
        for position, parameter in enumerate(parameters):
            chosen = next((k for k, group in enumerate(groups) if group.holds(parameter, position)), len(groups))
            if chosen == len(optimizers):
                raise ParameterError(
                    f"grouped: no group holds parameter {position}, {parameter.name} of shape {parameter.shape}; expected a group for "
                    "each parameter; pass default="
                )
            places[chosen].append(position)
        return places

    def init(parameters: Tensors) -> States:
        return [
            optimizer.init([parameters[k] for k in places])
            for optimizer, places in zip(optimizers, places_of(parameters), strict=True)
        ]

    def update(parameters: Tensors, gradients: Tensors, state: States) -> tuple[list[Any], States]:
        stepped, later = list(parameters), []
        for optimizer, places, own in zip(optimizers, places_of(parameters), state, strict=True):
            some, next_own = optimizer.update([parameters[k] for k in places], [gradients[k] for k in places], own)
            later.append(next_own)
            for k, value in zip(places, some, strict=True):
                stepped[k] = value
        return stepped, later

    return Optimizer(f"grouped {', '.join(optimizer.name for optimizer in optimizers)}", init, update)
