"""Dropout: the identity outside of training; in training, the mask that torch drew is an input and is never drawn again.

Operations that only draw (rand, normal_, bernoulli) need no row: their results become inputs.
"""

from __future__ import annotations

import torch

from composit.types import LazyTensor
from flashlight.inputs import copied_input
from flashlight.operations.arguments import aten
from flashlight.table import Call, register


@register(aten.dropout, aten.feature_dropout, aten.alpha_dropout, aten.feature_alpha_dropout)
def _dropout(call: Call, x: LazyTensor, p: float, train: bool) -> object:
    return NotImplemented if train and p > 0 else x


@register(aten.native_dropout)
def _native_dropout(call: Call, x: LazyTensor, p: float, train: bool | None) -> tuple[LazyTensor, LazyTensor]:
    _, mask = call.result
    assert isinstance(mask, torch.Tensor)
    kept = copied_input(mask)
    if train is False or p == 0:
        return x, kept
    # Torch draws which elements stay and scales those by 1 / (1 - p).
    scale = 0.0 if p == 1 else 1.0 / (1.0 - p)
    return x * kept * scale, kept
