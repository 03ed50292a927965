"""Attention: scaled_dot_product_attention with torch's meaning of masks, causality and grouped queries, and multi_head_attention."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

import composit.numpy as cnp
from composit.apply import apply, input_of
from composit.errors import DtypeError, ParameterError, ShapeError
from composit.handle import described
from composit.nn.arguments import floating
from composit.nn.operations.exponentials import MaskedSoftmax, Softmax
from composit.nn.operations.random_choices import dropout
from composit.numpy.arguments.normalizing import TensorLike, broadcast_shapes, handle_of

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

# What is done to the weights of keys.
Dropped: TypeAlias = "Callable[[LazyTensor], LazyTensor]"

__all__ = ["multi_head_attention", "scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    attention_mask: TensorLike | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
    grouped_queries: bool = False,
    dropout_rate: float = 0.0,
    dropout_mask: TensorLike | None = None,
    seed: Any = None,
) -> LazyTensor:
    """Return softmax(query @ key^T * scale) @ value, over the last two axes.

    attention_mask:  booleans, true where a query may look at a key; or floats added to the scores
    causal:          query i sees keys 0 to i only, counted from the first key; together with a mask, both hold
    scale:           None is 1 / sqrt(length of the last axis)
    dropout_rate:    the weights of keys are dropped with this probability; mask and seed as for `dropout`
    grouped_queries: the heads (third axis from the end) of key and value are each shared by several heads of query

    Shapes:      (..., queries, n), (..., keys, n), (..., keys, m) -> (..., queries, m); leading axes and the mask's broadcast
    Dtype:       numpy promotion of the operands; integers become float64
    Derivative:  by query, key, value and a mask of numbers
    Raises:      ShapeError: the shapes do not fit; ParameterError: heads of key do not divide those of query
    Reference:   torch.nn.functional.scaled_dot_product_attention. A query whose mask hides all keys gets 0, as there
    Example:
        >>> import composit.numpy as cnp
        >>> query, key, value = np.ones((1, 2)), np.ones((2, 2)), np.array([[1.0], [3.0]])
        >>> cnp.evaluate(scaled_dot_product_attention(query, key, value))
        array([[2.]])
        >>> cnp.evaluate(scaled_dot_product_attention(query, key, value, [[False, False]]))
        array([[0.]])
    """
    name = "scaled_dot_product_attention"
    operands = [floating(name, each, what) for each, what in ((query, "query"), (key, "key"), (value, "value"))]
    _check_matrices(operands)
    mask = None if attention_mask is None else _number_or_truth(name, attention_mask)

    def dropped(weights: LazyTensor) -> LazyTensor:
        return dropout(weights, dropout_rate, seed=seed, mask=dropout_mask) if dropout_rate else weights

    if grouped_queries:
        return _grouped(operands, mask, causal, scale, dropped)
    return _attend(operands, mask, causal, scale, dropped)


def _attend(
    operands: list[LazyTensor], mask: LazyTensor | None, causal: bool, scale: float | None, dropped: Dropped
) -> LazyTensor:
    query, key, value = operands
    length = query.shape[-1]
    # The smaller array is scaled, not the scores.
    factor = 1 / math.sqrt(max(length, 1)) if scale is None else scale
    scores = (query * factor) @ cnp.swapaxes(key, -1, -2)
    if causal:
        # Not by adding minus infinity, which makes NaN of an infinite score.
        scores = cnp.where(_visible(scores), scores, -np.inf)
    if mask is None:
        # Each query sees at least the first key, so no row is empty.
        return dropped(apply(Softmax((scores.ndim - 1,)), scores)) @ value
    _check_mask(mask, scores)
    scores = cnp.where(mask, scores, -np.inf) if mask.dtype == np.bool else scores + mask
    return dropped(apply(MaskedSoftmax((scores.ndim - 1,)), scores)) @ value


def _visible(scores: LazyTensor) -> LazyTensor:
    """Return which keys each query sees: those on and below the diagonal."""
    return input_of(np.tri(*scores.shape[-2:], dtype=np.bool), "causal_mask")


def _number_or_truth(function: str, mask: TensorLike) -> LazyTensor:
    tensor = handle_of(mask)
    if tensor.dtype.kind in "iu":
        raise DtypeError(
            f"{function}: attention_mask is {described(tensor)} with dtype {tensor.dtype}; expected booleans, or floats that are added to"
            " the scores, since 1 could mean either; write mask.astype(bool) where 1 is a key that may be looked at"
        )
    return tensor if tensor.dtype == np.bool else floating(function, tensor, "attention_mask")


def _check_matrices(operands: list[LazyTensor]) -> None:
    query, key, value = operands
    fits = (
        min(each.ndim for each in operands) >= 2
        and query.shape[-1] == key.shape[-1]
        and key.shape[-2] == value.shape[-2]
    )
    if not fits:
        raise ShapeError(
            f"scaled_dot_product_attention: query, key and value have shapes {query.shape}, {key.shape} and {value.shape};"
            " expected (..., queries, n), (..., keys, n) and (..., keys, m); transpose or reshape them first"
        )


def _check_mask(mask: LazyTensor, scores: LazyTensor) -> None:
    try:
        fits = broadcast_shapes(mask.shape, scores.shape)[-2:] == scores.shape[-2:]
    except ShapeError:
        fits = False
    if not fits:
        raise ShapeError(
            f"scaled_dot_product_attention: attention_mask has shape {mask.shape} for scores with shape {scores.shape}; expected"
            " what broadcasts to (..., queries, keys); expand_dims it, for example with an axis for the heads"
        )


def _grouped(
    operands: list[LazyTensor], mask: LazyTensor | None, causal: bool, scale: float | None, dropped: Dropped
) -> LazyTensor:
    """Return attention whose heads of key and value are shared: the heads of query get an axis of their own, which broadcasts."""
    query, key, value = operands
    heads = [each.shape[-3] if each.ndim > 2 else 0 for each in operands]
    if not all(heads) or heads[0] % heads[1] or heads[0] % heads[2]:
        raise ParameterError(
            f"scaled_dot_product_attention: grouped_queries=True with query, key and value of shapes {query.shape}, {key.shape} and"
            f" {value.shape}; expected heads on the third axis from the end, those of key and value dividing those of query"
        )
    count = heads[0]
    shared = (
        [key, value]
        if heads[1] == heads[2]
        else [cnp.repeat(each, count // each.shape[-3], axis=-3) for each in (key, value)]
    )
    groups = count // shared[0].shape[-3]
    query = cnp.reshape(query, (*query.shape[:-3], count // groups, groups, *query.shape[-2:]))
    shared = [cnp.expand_dims(each, -3) for each in shared]
    if mask is not None and mask.ndim > 2:
        split = (count // groups, groups) if mask.shape[-3] == count else (mask.shape[-3], 1)
        mask = cnp.reshape(mask, (*mask.shape[:-3], *split, *mask.shape[-2:]))
    result = _attend([query, *shared], mask, causal, scale, dropped)
    return cnp.reshape(result, (*result.shape[:-4], count, *result.shape[-2:]))


def multi_head_attention(
    hidden_states: TensorLike,
    attention_mask: TensorLike | None,
    query_weight: TensorLike,
    query_bias: TensorLike | None,
    key_weight: TensorLike,
    key_bias: TensorLike | None,
    value_weight: TensorLike,
    value_bias: TensorLike | None,
    output_weight: TensorLike,
    output_bias: TensorLike | None,
    *,
    head_size: int,
    causal: bool = False,
) -> LazyTensor:
    """Return self-attention of hidden states, with several heads of `head_size` elements each.

    attention_mask: as for scaled_dot_product_attention: what broadcasts to (batch, heads, length, length), or None

    Shapes:      hidden_states (batch, length, n), weights of query, key and value (n, heads * head_size), output_weight
                 (heads * head_size, m), biases vectors or None -> (batch, length, m)
    Derivative:  by hidden_states, weights, biases, and a mask of numbers
    Raises:      ShapeError: shapes do not fit; ParameterError: head_size does not divide the width of query
    Reference:   Vaswani et al., Attention Is All You Need, 2017
    Example:
        >>> import composit.numpy as cnp
        >>> x, w, b = np.ones((1, 3, 4)), np.eye(4), np.zeros(4)
        >>> multi_head_attention(x, None, w, b, w, b, w, b, w, b, head_size=2).shape
        (1, 3, 4)
    """
    states = floating("multi_head_attention", hidden_states, "hidden_states")
    if states.ndim != 3:
        raise ShapeError(
            f"multi_head_attention: hidden_states has shape {states.shape}; expected (batch, length, n); reshape it first"
        )
    pairs = ((query_weight, query_bias), (key_weight, key_bias), (value_weight, value_bias))
    query, key, value = [_heads(states, weight, bias, head_size) for weight, bias in pairs]
    context = scaled_dot_product_attention(query, key, value, attention_mask, causal=causal)
    # The width by number: -1 says nothing about a batch of no sequences.
    width = context.shape[1] * context.shape[3]
    joined = cnp.reshape(cnp.transpose(context, (0, 2, 1, 3)), (*states.shape[:2], width))
    return _affine(joined, output_weight, output_bias)


def _affine(x: LazyTensor, weight: TensorLike, bias: TensorLike | None) -> LazyTensor:
    product = x @ floating("multi_head_attention", weight, "a weight")
    return product if bias is None else product + floating("multi_head_attention", bias, "a bias")


def _heads(states: LazyTensor, weight: TensorLike, bias: TensorLike | None, head_size: int) -> LazyTensor:
    projected = _affine(states, weight, bias)
    width = projected.shape[-1]
    if head_size < 1 or width % head_size:
        raise ParameterError(
            f"multi_head_attention: head_size={head_size} was given for a width of {width}; expected a number that divides it"
        )
    split = cnp.reshape(projected, (*states.shape[:2], width // head_size, head_size))
    return cnp.transpose(split, (0, 2, 1, 3))
