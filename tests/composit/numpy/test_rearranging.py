"""Padding, flipping, rolling, tiling and triangles, against numpy."""

import numpy as np
import pytest

import composit as cnp
from tests.composit.numpy.comparison import Words, assert_close, assert_derivative, assert_same, assert_same_error

X = np.arange(12.0).reshape(3, 4)
CUBE = np.arange(24).reshape(2, 3, 4)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.pad(X, 1),
        lambda xp: xp.pad(X, (1, 2)),
        lambda xp: xp.pad(X, ((1, 0), (0, 3))),
        lambda xp: xp.pad(X, {-1: (1, 2)}),
        lambda xp: xp.pad(X, 2, constant_values=7),
        lambda xp: xp.pad(X, 1, constant_values=((1, 2), (3, 4))),
        lambda xp: xp.pad(CUBE, ((0, 0), (1, 1), (2, 0)), mode="edge"),
        lambda xp: xp.pad(X, 2, mode="reflect"),
        lambda xp: xp.pad(X, 7, mode="reflect"),
        lambda xp: xp.pad(X, 5, mode="symmetric"),
        lambda xp: xp.pad(X, 5, "wrap"),
        lambda xp: xp.pad(X, 1, "mean"),
        lambda xp: xp.pad(X, 2, "linear_ramp"),
        lambda xp: xp.flip(X),
        lambda xp: xp.flip(CUBE, (0, -1)),
        lambda xp: xp.flipud(X),
        lambda xp: xp.fliplr(X),
        lambda xp: xp.roll(X, 1),
        lambda xp: xp.roll(X, -5),
        lambda xp: xp.roll(X, 2, axis=1),
        lambda xp: xp.roll(X, (1, -1), axis=(0, 1)),
        lambda xp: xp.roll(X, 1, axis=(0, 1)),
        lambda xp: xp.roll(np.zeros((0, 2)), 1, axis=0),
        lambda xp: xp.rot90(X),
        lambda xp: xp.rot90(X, 2),
        lambda xp: xp.rot90(X, -1),
        lambda xp: xp.rot90(X, 4),
        lambda xp: xp.rot90(CUBE, 1, (2, 0)),
        lambda xp: xp.tile(X, 2),
        lambda xp: xp.tile(X, (2, 1, 3)),
        lambda xp: xp.tile(CUBE, (2,)),
        lambda xp: xp.tile(3, 4),
        lambda xp: xp.repeat(X, 2),
        lambda xp: xp.repeat(X, 3, axis=1),
        lambda xp: xp.repeat(X, [1, 0, 2], axis=0),
        lambda xp: xp.repeat(3, 4),
        lambda xp: xp.resize(X, (5, 3)),
        lambda xp: xp.tril(X),
        lambda xp: xp.tril(CUBE, -1),
        lambda xp: xp.triu(X, 1),
        lambda xp: xp.triu(np.arange(3)),
        lambda xp: xp.diag(X),
        lambda xp: xp.diag(X, -1),
        lambda xp: xp.diag([1, 2, 3], 2),
        lambda xp: xp.diag([1, 2, 3], -1),
        lambda xp: xp.diagflat(X[:2, :2]),
    ],
)
def test_rearranging_is_numpys(words: Words) -> None:
    (assert_close if "mean" in words.__code__.co_consts else assert_same)(words)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.pad(X, -1),
        lambda xp: xp.pad(X, 1.5),
        lambda xp: xp.pad(np.zeros((0, 2)), 1, mode="edge"),
        lambda xp: xp.flipud(3.0),
        lambda xp: xp.fliplr(np.ones(3)),
        lambda xp: xp.flip(X, 2),
        lambda xp: xp.roll(X, 1, axis=2),
        lambda xp: xp.rot90(X, axes=(0, 1, 2)[:1]),
        lambda xp: xp.repeat(X, [1, 2], axis=0),
        lambda xp: xp.repeat(X, -1),
        lambda xp: xp.diag(CUBE),
    ],
)
def test_errors_are_of_numpys_class(words: Words) -> None:
    assert_same_error(words)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: cnp.pad(x, ((1, 2), (0, 3)), constant_values=5.0),
        lambda x: cnp.pad(x, 2, mode="reflect"),
        lambda x: cnp.pad(x, 5, mode="wrap"),
        lambda x: cnp.flip(x),
        lambda x: cnp.roll(x, 3),
        lambda x: cnp.tile(x, (2, 3)),
        lambda x: cnp.repeat(x, [1, 0, 2], axis=0),
        lambda x: cnp.repeat(x, 2),
        lambda x: cnp.tril(x, 1) + cnp.triu(x),
        lambda x: cnp.diag(x[0], -1),
    ],
)
def test_derivatives_are_those_of_finite_differences(function: Words) -> None:
    assert_derivative(lambda x: function(cnp.asarray(x)), X)


def test_masks_are_values_so_equal_triangles_are_one_expression() -> None:
    x = cnp.asarray(X)
    assert cnp.tril(x).node == cnp.tril(x).node
    assert cnp.tri(3).node != cnp.tri(3).node
