"""Reductions and averages where they are more than their rows in the samples: errors, arguments, special values."""

from typing import Any

import numpy as np
import pytest
from numpy.exceptions import AxisError

import composit as cnp
from composit.apply import apply
from composit.errors import ParameterError, ShapeError
from composit.numpy.reductions.reduce import Reduce
from tests.composit.numpy.comparison import Words, assert_derivative, assert_same, assert_same_error

X = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.sum(xp.asarray(X), axis=3),
        lambda xp: xp.sum(xp.asarray(X), axis=(0, -4)),
        lambda xp: xp.sum(xp.asarray(X), axis=(0, 0)),
        lambda xp: xp.sum(xp.asarray(X), axis=(1, -2)),
        lambda xp: xp.sum(xp.asarray(X), axis="0"),
        lambda xp: xp.sum(xp.asarray(X), axis=1.0),
        lambda xp: xp.max(xp.asarray(np.zeros((0, 3))), axis=0),
        lambda xp: xp.min(xp.asarray(np.zeros((0, 3)))),
        lambda xp: xp.max(xp.asarray(np.zeros((0, 0))), axis=1),
        lambda xp: xp.max(xp.asarray(X), where=xp.asarray(X) > 1),
        lambda xp: xp.argmax(xp.asarray(np.zeros((0, 3))), axis=0),
        lambda xp: xp.argmin(xp.asarray(np.zeros(0))),
        lambda xp: xp.argmax(xp.asarray(X), axis=3),
        lambda xp: xp.cumsum(xp.asarray(X), axis=-4),
        lambda xp: xp.mean(xp.asarray(X), axis=5),
        lambda xp: xp.var(xp.asarray(X), ddof=1, correction=1),
        lambda xp: xp.prod(xp.asarray(np.zeros(2, "datetime64[D]"))),
    ],
)
def test_errors_are_numpys_and_come_at_the_call(words: Words) -> None:
    assert_same_error(words)


@pytest.mark.parametrize(
    "name", ["sum", "prod", "max", "min", "any", "all", "mean", "var", "std", "ptp", "argmax", "cumsum"]
)
def test_arrays_to_write_to_take_the_result(name: str) -> None:
    expected = getattr(np, name)(X, 0)
    array, tensor = np.zeros_like(expected), cnp.zeros(expected.shape, expected.dtype)
    assert getattr(cnp, name)(cnp.asarray(X), 0, out=array) is array
    assert getattr(cnp, name)(cnp.asarray(X), 0, out=tensor) is tensor
    np.testing.assert_array_equal(array, expected)
    np.testing.assert_array_equal(cnp.evaluate(tensor), expected)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.amax(xp.asarray(X), 1),
        lambda xp: xp.sum(xp.asarray(X), axis=np.int64(1)),
        lambda xp: xp.sum(3),
        lambda xp: xp.sum([1, 2.5]),
        lambda xp: xp.max(xp.asarray(np.array([1.0, np.nan]))),
        lambda xp: xp.sum(xp.asarray(np.float64(3)), axis=0),
        lambda xp: xp.argmax(xp.asarray(np.float64(3)), axis=-1),
        lambda xp: xp.cumsum(xp.asarray(np.float64(3)), axis=0),
        lambda xp: xp.sum(xp.asarray(X.astype(np.float32)), dtype=np.float16),
        lambda xp: xp.sum(xp.asarray(X), dtype=np.int8),
        lambda xp: xp.mean(xp.asarray(X), dtype=np.int32),
        lambda xp: xp.mean(xp.asarray(np.arange(5, dtype=np.uint8))),
        lambda xp: xp.mean(xp.asarray(np.ones((70000,), np.float16))),
        lambda xp: xp.var(xp.asarray(np.ones((3, 4), np.complex64) * (1 + 2j)), axis=0),
        lambda xp: xp.var(xp.asarray(X), axis=1, mean=np.mean(X, axis=1, keepdims=True)),
        lambda xp: xp.sum(xp.asarray(np.array([1, 2])), initial=3.7),
        lambda xp: xp.max(xp.asarray(np.array([1, 2])), initial=3.7),
        lambda xp: xp.min(xp.asarray(X), axis=0, initial=2, where=np.array([True, False, True, True])),
        lambda xp: xp.any(xp.asarray(X) > 5, axis=1, where=np.array([True, False, False, True])),
        lambda xp: xp.average(xp.asarray(X), axis=0, weights=[1, 3]),
        lambda xp: xp.average(xp.asarray(X), weights=X, returned=True),
        lambda xp: xp.average(xp.asarray(X), axis=(0, 1)),
        lambda xp: xp.sum(xp.asarray(np.array([1, 2], "timedelta64[s]"))),
    ],
)
def test_results_are_numpys(words: Words) -> None:
    assert_same(words)


def test_a_mean_of_nothing_warns_at_the_call_as_in_numpy():
    with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
        cnp.mean(cnp.asarray(np.zeros((0, 3))), axis=0)
    with pytest.warns(RuntimeWarning, match="Degrees of freedom <= 0"):
        cnp.var(cnp.asarray(X[:1]), axis=0, ddof=1)


def test_weights_of_another_shape_are_refused():
    with pytest.raises(
        ParameterError, match=r"Shape of weights must be consistent .* weights of shape \(5,\) .* name the axes"
    ):
        cnp.average(cnp.asarray(X), axis=0, weights=np.ones(5))


def test_axes_and_parameters_make_the_identity():
    x = cnp.asarray(X)
    nodes = {
        cnp.sum(x, axis=0).node,
        cnp.sum(x, axis=1).node,
        cnp.sum(x, axis=(0, 1)).node,
        cnp.sum(x).node,
        cnp.sum(x, keepdims=True).node,
        cnp.sum(x, dtype=np.float32).node,
        cnp.prod(x).node,
        cnp.max(x).node,
        cnp.argmax(x).node,
        cnp.argmin(x).node,
        cnp.argmax(x, axis=0).node,
        cnp.cumsum(x, axis=0).node,
        cnp.cumsum(x, axis=1).node,
        cnp.cumprod(x, axis=1).node,
    }
    assert len(nodes) == 14
    assert cnp.sum(x, axis=-1).node == cnp.sum(x, axis=2).node
    assert cnp.sum(x, axis=(2, 0)).node == cnp.sum(x, axis=(0, -1)).node


def test_equal_extrema_share_their_gradient():
    x = cnp.asarray(np.array([[1.0, 3.0, 3.0], [3.0, 3.0, 3.0]]))
    (gradient,) = cnp.nn.chain_rule({cnp.max(x, axis=1): np.array([1.0, 6.0])}, [x])
    np.testing.assert_array_equal(cnp.evaluate(gradient), [[0, 0.5, 0.5], [2, 2, 2]])


def test_two_operands_that_tie_get_half_each():
    x, y = cnp.asarray(np.array([1.0, 2.0])), cnp.asarray(np.array([1.0, 3.0]))
    for function, expected in ((cnp.maximum, [[0.5, 0], [0.5, 1]]), (cnp.fmin, [[0.5, 1], [0.5, 0]])):
        gradients = cnp.nn.chain_rule({cnp.sum(function(x, y)): 1.0}, [x, y])
        np.testing.assert_array_equal(cnp.evaluate(gradients), expected)


@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_the_second_derivative_of_a_product_is_right_at_zeros(zeros):
    x = np.array([[2.0, -3.0, 0.5, 1.5]])
    x[0, :zeros] = 0
    assert_derivative(lambda x: cnp.prod(x, axis=1), x)
    assert_derivative(lambda x: cnp.cumprod(x, axis=1), x)
    # The Hessian of a product of four has, off its diagonal, the products of the other two.
    tensor = cnp.asarray(x[0])
    (gradient,) = cnp.nn.chain_rule({cnp.prod(tensor): 1.0}, [tensor])
    rows = [cnp.nn.chain_rule({gradient[i]: 1.0}, [tensor])[0] for i in range(4)]
    expected = [[np.prod(np.delete(x[0], [i, j])) if i != j else 0 for j in range(4)] for i in range(4)]
    np.testing.assert_allclose(cnp.evaluate(cnp.stack(rows)), expected, rtol=1e-15, atol=0)


def test_gradients_keep_their_dtype():
    x = cnp.asarray(X.astype(np.float32))
    for function in (cnp.sum, cnp.prod, cnp.max, cnp.mean, cnp.var, cnp.std, cnp.cumsum, cnp.cumprod):
        result = cnp.sum(function(x, axis=1))
        assert cnp.nn.chain_rule({result: result}, [x])[0].dtype == np.float32


def test_float32_gradients_are_computed_in_float32():
    x = cnp.asarray(np.array([1.5, 2.5], np.float32))
    for loss in (
        x**3,
        x**2,
        2 / x,
        cnp.maximum(x, 2),
        cnp.mean(x * 2),
        cnp.max(x),
        cnp.std(x),
        cnp.erf(x),
        cnp.clip(x, 0, 2),
    ):
        (gradient,) = cnp.nn.chain_rule({cnp.sum(loss): 1.0}, [x])
        wide = [node for node in gradient.graph.nodes if node.operands and node.types[0].dtype == np.float64]
        assert wide == []


def test_running_extrema_share_a_tie_evenly_and_pass_nan_over():
    x = cnp.asarray([1.0, 3.0, 3.0, 2.0, np.nan, 5.0])
    (gradient,) = cnp.nn.chain_rule({cnp.maximum.accumulate(x): cnp.asarray([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])}, [x])
    assert cnp.evaluate(gradient).tolist() == [1.0, 2.0 + 6.0, 6.0, 0.0, 0.0, 0.0]
    (gradient,) = cnp.nn.chain_rule({cnp.fmax.accumulate(x): cnp.asarray([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])}, [x])
    assert cnp.evaluate(gradient).tolist() == [1.0, 2.0 + 14.0, 14.0, 0.0, 0.0, 32.0]


def test_an_initial_value_that_is_the_extremum_gets_the_whole_cotangent():
    x, first = cnp.asarray([1.0, 3.0]), cnp.asarray(7.0)
    found = cnp.nn.chain_rule({cnp.max(x, where=np.array([True, False]), initial=first): 1.0}, [x, first])
    assert [cnp.evaluate(each).tolist() for each in found] == [[0.0, 0.0], 1.0]


def test_an_extremum_of_nothing_is_refused_by_the_operation_itself():
    operation = Reduce(cnp.maximum, (0,), False)
    with pytest.raises(ShapeError, match="zero-size array to reduction operation maximum which has no identity"):
        apply(operation, cnp.asarray(np.zeros((0, 3))))


@pytest.mark.parametrize("mean", [None, slice(None), slice(1, 2), [None, None, None]], ids=str)
@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 3), ()], ids=str)
@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize("axis", [None, 0])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_mean_that_is_none_or_no_number_is_numpys_to_take(
    name: str, shape: tuple[int, ...], mean: object, axis: int | None
) -> None:
    x = np.arange(1.0 * np.prod(shape, dtype=int)).reshape(shape)
    try:
        expected = getattr(np, name)(x, axis=axis, mean=mean)
    except (TypeError, ValueError, ZeroDivisionError, AxisError) as error:
        with pytest.raises(type(error)):
            getattr(cnp, name)(cnp.asarray(x), axis=axis, mean=mean)
        return
    result = cnp.evaluate(getattr(cnp, name)(cnp.asarray(x), axis=axis, mean=mean))
    np.testing.assert_array_equal(result, expected, strict=True)


@pytest.mark.parametrize("axis", [{}, True, np.zeros(0, int), np.array([0]), (True,), [0], "a", 0.5], ids=repr)
def test_axes_of_an_average_are_whatever_numpy_makes_a_tuple_of(axis: Any) -> None:
    x = np.arange(9.0).reshape(3, 3)
    try:
        expected = np.average(x, axis)
    except (TypeError, ValueError) as error:
        with pytest.raises(type(error)):
            cnp.average(cnp.asarray(x), axis)
        return
    np.testing.assert_array_equal(cnp.evaluate(cnp.average(cnp.asarray(x), axis)), expected, strict=True)


@pytest.mark.parametrize("axis", [{}, [], (), 0.0, np.array([0]), "a"], ids=repr)
@pytest.mark.parametrize("words", [lambda xp, a: xp.cumsum(1.0, axis=a), lambda xp, a: xp.repeat(1.0, 2, axis=a)])
def test_what_is_no_axis_of_a_scalar_is_refused(words: Any, axis: Any) -> None:
    with pytest.raises(TypeError):
        words(np, axis)
    with pytest.raises(TypeError):
        words(cnp, axis)


@pytest.mark.parametrize("axis", [(0.0,), (True,), (0, 1.0)], ids=repr)
@pytest.mark.parametrize("name", ["sum", "mean", "var", "average", "nansum"])
def test_axes_that_are_equal_to_integers_and_are_none_are_refused(name: str, axis: Any) -> None:
    x = np.arange(9.0).reshape(3, 3)
    # What is remembered of these axes must not be found by the others.
    getattr(cnp, name)(cnp.asarray(x), axis=tuple(map(int, axis)))
    try:
        expected = getattr(np, name)(x, axis=axis)
    except TypeError:
        with pytest.raises(TypeError):
            getattr(cnp, name)(cnp.asarray(x), axis=axis)
        return
    np.testing.assert_array_equal(cnp.evaluate(getattr(cnp, name)(cnp.asarray(x), axis=axis)), expected, strict=True)
