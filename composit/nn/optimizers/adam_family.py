"""Optimizers that keep moving averages of the gradient and of its square: Adam (Kingma and Ba, 2015) and what came of it.

The order of the operations is torch's, so that a training run agrees with one of torch's.
Reference: https://docs.pytorch.org/docs/stable/optim.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import composit.numpy as cnp
from composit.errors import ParameterError
from composit.handle import described
from composit.nn.optimizer import check_number, is_used
from composit.nn.optimizers.rule import Factor, Rate, RuleOptimizer, Slots, optimizer_of, rate_alone, zeros_like

Betas = tuple[float, float]


def adam(
    learning_rate: Rate = 1e-3, betas: Betas = (0.9, 0.999), *, epsilon: float = 1e-8, weight_decay: float = 0.0
) -> RuleOptimizer:
    """Return Adam: steps of about learning_rate along the average gradient over the root of the average square.

    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; parameter - rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)

    learning_rate: a number, a schedule such as `cosine(...)`, or a scalar tensor
    betas:         how much of the averages is kept from step to step
    weight_decay:  adds weight_decay * parameter to the gradient; `adamw` decays the parameter itself

    Example:
        >>> from composit.nn import optimizers
        >>> optimizers.adam(1e-3).name
        'adam'

    Reference: torch.optim.Adam
    """
    return _adam("adam", learning_rate, betas, epsilon, weight_decay, is_decoupled=False, keeps_maximum=False)


def adamw(
    learning_rate: Rate = 1e-3,
    betas: Betas = (0.9, 0.999),
    *,
    epsilon: float = 1e-8,
    weight_decay: float = 1e-2,
    keeps_maximum: bool = False,
) -> RuleOptimizer:
    """Return Adam with decoupled weight decay: the parameter shrinks by rate * weight_decay before each step.

    keeps_maximum: divide by the root of the largest average square so far, as `amsgrad` does

    Reference: Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019; torch.optim.AdamW
    """
    return _adam("adamw", learning_rate, betas, epsilon, weight_decay, is_decoupled=True, keeps_maximum=keeps_maximum)


def amsgrad(
    learning_rate: Rate = 1e-3, betas: Betas = (0.9, 0.999), *, epsilon: float = 1e-8, weight_decay: float = 0.0
) -> RuleOptimizer:
    """Return Adam that divides by the root of the largest average square so far, so that steps never grow.

    Reference: Reddi, Kale and Kumar, On the Convergence of Adam and Beyond, 2018; torch.optim.Adam(amsgrad=True)
    """
    return _adam("amsgrad", learning_rate, betas, epsilon, weight_decay, is_decoupled=False, keeps_maximum=True)


def _adam(
    name: str,
    learning_rate: Rate,
    betas: Betas,
    epsilon: float,
    weight_decay: float,
    *,
    is_decoupled: bool,
    keeps_maximum: bool,
) -> RuleOptimizer:
    first, second = _checked(name, betas, epsilon=epsilon, weight_decay=weight_decay)

    def shared(rate: Any, number: Any) -> list[Factor]:
        shares = Factor(1.0 - first), Factor(1.0 - second)
        return [*_corrected(rate, number, first, second), Factor(1.0 - rate * weight_decay), *shares]

    def rule(parameter: Any, gradient: Any, slots: Slots, factors: Sequence[Factor]) -> tuple[Any, Slots]:
        rate, of_root, rest, of_gradient, of_square = factors
        parameter, g = _decayed(parameter, gradient, weight_decay, rest if is_decoupled else None)
        mean, square = first * slots[0] + of_gradient.times(g), second * slots[1] + of_square.times(g * g)
        largest = cnp.maximum(slots[2], square) if keeps_maximum else square
        root = of_root.times(cnp.sqrt(largest))
        stepped = parameter - rate.times(mean / (root + epsilon))
        return stepped, (mean, square, largest) if keeps_maximum else (mean, square)

    count = 3 if keeps_maximum else 2
    return optimizer_of(name, rule, learning_rate, lambda p: [zeros_like(p) for _ in range(count)], shared)


def _decayed(parameter: Any, gradient: Any, weight_decay: float, kept: Factor | None) -> tuple[Any, Any]:
    """Return parameter and gradient with the decay in one of them: in the parameter if a factor is given, that keeps the rest."""
    if not is_used(weight_decay):
        return parameter, gradient
    return (parameter, gradient + weight_decay * parameter) if kept is None else (kept.times(parameter), gradient)


def _corrected(rate: Any, number: Any, first: float, second: float) -> list[Factor]:
    """Return the rate and the factor of the root of the squares, corrected for averages that began at 0."""
    return [Factor(rate / (1.0 - first**number)), Factor(1.0 / cnp.sqrt(1.0 - second**number))]


def adamax(
    learning_rate: Rate = 2e-3, betas: Betas = (0.9, 0.999), *, epsilon: float = 1e-8, weight_decay: float = 0.0
) -> RuleOptimizer:
    """Return Adamax: Adam with a decaying maximum of |g| in place of the root of the average square.

    Reference: Kingma and Ba, Adam, 2015, section 7.1; torch.optim.Adamax
    """
    first, second = _checked("adamax", betas, epsilon=epsilon, weight_decay=weight_decay)

    def shared(rate: Any, number: Any) -> list[Factor]:
        return [Factor(rate / (1.0 - first**number)), Factor(1.0 - first)]

    def rule(parameter: Any, gradient: Any, slots: Slots, factors: Sequence[Factor]) -> tuple[Any, Slots]:
        rate, of_gradient = factors
        g = gradient + weight_decay * parameter if is_used(weight_decay) else gradient
        mean = first * slots[0] + of_gradient.times(g)
        largest = cnp.maximum(second * slots[1], cnp.abs(g) + epsilon)
        return parameter - rate.times(mean / largest), (mean, largest)

    return optimizer_of("adamax", rule, learning_rate, lambda p: (zeros_like(p), zeros_like(p)), shared)


def nadam(
    learning_rate: Rate = 2e-3,
    betas: Betas = (0.9, 0.999),
    *,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
    is_decoupled: bool = False,
) -> RuleOptimizer:
    """Return NAdam: Adam with Nesterov's momentum, which grows towards b1 as 1 - 0.5 * 0.96^(t * momentum_decay).

    is_decoupled: decay the parameter itself, as `adamw` does

    Reference: Dozat, Incorporating Nesterov Momentum into Adam, 2016; torch.optim.NAdam
    """
    first, second = _checked("nadam", betas, epsilon=epsilon, weight_decay=weight_decay, momentum_decay=momentum_decay)

    def momentum(number: Any) -> Any:
        return first * (1.0 - 0.5 * 0.96 ** (number * momentum_decay))

    def shared(rate: Any, number: Any) -> list[Factor]:
        of_root = 1.0 / cnp.sqrt(1.0 - second**number)
        now, later = momentum(number), momentum(number + 1.0)
        numbers = (of_root, now, later, rate * (1.0 - now), rate * later)
        return [Factor(each) for each in (*numbers, 1.0 - rate * weight_decay, 1.0 - first, 1.0 - second)]

    def rule(parameter: Any, gradient: Any, slots: Slots, factors: Sequence[Factor]) -> tuple[Any, Slots]:
        of_root, now, later, by_now, by_later, kept, of_gradient, of_square = factors
        parameter, g = _decayed(parameter, gradient, weight_decay, kept if is_decoupled else None)
        mean, square = first * slots[0] + of_gradient.times(g), second * slots[1] + of_square.times(g * g)
        # As in torch, each parameter keeps its own product of momenta.
        product = slots[2] * now.value
        root = of_root.times(cnp.sqrt(square)) + epsilon
        by_gradient = Factor(by_now.value / (1.0 - product)).times(g / root)
        by_mean = Factor(by_later.value / (1.0 - product * later.value)).times(mean / root)
        return parameter - by_gradient - by_mean, (mean, square, product)

    return optimizer_of("nadam", rule, learning_rate, lambda p: (zeros_like(p), zeros_like(p), _one()), shared)


def _one() -> Any:
    return zeros_like(cnp.zeros(())) + 1.0


def radam(
    learning_rate: Rate = 1e-3,
    betas: Betas = (0.9, 0.999),
    *,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    is_decoupled: bool = False,
) -> RuleOptimizer:
    """Return RAdam: Adam whose first steps, while its average square rests on few gradients, follow the average gradient alone.

    is_decoupled: decay the parameter itself, as `adamw` does

    Reference: Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, 2020, algorithm 2; torch.optim.RAdam
    """
    first, second = _checked("radam", betas, epsilon=epsilon, weight_decay=weight_decay)

    def shared(rate: Any, number: Any) -> list[Factor]:
        corrected = 1.0 - second**number
        longest = 2.0 / (1.0 - second) - 1.0
        length = longest - 2.0 * number * second**number / corrected
        is_long = length > 5.0
        shorter, among = (length - 4.0) * (length - 2.0) * longest, (longest - 4.0) * (longest - 2.0) * length
        share = cnp.sqrt(cnp.where(is_long, shorter / among * corrected, 0.0))
        plain = rate / (1.0 - first**number)
        kept = 1.0 - rate * weight_decay
        numbers = (plain * share, cnp.where(is_long, 0.0, plain), kept, 1.0 - first, 1.0 - second)
        return [Factor(each) for each in numbers]

    def rule(parameter: Any, gradient: Any, slots: Slots, factors: Sequence[Factor]) -> tuple[Any, Slots]:
        adaptive, plain, kept, of_gradient, of_square = factors
        parameter, g = _decayed(parameter, gradient, weight_decay, kept if is_decoupled else None)
        mean, square = first * slots[0] + of_gradient.times(g), second * slots[1] + of_square.times(g * g)
        step = adaptive.times(mean / (cnp.sqrt(square) + epsilon)) + plain.times(mean)
        return parameter - step, (mean, square)

    return optimizer_of("radam", rule, learning_rate, lambda p: (zeros_like(p), zeros_like(p)), shared)


def lion(learning_rate: Rate = 1e-4, betas: Betas = (0.9, 0.99), *, weight_decay: float = 0.0) -> RuleOptimizer:
    """Return Lion: each element steps by the rate, along the sign of an average of gradient and momentum.

    Reference: Chen et al., Symbolic Discovery of Optimization Algorithms, 2023, algorithm 2
    """
    first, second = _checked("lion", betas, weight_decay=weight_decay)

    def rule(parameter: Any, gradient: Any, slots: Slots, factors: Sequence[Factor]) -> tuple[Any, Slots]:
        (rate,), (mean,) = factors, slots
        direction = cnp.sign(first * mean + (1.0 - first) * gradient)
        if is_used(weight_decay):
            direction = direction + weight_decay * parameter
        return parameter - rate.times(direction), (second * mean + (1.0 - second) * gradient,)

    return optimizer_of("lion", rule, learning_rate, lambda p: (zeros_like(p),), rate_alone, needs_count=False)


def lamb(
    learning_rate: Rate = 1e-3, betas: Betas = (0.9, 0.999), *, epsilon: float = 1e-6, weight_decay: float = 0.0
) -> RuleOptimizer:
    """Return LAMB: Adam's step of each tensor, rescaled to the norm of the tensor; for very large batches.

    The ratio of the norms is 1 where either is 0.

    Reference: You et al., Large Batch Optimization for Deep Learning, 2020, algorithm 2
    """
    first, second = _checked("lamb", betas, epsilon=epsilon, weight_decay=weight_decay)

    def shared(rate: Any, number: Any) -> list[Factor]:
        return [Factor(rate), Factor(1.0 / (1.0 - first**number)), Factor(1.0 / cnp.sqrt(1.0 - second**number))]

    def rule(parameter: Any, gradient: Any, slots: Slots, factors: Sequence[Factor]) -> tuple[Any, Slots]:
        rate, of_mean, of_root = factors
        mean = first * slots[0] + (1.0 - first) * gradient
        square = second * slots[1] + (1.0 - second) * (gradient * gradient)
        root = of_root.times(cnp.sqrt(square)) + epsilon
        direction = of_mean.times(mean / root)
        if is_used(weight_decay):
            direction = direction + weight_decay * parameter
        of_parameter, of_step = cnp.sqrt(cnp.sum(parameter * parameter)), cnp.sqrt(cnp.sum(direction * direction))
        is_usable = (of_parameter > 0) & (of_step > 0)
        ratio = cnp.where(is_usable, of_parameter / cnp.where(is_usable, of_step, 1), 1)
        return parameter - rate.times(Factor(ratio).times(direction)), (mean, square)

    return optimizer_of("lamb", rule, learning_rate, lambda p: (zeros_like(p), zeros_like(p)), shared)


def _checked(name: str, betas: object, **others: Any) -> Betas:  # Any: numbers by the names of their parameters
    """Return betas as two numbers from 0 to below 1.

    Raises:  ParameterError: they are not, or one of the others is negative
    """
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise ParameterError(
            f"{name}: betas={described(betas)!s:.60} was given; expected two numbers from 0 to below 1; the usual ones are the default"
        )
    for what, value in others.items():
        check_number(name, what, value)
    first, second = (check_number(name, f"betas[{k}]", beta, high=1.0) for k, beta in enumerate(betas))
    return first, second
