"""Dropout and draws: means, masks, seeds, generators, derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.errors import ParameterError, ShapeError
from composit.nn import chain_rule, operations

Function = Callable[..., Any]
DROPOUTS = [operations.dropout, operations.alpha_dropout, operations.feature_dropout, operations.feature_alpha_dropout]


@pytest.mark.parametrize("function", DROPOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shape_and_dtype_stay_and_seeds_repeat(function: Function, dtype: type) -> None:
    x = np.random.default_rng(0).normal(size=(20, 30, 4)).astype(dtype)
    first, second, other = cnp.evaluate(*(function(x, 0.5, seed=seed) for seed in (1, 1, 2)))
    assert (first.shape, first.dtype) == (x.shape, dtype)
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


@pytest.mark.parametrize("function", [operations.dropout, operations.alpha_dropout])
def test_mean_and_variance_are_those_that_are_promised(function: Function) -> None:
    x = np.random.default_rng(0).normal(size=100_000)
    result = cnp.evaluate(function(x, 0.3, seed=0))
    # Five standard deviations of a mean of 100,000 numbers of variance about 1.
    assert abs(result.mean()) < 5 / np.sqrt(x.size) * 1.3
    expected = 1 / 0.7 if function is operations.dropout else 1.0
    assert abs(result.var() - expected) < 0.05


def test_elements_are_dropped_with_the_rate_and_the_others_scaled() -> None:
    result = cnp.evaluate(operations.dropout(np.ones(100_000), 0.25, seed=0))
    assert set(np.unique(result)) == {0.0, 1 / 0.75}
    assert abs((result == 0).mean() - 0.25) < 0.01


def test_features_are_dropped_whole() -> None:
    result = cnp.evaluate(operations.feature_dropout(np.ones((50, 40, 3, 2)), 0.5, seed=0))
    assert ((result == result[:, :, :1, :1]).all(axis=(2, 3))).all()
    assert 0.4 < (result[:, :, 0, 0] == 0).mean() < 0.6


@pytest.mark.parametrize("function", DROPOUTS)
def test_a_rate_of_0_changes_nothing_and_of_1_leaves_nothing(function: Function) -> None:
    x = cnp.asarray(np.arange(1.0, 7).reshape(1, 2, 3))
    kept, gone = function(x, 0.0, seed=0), function(x, 1.0, seed=0)
    np.testing.assert_allclose(cnp.evaluate(kept), cnp.evaluate(x))
    assert not cnp.evaluate(gone).any()
    assert not cnp.evaluate(*chain_rule({gone: gone}, [x])).any()


def test_the_derivative_uses_the_mask_of_the_value() -> None:
    x = cnp.asarray(np.ones(1000))
    y = operations.dropout(x, 0.5, seed=3)
    (gradient,) = chain_rule({y: y}, [x])
    np.testing.assert_array_equal(*cnp.evaluate(y, gradient))


def test_a_mask_may_be_given_and_is_a_named_input_of_the_graph() -> None:
    mask = operations.dropout_mask((4, 5), 0.5, seed=0)
    x = np.ones((4, 5))
    np.testing.assert_array_equal(cnp.evaluate(operations.dropout(x, 0.5, mask=mask)), cnp.evaluate(mask) * 2.0)
    drawn = operations.dropout(x, 0.5, seed=0)
    np.testing.assert_array_equal(cnp.evaluate(drawn), cnp.evaluate(mask) * 2.0)
    assert "dropout" in [node.name for node in drawn.graph]


@pytest.mark.parametrize("make", [np.random.default_rng, cnp.random.default_rng])
def test_a_generator_goes_on(make: Callable[[int], Any]) -> None:
    generator = make(5)
    first, second = (cnp.evaluate(operations.dropout(np.ones(100), seed=generator)) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(first, cnp.evaluate(operations.dropout(np.ones(100), seed=make(5))))


def test_bernoulli_has_the_chances_and_the_dtype_of_its_operand() -> None:
    chances = np.repeat(np.float32([0.0, 0.2, 0.9, 1.0]), 20_000).reshape(4, -1)
    result = cnp.evaluate(operations.bernoulli(chances, seed=0))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.mean(axis=1), [0, 0.2, 0.9, 1], atol=0.01)


@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial_draws_in_proportion(replacement: bool) -> None:
    chances = np.broadcast_to(np.array([1.0, 0.0, 3.0, 4.0]), (20_000, 4))
    result = cnp.evaluate(operations.multinomial(chances, 1, seed=0, replacement=replacement))
    assert (result.shape, result.dtype) == ((20_000, 1), np.int64)
    np.testing.assert_allclose(np.bincount(result[:, 0], minlength=4) / 20_000, [0.125, 0, 0.375, 0.5], atol=0.02)


def test_multinomial_without_replacement_draws_no_position_twice() -> None:
    result = cnp.evaluate(operations.multinomial(np.ones((500, 6)), 6, seed=0))
    np.testing.assert_array_equal(np.sort(result, axis=1), np.broadcast_to(np.arange(6), (500, 6)))


def test_compiled_values_are_those_of_numpy() -> None:
    x = cnp.asarray(np.random.default_rng(0).normal(size=(6, 8)))
    results = [function(x, 0.5, seed=0) for function in DROPOUTS]
    for one, other in zip(cnp.evaluate(results), cnp.evaluate(results, backend="mosaic"), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_wrong_calls_say_what_to_do() -> None:
    with pytest.raises(ParameterError, match="dropout_mask: rate=2 was given; expected a probability"):
        operations.dropout_mask((2,), 2, seed=0)
    with pytest.raises(ShapeError, match=r"dropout: mask has shape \(2,\) .* expected booleans of shape \(3,\)"):
        operations.dropout(np.ones(3), mask=[True, False])
    with pytest.raises(ShapeError, match=r"feature_dropout: x has shape \(3,\); expected \(n, channels, ...\)"):
        operations.feature_dropout(np.ones(3), seed=0)
    with pytest.raises(ParameterError, match="multinomial: num_samples=4 was given for 3 positions"):
        operations.multinomial(np.ones(3), 4, seed=0)
