"""Universal functions that write where a mask is true: values, aliasing, errors and warnings are numpy's, nothing is computed."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.nn import chain_rule
from composit.program import count_evaluations
from tests.composit.numpy.comparison import assert_derivative
from tests.composit.numpy.side_by_side import assert_agree

X = np.array([[0.3, 1.7, -2.1], [0.9, -0.4, 1.1]])
Y = np.array([[1.3, 0.2, 0.8], [-1.2, 2.2, 0.5]])

CALLS = [
    lambda xp, x, y: xp.add(x, y, where=X > 0.5, out=x),
    lambda xp, x, y: xp.add(x, 1, out=x, where=x > y),
    lambda xp, x, y: xp.add(x, y[0], x, where=[True, False, True]),
    lambda xp, x, y: xp.multiply(x[0], 2, out=y, where=[[True], [False]]),
    lambda xp, x, y: xp.multiply(x, 2, out=y[::-1], where=y > 0),
    lambda xp, x, y: xp.subtract(x[:, 1:], y[:, 1:], out=x[:, :-1], where=y[:, 1:] > 0.4),
    lambda xp, x, y: xp.subtract(x[:, :-1], 1, out=x[:, 1:], where=y[:, 1:] > 0.4),
    lambda xp, x, y: xp.negative(x.T, out=x.T, where=x.T > 0),
    lambda xp, x, y: xp.add(x, y, out=x, where=False),
    lambda xp, x, y: xp.add(x, y, out=(x,), where=xp.bool(True)),
    lambda xp, x, y: xp.add(x, y, out=x, where=[1, 0, 1]),
    lambda xp, x, y: xp.add(x, y, out=x, where=[True, False]),
    lambda xp, x, y: xp.add(x, y, out=x[0], where=[True, False, True]),
    lambda xp, x, y: xp.add(x, y, out=xp.zeros((2, 3), int), where=x > 0),
    lambda xp, x, y: xp.add(x, y, out=xp.zeros((2, 3), "f4"), where=x > 0),
    lambda xp, x, y: xp.add(x, y, out=xp.zeros((2, 3), "f4"), where=x > 0, casting="no"),
    lambda xp, x, y: xp.add(x, y, out=x, where=x > 0, dtype="f4"),
    lambda xp, x, y: xp.add(x, y, out=xp.broadcast_to(x[0], (2, 3)), where=x > 0),
    lambda xp, x, y: xp.greater(x, y, out=x > 1, where=x > 0),
    lambda xp, x, y: xp.modf(x, out=(x, y), where=x > 0),
    lambda xp, x, y: xp.add(x, y, out=np.zeros((2, 3)), where=X > 0),
]


@pytest.mark.parametrize("call", CALLS, ids=map(str, range(len(CALLS))))
def test_calls_with_a_mask_are_numpys(call: Any) -> None:
    def called(xp: Any) -> Any:
        x, y = xp.array(X), xp.array(Y)
        row = x[1]
        return call(xp, x, y), x, y, row

    assert_agree(called)


def test_what_is_left_out_is_not_computed_and_warns_of_nothing() -> None:
    x = cnp.asarray(np.array([-1.0, 0.0, 4.0]))
    place = cnp.zeros(3)
    with count_evaluations() as count, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cnp.log(x, where=x > 0, out=place) is place
        (gradient,) = chain_rule({place: cnp.ones(3)}, [x])
        assert count.runs == 0
        np.testing.assert_array_equal(cnp.evaluate(place), [0, 0, np.log(4)])
        np.testing.assert_array_equal(cnp.evaluate(gradient), [0, 0, 0.25])


@pytest.mark.parametrize(
    "call",
    [
        lambda z, x, y: cnp.multiply(z, y, out=z, where=X > 0.5),
        lambda z, x, y: cnp.log(cnp.abs(x), out=z, where=[True, False, True]),
        lambda z, x, y: cnp.exp(x * y, out=z, where=y > 0.4),
        lambda z, x, y: cnp.divide(x[:, :1], y, out=z, where=y > 0.4),
        lambda z, x, y: np.power(cnp.exp(x), 2.5, out=z, where=X > 0.5),
        lambda z, x, y: cnp.hypot(z[:, 1:], y[:, :-1], out=z[:, :-1], where=X[:, 1:] > 0.5),
    ],
)
def test_derivatives_go_to_what_was_written_and_to_what_was_left(call: Any) -> None:
    def written(x: Any, y: Any) -> Any:
        x, y = cnp.asarray(x), cnp.asarray(y)
        target = x * y
        call(target, x, y)
        return target

    assert_derivative(written, X, Y)


def test_a_compiled_model_writes_under_a_mask_too() -> None:
    x = cnp.asarray(X)
    place = x * 2
    cnp.sqrt(x, out=place, where=x > 0)
    model = mosaic.compile(place + 1, inputs=[x])
    np.testing.assert_allclose(model(Y), np.where(Y > 0, np.sqrt(np.abs(Y)), 2 * Y) + 1, rtol=1e-15)
