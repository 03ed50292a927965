"""First values of parameters: their distribution against torch's bounds, and that seeds repeat them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import composit.numpy as cnp
from composit.errors import ParameterError, ShapeError
from composit.nn import initializers

SHAPE = (200, 50, 3, 2)
ROWS: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    (initializers.xavier_uniform, torch.nn.init.xavier_uniform_),
    (initializers.xavier_normal, torch.nn.init.xavier_normal_),
    (initializers.kaiming_uniform, lambda x: torch.nn.init.kaiming_uniform_(x, nonlinearity="relu")),
    (initializers.kaiming_normal, lambda x: torch.nn.init.kaiming_normal_(x, nonlinearity="relu")),
    (initializers.lecun_normal, lambda x: torch.nn.init.kaiming_normal_(x, nonlinearity="linear")),
]


@pytest.mark.parametrize(("ours", "theirs"), ROWS)
def test_the_distributions_are_torchs(ours: Any, theirs: Any) -> None:
    given, expected = np.asarray(ours(SHAPE, seed=0)), theirs(torch.empty(SHAPE)).numpy()
    assert given.dtype == np.float32
    # The standard error of a deviation of 60,000 numbers is 0.3%.
    np.testing.assert_allclose(given.std(), expected.std(), rtol=0.015)
    assert abs(given.mean()) < 0.02 * given.std()
    is_uniform = "uniform" in ours.__name__
    assert (np.abs(given).max() / given.std() < 1.74) == is_uniform
    np.testing.assert_array_equal(given, np.asarray(ours(SHAPE, seed=0)))
    turned = np.asarray(ours(SHAPE[::-1], seed=0, in_axis=-2, out_axis=-1))
    np.testing.assert_allclose(turned.std(), expected.std(), rtol=0.015)


def test_orthogonal_matrices_are_orthogonal() -> None:
    for shape in ((3, 5), (5, 3), (4, 2, 2)):
        matrix = np.asarray(initializers.orthogonal(shape, seed=1, gain=2.0, dtype=np.float64)).reshape(shape[0], -1)
        small = matrix @ matrix.T if shape[0] <= matrix.shape[1] else matrix.T @ matrix
        np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)


def test_a_generator_gives_several_parameters_in_turn() -> None:
    generator = np.random.default_rng(0)
    first, second = (np.asarray(initializers.normal((4,), seed=generator)) for _ in range(2))
    assert not np.array_equal(first, second)
    drawn = cnp.random.default_rng(5)
    assert initializers.uniform((3,), seed=drawn).shape == (3,)
    cut = np.asarray(initializers.truncated_normal((5000,), deviation=3.0, low=-1.0, high=4.0, seed=0))
    assert cut.min() >= -1
    assert cut.max() <= 4
    assert np.asarray(initializers.constant((2,), 3.0)).tolist() == [3, 3]


def test_gains_are_torchs() -> None:
    for name in ("linear", "sigmoid", "tanh", "relu", "selu"):
        assert initializers.gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert initializers.gain("leaky_relu", 0.2) == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.2))
    assert initializers.gain("relu") == math.sqrt(2)


def test_bad_arguments_are_errors() -> None:
    with pytest.raises(ParameterError, match="'swish' was given"):
        initializers.gain("swish")
    with pytest.raises(ShapeError, match="use normal or uniform for biases"):
        initializers.xavier_normal((3,), seed=0)
    with pytest.raises(ShapeError, match="two axes or more"):
        initializers.orthogonal((3,), seed=0)
    with pytest.raises(ParameterError, match="move them towards the mean"):
        initializers.truncated_normal((3,), low=8.0, high=9.0, seed=0)
