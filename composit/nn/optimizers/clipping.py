"""Gradients kept within bounds, by element or by their common norm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import composit.numpy as cnp
from composit.errors import DtypeError, ParameterError
from composit.nn.optimizer import Optimizer, State, Tensors
from composit.nn.optimizers.rule import Factor


def clip_by_value(gradients: Sequence[Any], limit: float) -> list[Any]:
    """Return the gradients with each element within -limit and limit.

    Example:
        >>> import composit.numpy as cnp
        >>> (g,) = clip_by_value([cnp.asarray([-3.0, 0.5])], 1.0)
        >>> cnp.evaluate(g)
        array([-1. ,  0.5])
    """
    _check_limit("clip_by_value", limit)
    for gradient in gradients:
        if gradient.dtype.kind == "c":
            raise DtypeError(
                f"clip_by_value: a gradient has dtype {gradient.dtype}; expected real numbers, since complex ones have no order; use "
                "clip_by_global_norm"
            )
    return [cnp.clip(gradient, -limit, limit) for gradient in gradients]


def clip_by_global_norm(gradients: Sequence[Any], limit: float) -> tuple[list[Any], Any]:
    """Return the gradients, scaled together so that their common norm is at most `limit`, and the norm before.

    The factor is limit / (norm + 1e-6), at most 1, as in torch.nn.utils.clip_grad_norm_.

    Example:
        >>> import composit.numpy as cnp
        >>> (g,), norm = clip_by_global_norm([cnp.asarray([3.0, 4.0])], 2.5)
        >>> cnp.evaluate(norm)
        np.float64(5.0)
    """
    _check_limit("clip_by_global_norm", limit)
    if not gradients:
        return [], cnp.asarray(0.0)
    squares = [_sum_of_squares(gradient) for gradient in gradients]
    norm = cnp.sqrt(sum(squares[1:], squares[0]))
    factor = Factor(cnp.minimum(limit / (norm + 1e-6), 1.0))
    return [factor.times(gradient) for gradient in gradients], norm


def clipped(
    optimizer: Optimizer[State], *, value: float | None = None, global_norm: float | None = None
) -> Optimizer[State]:
    """Return the optimizer with its gradients clipped first: by value, then by their common norm.

    Raises:  ParameterError: no limit, or one that is not positive
    """
    steps: list[Callable[[Tensors], Tensors]] = []
    if value is not None:
        _check_limit("clipped", value)
        steps.append(lambda gradients: clip_by_value(gradients, value))
    if global_norm is not None:
        _check_limit("clipped", global_norm)
        steps.append(lambda gradients: clip_by_global_norm(gradients, global_norm)[0])
    if not steps:
        raise ParameterError("clipped: no limit was given; expected value= or global_norm=, or both; pass one of them")

    def update(parameters: Tensors, gradients: Tensors, state: State) -> tuple[list[Any], State]:
        for clip in steps:
            gradients = clip(gradients)
        return optimizer.update(parameters, gradients, state)

    return Optimizer(f"clipped {optimizer.name}", optimizer.init, update)


def _sum_of_squares(gradient: Any) -> Any:
    if gradient.dtype.kind == "c":
        return cnp.sum(cnp.real(gradient * cnp.conj(gradient)))
    # The squares of float16 overflow from 256 on.
    wide = cnp.astype(gradient, np.float32) if gradient.dtype == np.float16 else gradient
    return cnp.sum(wide * wide)


def _check_limit(asked: str, limit: float) -> None:
    if not limit > 0:
        raise ParameterError(
            f"{asked}: a limit of {limit!r} was given; expected a positive number; leave clipping out for no limit"
        )
