"""Optimizers that divide each element's step by the root of its squared gradients: Adagrad, RMSprop, Adadelta.

The order of the operations is torch's. Reference: https://docs.pytorch.org/docs/stable/optim.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import composit.numpy as cnp
from composit.nn.optimizer import check_number, is_used
from composit.nn.optimizers.rule import Factor, Rate, RuleOptimizer, Slots, optimizer_of, zeros_like


def adagrad(
    learning_rate: Rate = 1e-2,
    *,
    learning_rate_decay: float = 0.0,
    epsilon: float = 1e-10,
    weight_decay: float = 0.0,
    initial_accumulator: float = 0.0,
) -> RuleOptimizer:
    """Return Adagrad: rate / (sqrt(sum of all g^2) + epsilon), with the rate divided by 1 + (t - 1) * learning_rate_decay.

    Reference: Duchi, Hazan and Singer, Adaptive Subgradient Methods, 2011; torch.optim.Adagrad
    """
    check_number("adagrad", "learning_rate_decay", learning_rate_decay)
    check_number("adagrad", "epsilon", epsilon)
    check_number("adagrad", "weight_decay", weight_decay)
    check_number("adagrad", "initial_accumulator", initial_accumulator)

    def shared(rate: Any, number: Any) -> list[Factor]:
        return [Factor(rate / (1.0 + (number - 1.0) * learning_rate_decay) if is_used(learning_rate_decay) else rate)]

    def rule(parameter: Any, gradient: Any, slots: Slots, factors: Sequence[Factor]) -> tuple[Any, Slots]:
        (rate,) = factors
        g = gradient + weight_decay * parameter if is_used(weight_decay) else gradient
        total = slots[0] + g * g
        return parameter - rate.times(g / (cnp.sqrt(total) + epsilon)), (total,)

    def slots_of(parameter: Any) -> Slots:
        start = zeros_like(parameter)
        return (start + initial_accumulator if is_used(initial_accumulator) else start,)

    return optimizer_of("adagrad", rule, learning_rate, slots_of, shared, needs_count=is_used(learning_rate_decay))


def rmsprop(
    learning_rate: Rate = 1e-2,
    *,
    alpha: float = 0.99,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
) -> RuleOptimizer:
    """Return RMSprop: steps of g over the root of the moving average of g^2, less the squared average of g if `centered`.

    Reference: Tieleman and Hinton, lecture 6.5, 2012; Graves, Generating Sequences, 2013; torch.optim.RMSprop
    """
    check_number("rmsprop", "alpha", alpha, high=1.0, includes_high=True)
    check_number("rmsprop", "epsilon", epsilon)
    check_number("rmsprop", "weight_decay", weight_decay)
    check_number("rmsprop", "momentum", momentum)

    def shared(rate: Any, number: Any) -> list[Factor]:
        return [Factor(rate), Factor(1.0 - alpha)]

    def rule(parameter: Any, gradient: Any, slots: Slots, factors: Sequence[Factor]) -> tuple[Any, Slots]:
        rate, rest = factors
        g = gradient + weight_decay * parameter if is_used(weight_decay) else gradient
        kept = list(slots)
        square = kept[0] = alpha * kept[0] + rest.times(g * g)
        if centered:
            mean = kept[1] = alpha * kept[1] + rest.times(g)
            square = square - mean * mean
        step = g / (cnp.sqrt(square) + epsilon)
        if is_used(momentum):
            step = kept[-1] = momentum * kept[-1] + step
        return parameter - rate.times(step), kept

    count = 1 + centered + is_used(momentum)
    return optimizer_of(
        "rmsprop", rule, learning_rate, lambda p: [zeros_like(p) for _ in range(count)], shared, needs_count=False
    )


def adadelta(
    learning_rate: Rate = 1.0, *, rho: float = 0.9, epsilon: float = 1e-6, weight_decay: float = 0.0
) -> RuleOptimizer:
    """Return Adadelta: steps in the units of the parameter, from moving averages of g^2 and of the steps' squares.

    Reference: Zeiler, ADADELTA, 2012; torch.optim.Adadelta
    """
    check_number("adadelta", "rho", rho, high=1.0, includes_high=True)
    check_number("adadelta", "epsilon", epsilon)
    check_number("adadelta", "weight_decay", weight_decay)

    def shared(rate: Any, number: Any) -> list[Factor]:
        return [Factor(rate), Factor(1.0 - rho)]

    def rule(parameter: Any, gradient: Any, slots: Slots, factors: Sequence[Factor]) -> tuple[Any, Slots]:
        rate, rest = factors
        g = gradient + weight_decay * parameter if is_used(weight_decay) else gradient
        square = rho * slots[0] + rest.times(g * g)
        step = cnp.sqrt(slots[1] + epsilon) / cnp.sqrt(square + epsilon) * g
        return parameter - rate.times(step), (square, rho * slots[1] + rest.times(step * step))

    return optimizer_of(
        "adadelta", rule, learning_rate, lambda p: (zeros_like(p), zeros_like(p)), shared, needs_count=False
    )
