"""`optimize` and `optimize_step`: take one step of an optimizer and evaluate it, so that each step starts a new graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from composit.apply import as_tensor, input_of
from composit.containers import flatten
from composit.errors import OperandError, ParameterError, ShapeError
from composit.evaluation import evaluate
from composit.guards import end_history
from composit.handle import described
from composit.nn.optimizer import Optimizer, State, Tensors
from composit.nn.optimizers.momentum import sgd_optimizer

__all__ = ["optimize", "optimize_step", "sgd_optimizer"]

# Called with tensors, returns their arrays: a tuple or list, or one array for one tensor.
EvaluateFunction: TypeAlias = Callable[..., Any]  # Any: as evaluate
# (parameter, gradient) -> the parameter after the step
UpdateFunction: TypeAlias = Callable[[Any, Any], Any]  # Any: lazy tensors


def optimize(
    parameters: Sequence[Any],  # Any: tensors, or objects with __lazy_tensor__
    gradients: Sequence[Any],
    optimizer_function: Optimizer[Any] | UpdateFunction,  # Any: its state
    evaluate_function: EvaluateFunction | None = None,
) -> list[Any]:
    """Return the parameters after one step, as fresh inputs with the same names.

    optimizer_function: an optimizer without state, or a function of a parameter and its gradient
    evaluate_function:  called once with all tensors, returns their arrays; None is `evaluate`; for example
                        `functools.partial(evaluate, backend="mosaic")`

    Raises:  ShapeError: numbers or shapes of parameters and gradients differ;
             ParameterError: the optimizer has a state, which this function would lose: use optimize_step;
             OperandError: optimizer_function or evaluate_function is something else, or returns it
    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import chain_rule
        >>> weight = cnp.asarray([1.0, 2.0])
        >>> loss = cnp.sum(weight * weight)
        >>> (weight,) = optimize([weight], chain_rule({loss: loss}, [weight]), sgd_optimizer(learning_rate=0.25))
        >>> cnp.evaluate(weight)
        array([0.5, 1. ])
    """
    optimizer = _optimizer_of(optimizer_function)
    state = optimizer.init([as_tensor(parameter) for parameter in parameters])
    if flatten(state)[0]:
        raise ParameterError(
            f"optimize: the optimizer {optimizer.name!r} keeps a state from step to step; expected a stateless one; call "
            "parameters, state = optimize_step(parameters, gradients, state, optimizer) with state = optimizer.init(parameters)"
        )
    stepped, _ = optimize_step(parameters, gradients, state, optimizer, evaluate_function)
    return stepped


# Both spellings are in use: composit.nn.optimize is this function, and the module of that name has the optimizer.
optimize.sgd_optimizer = sgd_optimizer  # type: ignore[attr-defined]


def optimize_step(
    parameters: Sequence[Any],  # Any: as optimize
    gradients: Sequence[Any],
    state: State,
    optimizer: Optimizer[State],
    evaluate_function: EvaluateFunction | None = None,
) -> tuple[list[Any], State]:
    """Return the parameters and the optimizer's state after one step, as fresh inputs, evaluated together.

    evaluate_function: as for `optimize`

    Raises:  ShapeError: numbers or shapes of parameters and gradients differ
    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import optimizers
        >>> optimizer = optimizers.sgd(learning_rate=0.5, momentum=0.9)
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
    values = _values_of(handles, evaluate if evaluate_function is None else evaluate_function)
    names = [parameter.node.label for parameter in before]
    labels = names + [handle.node.label for handle in handles[len(names) :]]
    fresh = [input_of(np.array(value), label) for value, label in zip(values, labels, strict=True)]
    end_history(before)
    new_parameters, new_state = rebuild(fresh)
    return list(new_parameters), new_state


def _optimizer_of(optimizer_function: Optimizer[Any] | UpdateFunction) -> Optimizer[Any]:
    if isinstance(optimizer_function, Optimizer):
        return optimizer_function
    if not callable(optimizer_function):
        raise OperandError(
            f"optimize: {described(optimizer_function)!s:.60} was given as optimizer_function; expected an optimizer, or a function of a "
            "parameter and its gradient; pass for example sgd_optimizer(learning_rate=0.1)"
        )
    step = optimizer_function

    def update(parameters: Tensors, gradients: Tensors, state: tuple[()]) -> tuple[list[Any], tuple[()]]:
        return [step(parameter, gradient) for parameter, gradient in zip(parameters, gradients, strict=True)], state

    return Optimizer(getattr(step, "__name__", type(step).__name__), lambda parameters: (), update)


def _values_of(handles: Sequence[Any], evaluate_function: EvaluateFunction) -> Sequence[Any]:  # Any: tensors, arrays
    if not handles:
        return []
    values = evaluate_function(*handles)
    several = values if isinstance(values, tuple | list) else (values,)
    if len(several) != len(handles):
        raise OperandError(
            f"optimize: evaluate_function returned {len(several)} values for {len(handles)} tensors; expected an array for each; it is "
            "called with the tensors as its arguments, as evaluate is"
        )
    return several


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
