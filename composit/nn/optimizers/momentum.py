"""Stochastic gradient descent with momentum. Reference: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from composit.errors import ParameterError
from composit.nn.optimizer import check_number, is_used
from composit.nn.optimizers.rule import Factor, Rate, RuleOptimizer, Slots, optimizer_of, zeros_like


def sgd_optimizer(learning_rate: Rate = 1e-3) -> RuleOptimizer:
    """Return plain stochastic gradient descent: parameter - learning_rate * gradient, without state.

    Example:
        >>> from composit.nn import sgd_optimizer
        >>> sgd_optimizer(learning_rate=0.1).name
        'sgd'

    Reference: Robbins and Monro, A Stochastic Approximation Method, 1951
    """
    return sgd(learning_rate)


def sgd(
    learning_rate: Rate = 1e-3,
    momentum: float = 0.0,
    *,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> RuleOptimizer:
    """Return stochastic gradient descent: v = momentum * v + g; parameter - learning_rate * v.

    learning_rate: a number, a schedule such as `cosine(...)`, or a scalar tensor
    dampening:     the share of the gradient that does not enter v after the first step
    nesterov:      step along g + momentum * v, the gradient at the place where the momentum leads
    weight_decay:  adds weight_decay * parameter to the gradient

    Raises:  ParameterError: a number is negative or not finite; nesterov without momentum, or with dampening
    Example:
        >>> import composit.numpy as cnp
        >>> from composit.nn import grad, optimize_step, optimizers
        >>> optimizer = optimizers.sgd(learning_rate=0.25, momentum=0.9)
        >>> w = cnp.asarray([1.0, 2.0])
        >>> (w,), state = optimize_step([w], [grad(lambda w: cnp.sum(w * w))(w)], optimizer.init([w]), optimizer)
        >>> cnp.evaluate(w)
        array([0.5, 1. ])
    """
    check_number("sgd", "momentum", momentum)
    check_number("sgd", "dampening", dampening, -math.inf)
    check_number("sgd", "weight_decay", weight_decay)
    if nesterov and (not is_used(momentum) or is_used(dampening)):
        raise ParameterError(
            f"sgd: nesterov=True was given with momentum={momentum!r} and dampening={dampening!r}; expected momentum > 0 and no "
            "dampening; pass momentum=0.9, or leave nesterov out"
        )

    def shared(rate: Any, number: Any) -> list[Factor]:
        # torch starts with v = g; before the first step v is 0.
        return [Factor(rate), Factor(1.0 - dampening * (number > 1.0) if is_used(dampening) else 1.0)]

    def rule(parameter: Any, gradient: Any, slots: Slots, factors: Sequence[Factor]) -> tuple[Any, Slots]:
        rate, share = factors
        g = gradient + weight_decay * parameter if is_used(weight_decay) else gradient
        if not is_used(momentum):
            return parameter - rate.times(g), ()
        (velocity,) = slots
        velocity = momentum * velocity + (share.times(g) if is_used(dampening) else g)
        direction = g + momentum * velocity if nesterov else velocity
        return parameter - rate.times(direction), (velocity,)

    return optimizer_of(
        "sgd",
        rule,
        learning_rate,
        lambda p: (zeros_like(p),) if is_used(momentum) else (),
        shared,
        needs_count=is_used(dampening),
        kinds="fc",
    )
