"""Scaled dot-product attention, in all the forms in which torch dispatches it."""

from __future__ import annotations

import math

import numpy as np

import composit.numpy as cnp
from composit.types import LazyTensor
from flashlight.operations.activations import masked_softmax_of, softmax_of
from flashlight.operations.arguments import aten
from flashlight.table import Call, register


@register(aten.scaled_dot_product_attention)
def _attention(
    call: Call,
    query: LazyTensor,
    key: LazyTensor,
    value: LazyTensor,
    attn_mask: LazyTensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> object:
    if dropout_p > 0 or enable_gqa:
        return NotImplemented
    return _weights(_scores(query, key, attn_mask, is_causal, scale), attn_mask) @ value


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
) -> tuple[LazyTensor, LazyTensor]:
    scores = _scores(query, key, attn_mask, is_causal, scale)
    # The second result is for torch's backward pass: log(sum(exp(scores))) along each row.
    largest = cnp.max(scores, axis=-1)
    exponentials = cnp.exp(scores - cnp.expand_dims(largest, -1))
    return _weights(scores, attn_mask) @ value, largest + cnp.log(cnp.sum(exponentials, axis=-1))


def _scores(
    query: LazyTensor, key: LazyTensor, mask: LazyTensor | None, is_causal: bool, scale: float | None
) -> LazyTensor:
    factor = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query @ cnp.swapaxes(key, -1, -2)) * factor
    if is_causal:
        return cnp.where(np.tri(scores.shape[-2], scores.shape[-1], dtype=np.bool_), scores, -np.inf)
    if mask is None:
        return scores
    return cnp.where(mask, scores, -np.inf) if mask.dtype == np.bool_ else scores + mask


def _weights(scores: LazyTensor, mask: LazyTensor | None) -> LazyTensor:
    return softmax_of(scores, -1) if mask is None else masked_softmax_of(scores, -1)
