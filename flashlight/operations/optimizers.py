"""Fused steps of optimizers, and the scaling of losses (GradScaler): each writes its tensors in place.

Formulas: torch.optim's documentation of Adam, AdamW, SGD and Adagrad; torch.amp's of GradScaler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import composit.numpy as cnp
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast
from flashlight.table import Call, register

Tensors = Sequence[LazyTensor]
Step = Callable[..., list[LazyTensor]]


def _register_step(operation: Any, step: Step) -> None:
    """Register a step; torch.amp.GradScaler hands fused steps the scale of their gradients, and whether one is not finite."""

    @register(operation)
    def row(call: Call, *lists: Any, grad_scale: Any = None, found_inf: Any = None, **how: Any) -> list[LazyTensor]:
        params, grads, *others = lists
        if grad_scale is not None:
            grads = [cast(g / cnp.reshape(grad_scale, ()), g.dtype) for g in grads]
        new = step(call, params, grads, *others, **how)
        if found_inf is None:
            return new
        is_skipped = cnp.reshape(found_inf, ()) == 1
        before = [tensor for tensors in lists for tensor in tensors]
        return [cnp.where(is_skipped, old, value) for old, value in zip(before, new, strict=False)]


@register(aten._amp_foreach_non_finite_check_and_unscale_)
def _unscale(call: Call, grads: Tensors, found_inf: LazyTensor, inv_scale: LazyTensor) -> list[LazyTensor]:
    is_found = found_inf
    for g in grads:
        is_found = cnp.where(cnp.all(cnp.isfinite(g)), is_found, cnp.ones_like(found_inf))
    return [*(cast(g * cnp.reshape(inv_scale, ()), g.dtype) for g in grads), is_found]


@register(aten._amp_update_scale_)
def _update_scale(
    call: Call,
    scale: LazyTensor,
    growth_tracker: LazyTensor,
    found_inf: LazyTensor,
    growth_factor: float,
    backoff_factor: float,
    growth_interval: int,
) -> list[LazyTensor]:
    is_found = cnp.reshape(found_inf, scale.shape) != 0
    successes = growth_tracker + 1
    grows = cnp.reshape(successes == growth_interval, scale.shape)
    grown = cast(scale * growth_factor, scale.dtype)
    larger = cnp.where(grows & cnp.isfinite(grown), grown, scale)
    is_over = (successes == growth_interval) | cnp.reshape(found_inf != 0, successes.shape)
    new = cnp.where(is_found, cast(scale * backoff_factor, scale.dtype), larger)
    return [new, cast(cnp.where(is_over, 0, successes), growth_tracker.dtype)]


def _adam(
    call: Call,
    params: Tensors,
    grads: Tensors,
    averages: Tensors,
    squares: Tensors,
    largest: Tensors,
    steps: Tensors,
    *,
    lr: Any,
    beta1: float,
    beta2: float,
    weight_decay: float,
    eps: float,
    amsgrad: bool,
    maximize: bool,
    is_decoupled: bool,
) -> list[LazyTensor]:
    """Return new parameters, gradients, averages, averages of squares and their maxima, one list behind the other."""
    new: list[list[LazyTensor]] = [[], list(grads), [], [], []]
    for number, (x, g, average, square, step) in enumerate(zip(params, grads, averages, squares, steps, strict=True)):
        count = cast(step, x.dtype)
        g = -g if maximize else g
        if is_decoupled:
            x = cast(x * (1 - lr * weight_decay), x.dtype)
        elif weight_decay:
            g = g + x * weight_decay
        average = average + (g - average) * (1 - beta1)
        square = square * beta2 + g * g * (1 - beta2)
        bounded = square
        if amsgrad:
            bounded = cnp.maximum(largest[number], square)
            new[4].append(bounded)
        root = cnp.sqrt(bounded) / cnp.sqrt(1 - cnp.power(beta2, count)) + eps
        x = cast(x - (lr / (1 - cnp.power(beta1, count))) * (average / root), x.dtype)
        for values, value in zip((new[0], new[2], new[3]), (x, average, square), strict=True):
            values.append(value)
    return [value for values in new for value in values]


def _fused_sgd(
    call: Call,
    params: Tensors,
    grads: Tensors,
    buffers: Tensors,
    *,
    weight_decay: float,
    momentum: float,
    lr: Any,
    dampening: float,
    nesterov: bool,
    maximize: bool,
    is_first_step: bool,
) -> list[LazyTensor]:
    new: list[list[LazyTensor]] = [[], list(grads), []]
    for number, (x, g) in enumerate(zip(params, grads, strict=True)):
        g = -g if maximize else g
        g = g + x * weight_decay if weight_decay else g
        if momentum:
            buffer = g if is_first_step else buffers[number] * momentum + g * (1 - dampening)
            new[2].append(buffer)
            g = g + buffer * momentum if nesterov else buffer
        new[0].append(cast(x - g * lr, x.dtype))
    return [value for values in new for value in values]


def _fused_adagrad(
    call: Call,
    params: Tensors,
    grads: Tensors,
    sums: Tensors,
    steps: Tensors,
    *,
    lr: Any,
    lr_decay: float,
    weight_decay: float,
    eps: float,
    maximize: bool,
) -> list[LazyTensor]:
    new: list[list[LazyTensor]] = [[], list(grads), [], list(steps)]
    for x, g, total, step in zip(params, grads, sums, steps, strict=True):
        g = -g if maximize else g
        g = g + x * weight_decay if weight_decay else g
        total = total + g * g
        rate = lr / (1 + (cast(step, x.dtype) - 1) * lr_decay)
        new[0].append(cast(x - rate * (g / (cnp.sqrt(total) + eps)), x.dtype))
        new[2].append(total)
    writes_steps = len(
        [
            argument
            for argument in call.operation._schema.arguments
            if argument.name == "state_steps" and argument.alias_info
        ]
    )
    return [value for values in (new if writes_steps else new[:3]) for value in values]


_register_step(aten._fused_adam_, partial(_adam, is_decoupled=False))
_register_step(aten._fused_adamw_, partial(_adam, is_decoupled=True))
_register_step(aten._fused_sgd_, _fused_sgd)
_register_step(aten._fused_adagrad_, _fused_adagrad)
