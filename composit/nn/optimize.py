"""`optimize` and `optimize_step`: take one step of an optimizer and evaluate it, so that each step starts a new graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from composit.apply import as_tensor, input_of
from composit.containers import flatten
from composit.errors import ParameterError, ShapeError
from composit.evaluation import evaluate
from composit.guards import end_history
from composit.nn.optimizer import Optimizer, State, sgd_optimizer

__all__ = ["optimize", "optimize_step", "sgd_optimizer"]

EvaluateFunction = Callable[..., Any]  # Any: as evaluate


def optimize(
    parameters: Sequence[Any],  # Any: tensors, or objects with __lazy_tensor__
    gradients: Sequence[Any],
    optimizer: Optimizer[State],
    evaluate_function: EvaluateFunction = evaluate,
) -> list[Any]:
    """Return the parameters after one step, as fresh inputs with the same names.

    evaluate_function: called once with a list of tensors, returns the list of their arrays; for example
                       `functools.partial(evaluate, backend="mosaic")`

    Raises:  ShapeError: numbers or shapes of parameters and gradients differ;
             ParameterError: the optimizer has a state, which this function would lose: use optimize_step
    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import chain_rule
        >>> weight = cnp.asarray([1.0, 2.0])
        >>> loss = cnp.sum(weight * weight)
        >>> (weight,) = optimize([weight], chain_rule({loss: loss}, [weight]), sgd_optimizer(learning_rate=0.25))
        >>> cnp.evaluate(weight)
        array([0.5, 1. ])
    """
    state = optimizer.init([as_tensor(parameter) for parameter in parameters])
    if flatten(state)[0]:
        raise ParameterError(
            f"optimize: the optimizer {optimizer.name!r} keeps a state from step to step; expected a stateless one; call "
            "parameters, state = optimize_step(parameters, gradients, state, optimizer) with state = optimizer.init(parameters)"
        )
    stepped, _ = optimize_step(parameters, gradients, state, optimizer, evaluate_function)
    return stepped


def optimize_step(
    parameters: Sequence[Any],  # Any: as optimize
    gradients: Sequence[Any],
    state: State,
    optimizer: Optimizer[State],
    evaluate_function: EvaluateFunction = evaluate,
) -> tuple[list[Any], State]:
    """Return the parameters and the optimizer's state after one step, as fresh inputs, evaluated together.

    Raises:  ShapeError: numbers or shapes of parameters and gradients differ
    Example:
        >>> import composit.numpy as cnp
        >>> optimizer = sgd_optimizer(learning_rate=0.5)
        >>> weight = cnp.asarray([1.0, 2.0])
        >>> (weight,), state = optimize_step([weight], [cnp.ones((2,))], optimizer.init([weight]), optimizer)
        >>> cnp.evaluate(weight)
        array([0.5, 1.5])
    """
    before = [as_tensor(parameter) for parameter in parameters]
    slopes = [as_tensor(gradient) for gradient in gradients]
    _check_shapes(before, slopes)
    stepped, next_state = optimizer.update(before, slopes, state)
    handles, rebuild = flatten((stepped, next_state))
    values = evaluate_function(handles)
    names = [parameter.node.label for parameter in before]
    labels = names + [handle.node.label for handle in handles[len(names) :]]
    fresh = [input_of(np.array(value), label) for value, label in zip(values, labels, strict=True)]
    end_history(before)
    new_parameters, new_state = rebuild(fresh)
    return list(new_parameters), new_state


def _check_shapes(parameters: Sequence[Any], gradients: Sequence[Any]) -> None:
    if len(parameters) != len(gradients):
        raise ShapeError(
            f"optimize: {len(parameters)} parameters and {len(gradients)} gradients were given; expected one gradient per "
            "parameter, in the same order, as chain_rule(..., parameters) returns them"
        )
    for position, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
        if parameter.shape != gradient.shape:
            raise ShapeError(
                f"optimize: gradient {position} has shape {gradient.shape}; expected {parameter.shape}, the shape of "
                f"{parameter!r}; pass the gradients in the order of the parameters"
            )
