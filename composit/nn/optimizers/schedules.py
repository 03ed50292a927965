"""Learning rates as functions of the number of steps taken before: lazy numbers in, lazy numbers out.

A schedule is part of the program, so a compiled step computes its rate itself. The formulas are torch's (torch.optim.lr_scheduler).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import composit.numpy as cnp
from composit.errors import ParameterError
from composit.nn.optimizer import check_number
from composit.nn.optimizers.rule import Schedule


def constant(rate: float) -> Schedule:
    """Return the same rate at each step."""
    check_number("constant", "rate", rate)
    return lambda count: cnp.asarray(rate) + 0.0 * count


def step(rate: float, size: int, gamma: float = 0.1) -> Schedule:
    """Return rate * gamma^(number of whole periods of `size` steps). Reference: StepLR."""
    _check_rates("step", rate=rate, gamma=gamma)
    _check_positive("step", "size", size)
    return lambda count: rate * gamma ** cnp.floor(count / float(size))


def multi_step(rate: float, milestones: Sequence[int], gamma: float = 0.1) -> Schedule:
    """Return rate * gamma^(number of milestones reached). Reference: MultiStepLR."""
    _check_rates("multi_step", rate=rate, gamma=gamma)
    marks = [float(each) for each in milestones]
    return lambda count: rate * gamma ** sum(((count >= mark) * 1.0 for mark in marks), 0.0 * count)


def exponential(rate: float, gamma: float) -> Schedule:
    """Return rate * gamma^(number of steps). Reference: ExponentialLR."""
    _check_rates("exponential", rate=rate, gamma=gamma)
    return lambda count: rate * gamma**count


def cosine(rate: float, num_steps: int, final: float = 0.0) -> Schedule:
    """Return half a wave of the cosine from rate to `final`, which stays. Reference: CosineAnnealingLR."""
    _check_rates("cosine", rate=rate, final=final)
    _check_positive("cosine", "num_steps", num_steps)
    return lambda count: final + (rate - final) * (1.0 + cnp.cos(math.pi * _share(count, num_steps))) / 2.0


def polynomial(rate: float, num_steps: int, power: float = 1.0, final: float = 0.0) -> Schedule:
    """Return final + (rate - final) * (1 - share of the steps)^power; `final` stays. Reference: PolynomialLR."""
    _check_rates("polynomial", rate=rate, power=power, final=final)
    _check_positive("polynomial", "num_steps", num_steps)
    return lambda count: final + (rate - final) * (1.0 - _share(count, num_steps)) ** power


def warm_up(following: Schedule | float, num_steps: int, start: float = 0.0) -> Schedule:
    """Return `following` multiplied by a factor that grows from `start` to 1 over the first steps. Reference: LinearLR.

    Example:
        >>> import composit.numpy as cnp
        >>> rate = warm_up(cosine(0.1, 100), 10)
        >>> cnp.evaluate(rate(cnp.asarray(0.0)), rate(cnp.asarray(100.0)))
        (np.float64(0.0), np.float64(0.0))
    """
    check_number("warm_up", "start", start, high=1.0, includes_high=True)
    _check_positive("warm_up", "num_steps", num_steps)
    after = following if callable(following) else constant(following)
    return lambda count: after(count) * (start + (1.0 - start) * _share(count, num_steps))


def one_cycle(
    highest: float, num_steps: int, share_up: float = 0.3, start_divisor: float = 25.0, final_divisor: float = 1e4
) -> Schedule:
    """Return a rise from highest / start_divisor to highest, then a fall to a final_divisor-th of the start, both along cosines.

    Reference: OneCycleLR; Smith and Topin, Super-Convergence, 2018
    """
    check_number("one_cycle", "highest", highest)
    check_number("one_cycle", "share_up", share_up, high=1.0, includes_high=True)
    for what, value in (("start_divisor", start_divisor), ("final_divisor", final_divisor), ("num_steps", num_steps)):
        _check_positive("one_cycle", what, value)
    start = highest / start_divisor
    end = start / final_divisor
    turn, last = share_up * num_steps - 1.0, num_steps - 1.0

    def rate(count: Any) -> Any:
        up = cnp.clip(count / turn, 0.0, 1.0) if turn > 0 else 1.0 + 0.0 * count
        down = cnp.clip((count - turn) / (last - turn), 0.0, 1.0)
        rising, falling = _between(start, highest, up), _between(highest, end, down)
        return cnp.where(count <= turn, rising, falling)

    return rate


def _between(first: float, last: float, share: Any) -> Any:
    return last + (first - last) * (1.0 + cnp.cos(math.pi * share)) / 2.0


def _share(count: Any, num_steps: int) -> Any:
    return cnp.minimum(count / float(num_steps), 1.0)


def _check_rates(asked: str, **rates: Any) -> None:  # Any: numbers or tensors
    for what, value in rates.items():
        check_number(asked, what, value)


def _check_positive(asked: str, what: str, value: float) -> None:
    if not value > 0:
        raise ParameterError(
            f"{asked}: {what}={value!r} was given; expected a positive number; use constant for one rate"
        )
