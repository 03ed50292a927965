"""The fused layers of torch's own transformer in evaluation, which work on padded and on nested tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

import composit.numpy as cnp
from composit import nn
from composit.types import LazyTensor
from flashlight.nested import NestedTensor
from flashlight.operations.arguments import aten
from flashlight.table import Call, register

# What `mask_type` says of the mask: attention from each place to each, or the padding of the keys.
_FROM_PLACE_TO_PLACE, _PADDING = 0, 1


@register(aten._nested_tensor_from_mask)
def _nested_from_mask(call: Call, x: LazyTensor, mask: LazyTensor, mask_check: bool = True) -> NestedTensor:
    return NestedTensor(x, mask)


@register(aten.to_padded_tensor)
def _to_padded(call: Call, x: NestedTensor, padding: float, output_size: Sequence[int] | None = None) -> LazyTensor:
    is_kept = _spread(x.is_kept, x.padded)
    whole = cnp.where(is_kept, x.padded, x.padded.dtype.type(padding))
    # Without `output_size` torch returns the longest length that is kept.
    part: LazyTensor = whole[tuple(slice(0, length) for length in call.shape)]
    return part


def _spread(mask: LazyTensor, x: LazyTensor) -> LazyTensor:
    return cnp.reshape(mask, mask.shape + (1,) * (x.ndim - mask.ndim))


@register(aten._transformer_encoder_layer_fwd)
def _encoder_layer(
    call: Call,
    source: LazyTensor | NestedTensor,
    embed_dim: int,
    num_heads: int,
    qkv_weight: LazyTensor,
    qkv_bias: LazyTensor,
    projection: LazyTensor,
    projection_bias: LazyTensor,
    use_gelu: bool,
    norm_first: bool,
    eps: float,
    norm_weight_1: LazyTensor,
    norm_bias_1: LazyTensor,
    norm_weight_2: LazyTensor,
    norm_bias_2: LazyTensor,
    weight_1: LazyTensor,
    bias_1: LazyTensor,
    weight_2: LazyTensor,
    bias_2: LazyTensor,
    mask: LazyTensor | None = None,
    mask_type: int | None = None,
) -> LazyTensor | NestedTensor:
    x = source.padded if isinstance(source, NestedTensor) else source
    excluded = _excluded_keys(source, mask, mask_type)

    def attend(x: LazyTensor) -> LazyTensor:
        attended, _ = _attention(x, x, x, num_heads, qkv_weight, qkv_bias, excluded)
        return attended @ projection.T + projection_bias

    def feed_forward(x: LazyTensor) -> LazyTensor:
        inner = x @ weight_1.T + bias_1
        return (nn.gelu(inner) if use_gelu else nn.relu(inner)) @ weight_2.T + bias_2

    def first_norm(x: LazyTensor) -> LazyTensor:
        return nn.layer_norm(x, norm_weight_1, norm_bias_1, epsilon=eps)

    def second_norm(x: LazyTensor) -> LazyTensor:
        return nn.layer_norm(x, norm_weight_2, norm_bias_2, epsilon=eps)

    if norm_first:
        x = x + attend(first_norm(x))
        x = x + feed_forward(second_norm(x))
    else:
        x = first_norm(x + attend(x))
        x = second_norm(x + feed_forward(x))
    return NestedTensor(x, source.is_kept) if isinstance(source, NestedTensor) else x


@register(aten._native_multi_head_attention)
def _multi_head_attention(
    call: Call,
    query: LazyTensor | NestedTensor,
    key: LazyTensor | NestedTensor,
    value: LazyTensor | NestedTensor,
    embed_dim: int,
    num_heads: int,
    qkv_weight: LazyTensor,
    qkv_bias: LazyTensor,
    projection: LazyTensor,
    projection_bias: LazyTensor,
    mask: LazyTensor | None = None,
    need_weights: bool = True,
    average_attn_weights: bool = True,
    mask_type: int | None = None,
) -> object:
    excluded = _excluded_keys(key, mask, mask_type)
    padded = [x.padded if isinstance(x, NestedTensor) else x for x in (query, key, value)]
    attended, weights = _attention(padded[0], padded[1], padded[2], num_heads, qkv_weight, qkv_bias, excluded)
    result = attended @ projection.T + projection_bias
    if need_weights and average_attn_weights:
        weights = cnp.mean(weights, axis=1)
    first = NestedTensor(result, query.is_kept) if isinstance(query, NestedTensor) else result
    # torch returns an undefined tensor, None in Python, where nobody needs the weights.
    return first, weights if need_weights else None


def _excluded_keys(
    source: LazyTensor | NestedTensor, mask: LazyTensor | None, mask_type: int | None
) -> LazyTensor | None:
    """Return which keys get no attention, of a shape that broadcasts to (batch, heads, queries, keys)."""
    if isinstance(source, NestedTensor):
        return cnp.expand_dims(~source.is_kept, (1, 2))
    if mask is None:
        return None
    if mask_type == _PADDING:
        return cnp.expand_dims(mask, (1, 2))
    return mask if mask_type == _FROM_PLACE_TO_PLACE or mask.ndim == 4 else cnp.reshape(mask, (1, 1, *mask.shape[-2:]))


def _attention(
    query: LazyTensor,
    key: LazyTensor,
    value: LazyTensor,
    num_heads: int,
    weight: LazyTensor,
    bias: LazyTensor,
    excluded: LazyTensor | None,
) -> tuple[LazyTensor, LazyTensor]:
    q, k, v = (
        _heads(x @ part.T + part_bias, num_heads)
        for x, part, part_bias in zip((query, key, value), cnp.split(weight, 3), cnp.split(bias, 3), strict=True)
    )
    scores = (q / math.sqrt(q.shape[-1])) @ cnp.swapaxes(k, -1, -2)
    if excluded is not None:
        scores = cnp.where(excluded, -np.inf, scores)
    exponentials = cnp.exp(scores - cnp.max(scores, axis=-1, keepdims=True))
    weights = exponentials / cnp.sum(exponentials, axis=-1, keepdims=True)
    merged = cnp.swapaxes(weights @ v, 1, 2)
    return cnp.reshape(merged, query.shape), weights


def _heads(x: LazyTensor, count: int) -> LazyTensor:
    batch, length, width = x.shape
    return cnp.swapaxes(cnp.reshape(x, (batch, length, count, width // count)), 1, 2)
