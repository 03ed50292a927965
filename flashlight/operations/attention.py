"""Scaled dot-product attention in the fused forms of torch's dispatcher; its other forms reach the table as products and softmax."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

import composit.numpy as cnp
from composit import nn
from composit.types import LazyTensor
from flashlight.operations.arguments import aten, cast, pulled_back
from flashlight.table import Call, register


@register(aten._scaled_dot_product_flash_attention_for_cpu)
def _flash_attention(
    call: Call,
    query: LazyTensor,
    key: LazyTensor,
    value: LazyTensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    attn_mask: LazyTensor | None = None,
    scale: float | None = None,
) -> list[LazyTensor]:
    attended = _attended(query, key, value, attn_mask, is_causal, scale)
    groups = query.shape[-3] // key.shape[-3]
    keys = key if groups == 1 else cnp.repeat(key, groups, axis=-3)
    return [cast(attended, call.dtype), _logsumexp(query, keys, attn_mask, is_causal, scale)]


def _attended(
    query: LazyTensor,
    key: LazyTensor,
    value: LazyTensor,
    mask: LazyTensor | None,
    is_causal: bool,
    scale: float | None,
) -> LazyTensor:
    # Several heads of the query may share one of key and value.
    is_grouped = query.shape[-3] != key.shape[-3]
    return nn.scaled_dot_product_attention(
        query, key, value, mask, causal=is_causal, scale=scale, grouped_queries=is_grouped
    )


def _logsumexp(
    query: LazyTensor, key: LazyTensor, mask: LazyTensor | None, is_causal: bool, scale: float | None
) -> LazyTensor:
    """Return log(sum(exp(scores))) along each row, which torch saves for its backward pass."""
    factor = 1 / math.sqrt(max(query.shape[-1], 1)) if scale is None else scale
    scores = (query * factor) @ cnp.swapaxes(key, -1, -2)
    if is_causal:
        scores = cnp.where(np.tri(*scores.shape[-2:], dtype=np.bool_), scores, -np.inf)
    if mask is not None:
        scores = cnp.where(mask, scores, -np.inf) if mask.dtype == np.bool_ else scores + mask
    return nn.logsumexp(scores, -1)


@register(aten._scaled_dot_product_flash_attention_for_cpu_backward)
def _flash_attention_backward(
    call: Call,
    g: LazyTensor,
    query: LazyTensor,
    key: LazyTensor,
    value: LazyTensor,
    out: LazyTensor,
    logsumexp: LazyTensor,
    dropout_p: float,
    is_causal: bool,
    attn_mask: LazyTensor | None = None,
    scale: float | None = None,
) -> Sequence[LazyTensor]:
    def forward(query: LazyTensor, key: LazyTensor, value: LazyTensor) -> LazyTensor:
        return _attended(query, key, value, attn_mask, is_causal, scale)

    return pulled_back(forward, (query, key, value), g)
