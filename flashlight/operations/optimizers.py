"""Fused steps of optimizers: each writes parameters and states in place, and returns nothing.

Formulas: torch.optim's documentation of Adam, AdamW, SGD and Adagrad.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import composit.numpy as cnp
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast
from flashlight.table import Call, register

Tensors = Sequence[LazyTensor]


def _adam(
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


@register(aten._fused_adam_)
def _fused_adam(call: Call, *lists: Any, grad_scale: object = None, found_inf: object = None, **how: Any) -> object:
    if grad_scale is not None or found_inf is not None:
        return NotImplemented
    return _adam(*lists, **how, is_decoupled=False)


@register(aten._fused_adamw_)
def _fused_adamw(call: Call, *lists: Any, grad_scale: object = None, found_inf: object = None, **how: Any) -> object:
    if grad_scale is not None or found_inf is not None:
        return NotImplemented
    return _adam(*lists, **how, is_decoupled=True)


@register(aten._fused_sgd_)
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
    grad_scale: object = None,
    found_inf: object = None,
) -> object:
    if grad_scale is not None or found_inf is not None:
        return NotImplemented
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


@register(aten._fused_adagrad_)
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
    grad_scale: object = None,
    found_inf: object = None,
) -> object:
    if grad_scale is not None or found_inf is not None:
        return NotImplemented
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
