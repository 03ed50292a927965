"""Dropout in training, where the mask that torch drew is an input and is never drawn again.

Operations that only draw (rand, normal_, bernoulli) need no row: their results become inputs.
"""

from __future__ import annotations

import torch

from composit import nn
from composit.types import LazyTensor
from flashlight.inputs import copied_input
from flashlight.operations.arguments import aten, cast
from flashlight.table import Call, register


@register(aten.native_dropout)
def _native_dropout(call: Call, x: LazyTensor, p: float, train: bool | None) -> tuple[LazyTensor, LazyTensor]:
    _, mask = call.result
    assert isinstance(mask, torch.Tensor)
    kept = copied_input(mask)
    if train is False or p == 0:
        return x, kept
    if x.dtype.kind == "c":
        return x * kept * (0.0 if p == 1 else 1 / (1 - p)), kept
    return nn.dropout(x, p, mask=kept), kept


@register(aten.native_dropout_backward)
def _native_dropout_backward(call: Call, g: LazyTensor, mask: LazyTensor, scale: float) -> LazyTensor:
    # torch multiplies: infinities and NaN go through.
    return g * cast(mask, g.dtype) * scale
