"""Axes moved, merged and split, against numpy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit as cnp
from tests.composit.numpy.comparison import Words, assert_derivative, assert_same, assert_same_error

X = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
ROW = np.arange(6)
SCALAR = np.float64(1.5)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.transpose(X),
        lambda xp: xp.transpose(X, (1, 0, 2)),
        lambda xp: xp.transpose(X, (-1, 0, 1)),
        lambda xp: xp.transpose(SCALAR),
        lambda xp: xp.permute_dims(X, [2, 1, 0]),
        lambda xp: xp.matrix_transpose(X),
        lambda xp: xp.swapaxes(X, 0, -1),
        lambda xp: xp.moveaxis(X, 0, -1),
        lambda xp: xp.moveaxis(X, (0, 1), (-1, 0)),
        lambda xp: xp.rollaxis(X, 2),
        lambda xp: xp.rollaxis(X, 0, 3),
        lambda xp: xp.reshape(X, (4, 6)),
        lambda xp: xp.reshape(X, (-1, 6)),
        lambda xp: xp.reshape(X, -1),
        lambda xp: xp.reshape(X, (3, 8), order="F"),
        lambda xp: xp.reshape(np.zeros((0, 3)), (-1, 3)),
        lambda xp: xp.reshape(np.ones(1), ()),
        lambda xp: xp.ravel(X),
        lambda xp: xp.ravel(X, order="F"),
        lambda xp: xp.ravel(SCALAR),
        lambda xp: xp.ravel(np.zeros((0, 2))),
        lambda xp: xp.broadcast_to(ROW, (2, 3, 6)),
        lambda xp: xp.broadcast_to(3.0, (2,)),
        lambda xp: xp.broadcast_to(ROW[:, None], (6, 0)),
        lambda xp: xp.broadcast_arrays(ROW, X[:, :, :1], 2),
        lambda xp: xp.expand_dims(X, 1),
        lambda xp: xp.expand_dims(X, (0, -1)),
        lambda xp: xp.expand_dims(SCALAR, ()),
        lambda xp: xp.squeeze(X[:1, :, :1]),
        lambda xp: xp.squeeze(X[:1, :, :1], -1),
        lambda xp: xp.squeeze(np.ones((1, 1))),
        lambda xp: xp.atleast_1d(3.0),
        lambda xp: xp.atleast_2d(ROW, X),
        lambda xp: xp.atleast_3d(ROW),
    ],
)
def test_movement_is_numpys(words: Words) -> None:
    assert_same(words)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.transpose(X, (0, 0, 1)),
        lambda xp: xp.transpose(X, (0, 1)),
        lambda xp: xp.transpose(X, (0, 1, 5)),
        lambda xp: xp.swapaxes(X, 0, 5),
        lambda xp: xp.moveaxis(X, 0, 5),
        lambda xp: xp.moveaxis(X, (0, 1), 0),
        lambda xp: xp.moveaxis(X, (0, 0), (0, 1)),
        lambda xp: xp.rollaxis(X, 0, 5),
        lambda xp: xp.matrix_transpose(ROW),
        lambda xp: xp.reshape(ROW, (4,)),
        lambda xp: xp.reshape(ROW, (-1, 4)),
        lambda xp: xp.reshape(ROW, (-1, -1)),
        lambda xp: xp.reshape(np.zeros((0, 3)), (0, -1)),
        lambda xp: xp.reshape(ROW, (1.5, 4)),
        lambda xp: xp.broadcast_to(X, (3, 2, 4)),
        lambda xp: xp.broadcast_to(X, (4,)),
        lambda xp: xp.broadcast_to(ROW, (-1, 6)),
        lambda xp: xp.expand_dims(X, 5),
        lambda xp: xp.expand_dims(X, (0, 0)),
        lambda xp: xp.squeeze(X, 0),
        lambda xp: xp.squeeze(X, 4),
        lambda xp: xp.squeeze(np.ones((1, 1)), (0, 0)),
    ],
)
def test_errors_are_numpys_and_come_at_the_call(words: Words) -> None:
    assert_same_error(words)


@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray])
@pytest.mark.parametrize("order", ["A", "C", "F"])
def test_an_order_that_depends_on_memory_is_numpys(layout: Callable[[Any], Any], order: str) -> None:
    laid_out = layout(X)
    expected = np.reshape(laid_out, (6, 4), order=order)
    np.testing.assert_array_equal(cnp.evaluate(cnp.reshape(cnp.asarray(laid_out), (6, 4), order=order)), expected)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: cnp.transpose(x, (2, 0, 1)),
        lambda x: cnp.reshape(x, (4, 6)),
        lambda x: cnp.reshape(x, (4, 6), order="F"),
        lambda x: cnp.broadcast_to(x, (5, 2, 3, 4)),
        lambda x: cnp.broadcast_to(cnp.expand_dims(x, 1), (2, 5, 3, 4)),
        lambda x: cnp.expand_dims(x, (0, 2)),
        lambda x: cnp.squeeze(cnp.reshape(x, (24, 1, 1)), 1),
    ],
)
def test_derivatives_are_those_of_finite_differences(function: Words) -> None:
    assert_derivative(function, X.astype(np.float64))


def test_an_operation_follows_from_its_parameters() -> None:
    x = cnp.asarray(X)
    assert cnp.transpose(x, (1, 0, 2)).node == cnp.transpose(x, (1, 0, 2)).node
    assert cnp.transpose(x, (1, 0, 2)).node != cnp.transpose(x, (2, 0, 1)).node
    assert cnp.reshape(x, (4, 6)).node == cnp.reshape(x, (-1, 6)).node
