"""Attention against torch's, with masks, causality, grouped queries and broadcasting; and the blocks built on it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import composit as cnp
from composit.errors import DtypeError, ParameterError, ShapeError
from composit.nn import chain_rule, layers
from tests.composit.nn.rows import Row, check_derivatives, check_in_c, check_values, identifier
from tests.operations.sample import Maker, given, normal

Tensor = Any
attention = layers.scaled_dot_product_attention
VISIBLE = np.array([[1, 0, 1, 1, 0], [0, 1, 0, 0, 1], [1, 1, 1, 1, 1]], bool)
HIDDEN = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], bool)


def _operands(*leading: int) -> tuple[Maker, Maker, Maker]:
    return normal(*leading, 3, 4), normal(*leading, 5, 4), normal(*leading, 5, 2)


def _torch_causal_and_masked(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    causal = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool).tril()
    return F.scaled_dot_product_attention(query, key, value, mask & causal)


def _torch_multi_head(x: Tensor, mask: Tensor, *parameters: Tensor, heads: int) -> Tensor:
    split = [
        (x @ weight + bias).unflatten(-1, (heads, -1)).transpose(1, 2)
        for weight, bias in zip(parameters[0:6:2], parameters[1:6:2], strict=True)
    ]
    context = F.scaled_dot_product_attention(*split, mask)
    return context.transpose(1, 2).flatten(2) @ parameters[6] + parameters[7]


def _torch_feedforward(x: Tensor, *parameters: Tensor) -> Tensor:
    first, first_bias, second, second_bias = parameters
    return F.gelu(x @ first + first_bias) @ second + second_bias


ROWS = [
    Row("attention", attention, F.scaled_dot_product_attention, _operands(2, 3)),
    Row("attention of matrices", attention, F.scaled_dot_product_attention, _operands()),
    Row("attention of a mask", attention, F.scaled_dot_product_attention, (*_operands(2), given(VISIBLE))),
    Row(
        "attention of a mask that hides all keys",
        attention,
        F.scaled_dot_product_attention,
        (*_operands(2), given(HIDDEN)),
    ),
    Row("attention of added numbers", attention, F.scaled_dot_product_attention, (*_operands(2), normal(3, 5))),
    Row(
        "attention of minus infinities",
        attention,
        F.scaled_dot_product_attention,
        (*_operands(2), given(np.where(HIDDEN, 0.5, -np.inf))),
    ),
    Row(
        "attention of a mask for each head",
        attention,
        F.scaled_dot_product_attention,
        (*_operands(2, 3), normal(2, 1, 3, 5)),
    ),
    Row(
        "attention causal",
        partial(attention, causal=True),
        partial(F.scaled_dot_product_attention, is_causal=True),
        _operands(2),
    ),
    Row(
        "attention causal of more queries than keys",
        partial(attention, causal=True),
        partial(F.scaled_dot_product_attention, is_causal=True),
        (normal(2, 5, 4), normal(2, 3, 4), normal(2, 3, 2)),
    ),
    Row(
        "attention causal and masked",
        partial(attention, causal=True),
        _torch_causal_and_masked,
        (*_operands(2), given(VISIBLE)),
    ),
    Row(
        "attention of a scale",
        partial(attention, scale=0.3),
        partial(F.scaled_dot_product_attention, scale=0.3),
        _operands(2),
    ),
    Row(
        "attention of broadcast operands",
        attention,
        F.scaled_dot_product_attention,
        (normal(2, 1, 3, 4), normal(1, 3, 5, 4), normal(3, 5, 2)),
    ),
    Row(
        "attention of grouped queries",
        partial(attention, grouped_queries=True),
        partial(F.scaled_dot_product_attention, enable_gqa=True),
        (normal(2, 6, 3, 4), normal(2, 2, 5, 4), normal(2, 2, 5, 3)),
    ),
    Row(
        "attention of grouped queries and a mask",
        partial(attention, grouped_queries=True),
        partial(F.scaled_dot_product_attention, enable_gqa=True),
        (normal(2, 6, 3, 4), normal(2, 2, 5, 4), normal(2, 2, 5, 3), normal(2, 6, 3, 5)),
    ),
    Row(
        "attention of grouped queries and a mask for all heads",
        partial(attention, grouped_queries=True, causal=False),
        partial(F.scaled_dot_product_attention, enable_gqa=True),
        (normal(2, 6, 3, 4), normal(2, 2, 5, 4), normal(2, 2, 5, 3), given(HIDDEN)),
    ),
    Row(
        "attention of no queries",
        attention,
        F.scaled_dot_product_attention,
        (normal(2, 0, 4), normal(2, 5, 4), normal(2, 5, 2)),
    ),
    Row(
        "multi_head_attention",
        partial(layers.multi_head_attention, head_size=2),
        partial(_torch_multi_head, heads=3),
        (normal(2, 5, 6), normal(2, 1, 1, 5), *(normal(6, 6), normal(6)) * 4),
    ),
    Row(
        "multi_head_attention of another width",
        partial(layers.multi_head_attention, head_size=4),
        partial(_torch_multi_head, heads=2),
        (normal(2, 5, 6), normal(5, 5), *(normal(6, 8), normal(8)) * 3, normal(8, 3), normal(3)),
    ),
    Row(
        "feedforward",
        layers.feedforward,
        _torch_feedforward,
        (normal(2, 3, 4), normal(4, 8), normal(8), normal(8, 5), normal(5)),
    ),
]
every_row = pytest.mark.parametrize("row", ROWS, ids=identifier)


@every_row
def test_values_are_torchs(row: Row) -> None:
    check_values(row)


@every_row
def test_derivatives_are_torchs(row: Row) -> None:
    check_derivatives(row)


def test_all_is_computed_in_c() -> None:
    check_in_c(ROWS)


def test_weights_of_keys_are_dropped_by_a_mask_or_a_seed() -> None:
    generator = np.random.default_rng(0)
    query, key, value = generator.normal(size=(3, 4)), generator.normal(size=(5, 4)), generator.normal(size=(5, 2))
    scores = torch.tensor(query @ key.T / 2).softmax(-1).numpy()
    expected = (scores * VISIBLE / 0.75) @ value
    found = attention(query, key, value, dropout_rate=0.25, dropout_mask=VISIBLE)
    np.testing.assert_allclose(cnp.evaluate(found), expected, rtol=1e-12)
    same = [attention(query, key, value, dropout_rate=0.25, seed=1) for _ in range(2)]
    np.testing.assert_array_equal(*cnp.evaluate(*same))


def test_a_query_without_keys_has_no_gradient_and_no_nan() -> None:
    generator = np.random.default_rng(0)
    query, key, value = (cnp.asarray(generator.normal(size=shape)) for shape in ((3, 4), (5, 4), (5, 2)))
    result = attention(query, key, value, HIDDEN)
    gradients = cnp.evaluate(chain_rule({result: result}, [query, key, value]))
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    assert not gradients[0][1].any()


def _parameters_of(generator: np.random.Generator, inputs: int, outputs: int, kernel: int) -> list[np.ndarray]:
    """Return filters, running mean, running variance, weight and bias."""
    filters = generator.normal(size=(outputs, inputs, kernel, kernel)) * 0.3
    return [filters, generator.normal(size=outputs), *generator.uniform(0.5, 2, (3, outputs))]


def _torch_module(x: Tensor, parts: list[list[Tensor]], strides: int) -> Tensor:
    def layer(x: Tensor, part: list[Tensor], **named: int) -> Tensor:
        return F.batch_norm(F.conv2d(x, part[0], **named), *part[1:])

    right = F.relu(layer(x, parts[0]))
    right = layer(F.relu(layer(right, parts[1], stride=strides, padding=1)), parts[2])
    return F.relu(right + (layer(x, parts[3], stride=strides) if len(parts) > 3 else x))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("strides", [1, 2])
def test_the_module_of_resnet_is_torchs(strides: int, channels_last: bool) -> None:
    generator = np.random.default_rng(0)
    parts = [_parameters_of(generator, *shape) for shape in ((4, 2, 1), (2, 2, 3), (2, 4, 1))]
    if strides == 2:
        parts.append(_parameters_of(generator, 4, 4, 1))
    x = generator.normal(size=(2, 4, 6, 6))
    expected = _torch_module(torch.tensor(x), [list(map(torch.tensor, part)) for part in parts], strides).numpy()
    given = [np.moveaxis(each, 1, -1) if channels_last and each.ndim == 4 else each for part in parts for each in part]
    operand = np.moveaxis(x, 1, -1) if channels_last else x
    absent = [None] * 5 * (4 - len(parts))
    result = cnp.evaluate(layers.resnet_module(operand, *given, *absent, channels_last, (strides, strides)))
    np.testing.assert_allclose(
        np.moveaxis(result, -1, 1) if channels_last else result, expected, rtol=1e-10, atol=1e-12
    )


def test_wrong_calls_say_what_to_do() -> None:
    matrix = np.ones((3, 4))
    with pytest.raises(ShapeError, match=r"query, key and value have shapes \(3, 4\), \(3, 4\) and \(5, 4\); expected"):
        attention(matrix, matrix, np.ones((5, 4)))
    with pytest.raises(ShapeError, match=r"attention_mask has shape \(2, 2\) for scores with shape \(3, 3\)"):
        attention(matrix, matrix, matrix, np.ones((2, 2)))
    with pytest.raises(DtypeError, match="with dtype int64; expected booleans, or floats that are added to the scores"):
        attention(matrix, matrix, matrix, np.ones((3, 3), np.int64))
    with pytest.raises(ParameterError, match="those of key and value dividing those of query"):
        attention(np.ones((3, 3, 4)), np.ones((2, 3, 4)), np.ones((2, 3, 4)), grouped_queries=True)
    weight, bias = np.ones((4, 4)), np.ones(4)
    with pytest.raises(ParameterError, match="head_size=3 was given for a width of 4"):
        layers.multi_head_attention(np.ones((1, 2, 4)), None, *(weight, bias) * 4, head_size=3)
    with pytest.raises(ShapeError, match=r"hidden_states has shape \(3, 4\); expected \(batch, length, n\)"):
        layers.multi_head_attention(matrix, None, *(weight, bias) * 4, head_size=2)


def test_heads_attend_in_an_empty_batch() -> None:
    w, b = np.eye(4), np.zeros(4)
    attended = layers.multi_head_attention(np.ones((0, 3, 4)), None, w, b, w, b, w, b, w, b, head_size=2)
    assert (attended.shape, cnp.evaluate(attended).shape) == ((0, 3, 4), (0, 3, 4))
