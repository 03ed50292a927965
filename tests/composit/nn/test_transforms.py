"""Derivatives of functions against jax's rules written out, finite differences and torch.func."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from composit.errors import (
    DerivativeError,
    DtypeError,
    GradientError,
    NoRuleError,
    OperandError,
    ParameterError,
    ShapeError,
)
from composit.nn import (
    chain_rule,
    check_gradients,
    grad,
    hessian,
    jacobian,
    jvp,
    linearize,
    stop_gradient,
    value_and_grad,
    vjp,
    wrap_as_operation,
)

torch = pytest.importorskip("torch")
# Parts of torch.func script functions when first used, and warn of that themselves.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
X, Y = np.array([0.5, -1.5, 2.0]), np.array([[1.0, 2.0, -0.5], [0.25, -1.0, 3.0]])


class Weights(NamedTuple):
    """Parameters as users keep them."""

    matrix: Any
    bias: Any


def _loss(weights: Weights, x: Any) -> Any:
    return cnp.sum(cnp.tanh(weights.matrix @ x + weights.bias) ** 2)


def _torch_loss(matrix: Any, bias: Any, x: Any) -> Any:
    return torch.sum(torch.tanh(matrix @ x + bias) ** 2)


def test_a_gradient_has_the_form_of_the_argument() -> None:
    gradient = grad(_loss)(Weights(Y, np.array([0.1, 0.2])), X)
    given = [torch.tensor(each) for each in (Y, np.array([0.1, 0.2]), X)]
    expected = torch.func.grad(_torch_loss, argnums=(0, 1, 2))(*given)
    assert isinstance(gradient, Weights)
    np.testing.assert_allclose(cnp.evaluate(gradient.matrix), expected[0], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(cnp.evaluate(gradient.bias), expected[1], rtol=1e-12, atol=1e-15)
    _, by_x = grad(_loss, argnums=(0, -1))(Weights(Y, np.array([0.1, 0.2])), X)
    np.testing.assert_allclose(cnp.evaluate(by_x), expected[2], rtol=1e-12)


def test_the_value_comes_with_the_gradient_and_what_else_the_function_returns() -> None:
    (value, other), gradient = value_and_grad(lambda x: (cnp.sum(x**3), {"cubes": x**3}), has_aux=True)(X)
    np.testing.assert_allclose(cnp.evaluate(value), np.sum(X**3))
    np.testing.assert_allclose(cnp.evaluate(other["cubes"]), X**3)
    np.testing.assert_allclose(cnp.evaluate(gradient), 3 * X**2)
    gradient, other = grad(lambda x: (cnp.sum(x), 1), has_aux=True)(X)
    assert (cnp.evaluate(gradient).tolist(), other) == ([1.0, 1.0, 1.0], 1)


def test_a_number_of_pythons_stays_weak() -> None:
    x = np.float32(2.0)
    gradient = grad(lambda scale: cnp.sum(cnp.asarray(np.ones(3, np.float32)) * scale))(x)
    assert cnp.evaluate(gradient) == 3
    assert grad(lambda scale: cnp.sum(cnp.asarray(np.ones(3, np.float32)) * scale))(2.0).ndim == 0
    assert value_and_grad(lambda s: cnp.sum(cnp.asarray(np.ones(3, np.float32)) * s))(2.0)[0].dtype == np.float32


def test_what_the_function_knows_of_the_same_tensor_from_elsewhere_is_constant() -> None:
    x = cnp.asarray(X)
    gradient = grad(lambda y: cnp.sum(x * y))(x)
    np.testing.assert_array_equal(cnp.evaluate(gradient), X)
    # A gradient inside a function that is differentiated itself, by the same tensor.
    outer = grad(lambda y: cnp.sum(y * grad(lambda z: cnp.sum(y * z * z))(y)))(x)
    np.testing.assert_allclose(cnp.evaluate(outer), 6 * X**2)


def test_gradients_of_gradients() -> None:
    function = lambda x: cnp.exp(2.0 * x)  # noqa: E731
    for order in range(1, 6):
        function = grad(function)
        np.testing.assert_allclose(cnp.evaluate(function(0.5)), 2.0**order * np.exp(1.0), rtol=1e-12)


def test_an_argument_that_is_not_used_has_the_gradient_zero() -> None:
    np.testing.assert_array_equal(cnp.evaluate(grad(lambda x: cnp.sum(cnp.ones(2)))(X)), np.zeros(3))
    np.testing.assert_array_equal(cnp.evaluate(jacobian(lambda x: cnp.ones(2))(X)), np.zeros((2, 3)))


@pytest.mark.parametrize("x", [X, Y, np.float64(0.5), np.ones((0, 2)), Y.T])
def test_forward_and_reverse_agree_with_torch(x: Any) -> None:
    function, other = (
        (lambda a: (cnp.sin(a) * a, cnp.sum(a**3, axis=-1) if a.ndim else a**3)),
        (lambda a: (torch.sin(a) * a, torch.sum(a**3, -1) if a.ndim else a**3)),
    )
    rng = np.random.default_rng(0)
    tangent = rng.normal(size=np.shape(x))
    result, change = jvp(function, [x], [tangent])
    expected, expected_change = torch.func.jvp(other, (torch.tensor(x),), (torch.tensor(tangent),))
    for given, wanted in zip([*result, *change], [*expected, *expected_change], strict=True):
        np.testing.assert_allclose(cnp.evaluate(given), wanted, rtol=1e-12)
    cotangents = [rng.normal(size=each.shape) for each in expected]
    _, pull = vjp(function, x)
    _, torch_pull = torch.func.vjp(other, torch.tensor(x))
    (gradient,) = pull(tuple(cotangents))
    np.testing.assert_allclose(cnp.evaluate(gradient), torch_pull(tuple(map(torch.tensor, cotangents)))[0], rtol=1e-12)


def test_a_result_that_is_returned_twice_counts_twice() -> None:
    def function(x: Any) -> Any:
        y = x * x
        return y, y

    _, pull = vjp(function, X)
    np.testing.assert_allclose(cnp.evaluate(pull((np.ones(3), 10 * np.ones(3)))[0]), 22 * X)


def test_a_linear_function_is_built_once_and_used_for_several_tangents() -> None:
    calls = []
    y, push = linearize(lambda x: (calls.append(1), cnp.exp(x))[1], X)
    np.testing.assert_allclose(cnp.evaluate(y), np.exp(X))
    for k in range(3):
        np.testing.assert_allclose(cnp.evaluate(push(k * X)), k * X * np.exp(X))
    assert calls == [1]


def test_complex_tangents_and_cotangents() -> None:
    z, t = np.array([1 + 2j, -0.5j]), np.array([0.5 - 1j, 2 + 1j])
    _, change = jvp(lambda z: cnp.abs(z) ** 2 + cnp.real(z * z), [z], [t])
    step = 1e-6
    f = lambda z: np.abs(z) ** 2 + np.real(z * z)  # noqa: E731
    np.testing.assert_allclose(
        cnp.evaluate(change), (f(z + step * t) - f(z - step * t)) / (2 * step), rtol=1e-8, atol=1e-9
    )
    _, change = jvp(lambda z: cnp.exp(z) * cnp.conj(z), [z], [t])
    np.testing.assert_allclose(cnp.evaluate(change), np.exp(z) * (t * np.conj(z) + np.conj(t)), rtol=1e-12)


@pytest.mark.parametrize("num_rows", [1, 2, 5])
def test_jacobians_are_torchs_from_either_side(num_rows: int) -> None:
    matrix = np.random.default_rng(1).normal(size=(num_rows, 3))
    given = jacobian(lambda x, s: {"a": cnp.tanh(matrix @ x) * s}, argnums=(0, 1))(X, 2.0)["a"]
    expected = torch.func.jacrev(lambda x, s: torch.tanh(torch.tensor(matrix) @ x) * s, argnums=(0, 1))(
        torch.tensor(X), torch.tensor(2.0, dtype=torch.float64)
    )
    for each, wanted in zip(given, expected, strict=True):
        assert each.shape == wanted.shape
        np.testing.assert_allclose(cnp.evaluate(each), wanted, rtol=1e-12)
    assert jacobian(lambda x: cnp.outer(x, x))(X).shape == (3, 3, 3)
    assert jacobian(lambda x: cnp.sum(x, axis=1))(np.ones((0, 2))).shape == (0, 0, 2)


def test_hessians_are_torchs() -> None:
    function = lambda x, y: cnp.sum(cnp.sin(x) * (y @ x) ** 2) if False else cnp.sum((y @ x) ** 3 + cnp.sin(x[:2]))  # noqa: E731
    other = lambda x, y: torch.sum((y @ x) ** 3 + torch.sin(x[:2]))  # noqa: E731
    given = hessian(function, argnums=(0, 1))(X, Y)
    expected = torch.func.hessian(other, argnums=(0, 1))(torch.tensor(X), torch.tensor(Y))
    for i in range(2):
        for j in range(2):
            np.testing.assert_allclose(cnp.evaluate(given[i][j]), expected[i][j], rtol=1e-10)


def test_derivatives_of_functions_run_in_c_without_islands() -> None:
    x = cnp.asarray(X)
    outputs = [grad(lambda x: cnp.sum(stop_gradient(cnp.exp(x)) * x**2))(x), jacobian(lambda x: cnp.tanh(x))(x)]
    model = mosaic.compile(outputs, inputs=[x])
    assert "island" not in str(model.explain())
    for given, wanted in zip(model(X), [2 * X * np.exp(X), np.diag(1 - np.tanh(X) ** 2)], strict=True):
        np.testing.assert_allclose(given, wanted, rtol=1e-12, atol=1e-15)


def test_no_gradient_flows_through_stop_gradient() -> None:
    x = cnp.asarray(X)
    np.testing.assert_array_equal(cnp.evaluate(stop_gradient(x)), X)
    with pytest.raises(DerivativeError, match="stop_gradient"):
        chain_rule({(loss := cnp.sum(stop_gradient(x))): loss}, [x])
    np.testing.assert_array_equal(cnp.evaluate(grad(lambda x: cnp.sum(stop_gradient(x) * x))(x)), X)
    assert set(stop_gradient({"a": x, "b": 1})) == {"a", "b"}
    np.testing.assert_array_equal(cnp.evaluate(stop_gradient(x), backend="torch"), X)


def test_errors_say_what_was_given_and_what_to_write() -> None:
    with pytest.raises(ShapeError, match=r"shape \(3,\); expected one number; sum it"):
        grad(cnp.sin)(X)
    with pytest.raises(DtypeError, match="expected a real floating number"):
        grad(lambda x: cnp.sum(x) * 1j)(X)
    with pytest.raises(DerivativeError, match="integers have no derivative"):
        grad(cnp.sum)(np.arange(3))
    with pytest.raises(ParameterError, match="argnums=2"):
        grad(cnp.sum, argnums=2)(X)
    with pytest.raises(ParameterError, match="twice"):
        grad(lambda x, y: cnp.sum(x * y), argnums=(0, -2))(X, X)
    with pytest.raises(OperandError, match="expected one number as a tensor"):
        grad(lambda x: None)(X)
    with pytest.raises(OperandError, match="expected a tuple"):
        grad(cnp.sum, has_aux=True)(X)
    with pytest.raises(ShapeError, match="a cotangent of shape"):
        vjp(cnp.sin, X)[1](np.ones(2))
    with pytest.raises(OperandError, match="2 cotangents were given for 1 tensors"):
        vjp(cnp.sin, X)[1]((X, X))
    with pytest.raises(OperandError, match=r"for one argument write \[x\]"):
        jvp(cnp.sin, X, X)
    with pytest.raises(DtypeError, match="a tangent of dtype complex128"):
        jvp(cnp.sin, [X], [X * 1j])
    with pytest.raises(DtypeError, match="split complex values"):
        jacobian(lambda x: x * 1j)(X)


def test_right_derivatives_pass_the_check_and_wrong_ones_do_not() -> None:
    check_gradients(_loss, [Weights(Y, np.array([0.1, 0.2])), X], order=3)
    check_gradients(lambda x: cnp.sum(cnp.sin(x)), [X.astype(np.float32)])

    @wrap_as_operation(vjp=lambda xp, cotangents, operands, results, needs, *rest: [2.1 * operands[0] * cotangents[0]])
    def square(x: np.ndarray) -> np.ndarray:
        return x * x

    with pytest.raises(GradientError, match="order 1 of result 0"):
        check_gradients(square, [X])
    with pytest.raises(DtypeError, match="expected float64 or float32"):
        check_gradients(cnp.sum, [np.arange(3)])
    with pytest.raises(ParameterError, match="order=0"):
        check_gradients(cnp.sum, [X], order=0)


def test_a_wrong_second_derivative_does_not_pass() -> None:
    @wrap_as_operation(vjp=lambda xp, cotangents, operands, results, needs, *rest: [1.5 * operands[0] * cotangents[0]])
    def wrong_square(x: np.ndarray) -> np.ndarray:
        return x * x

    @wrap_as_operation(
        vjp=lambda xp, cotangents, operands, results, needs, *rest: [3.0 * wrong_square(operands[0]) * cotangents[0]]
    )
    def cube(x: np.ndarray) -> np.ndarray:
        return x**3

    check_gradients(cube, [X], order=1)
    with pytest.raises(GradientError, match="order 2"):
        check_gradients(cube, [X], order=2)


def _doubled_in_place(x: Any) -> Any:
    x *= 2
    return cnp.sum(x)


def _with_a_constant(x: Any) -> Any:
    x[0] = 2.0
    return cnp.sum(x * x)


def _through_a_view(x: Any) -> Any:
    part = x[:1]
    part *= 3
    return cnp.sum(x)


@pytest.mark.parametrize(
    ("function", "slope"),
    [(_doubled_in_place, [2.0, 2.0]), (_with_a_constant, [0.0, 6.0]), (_through_a_view, [3.0, 1.0])],
)
def test_a_function_may_write_to_its_arguments(function: Any, slope: list[float]) -> None:
    x = cnp.asarray([1.0, 3.0])
    direction = cnp.asarray([1.0, -1.0])
    _, pull = vjp(function, x)
    _, change = jvp(function, [x], [direction])
    for each in (grad(function)(x), jacobian(function)(x), pull(1.0)[0]):
        np.testing.assert_array_equal(np.asarray(each), slope)
    assert float(change) == slope[0] - slope[1]
    np.testing.assert_array_equal(np.asarray(x), [1.0, 3.0])


def test_a_write_to_the_result_does_not_change_the_derivative() -> None:
    x = cnp.asarray([1.0, 3.0])
    y, pull = vjp(lambda x: x * x, x)
    z, push = linearize(lambda x: x * x, x)
    y *= 10
    z *= 10
    np.testing.assert_array_equal(np.asarray(pull(cnp.ones(2))[0]), [2.0, 6.0])
    np.testing.assert_array_equal(np.asarray(push(cnp.ones(2))), [2.0, 6.0])


def test_mappings_are_matched_by_their_keys() -> None:
    _, pull = vjp(lambda x: {"a": x, "b": 2 * x}, 1.0)
    assert float(pull({"b": 10.0, "a": 1.0})[0]) == 21.0
    _, change = jvp(lambda d: d["a"] + 2 * d["b"][0], [{"a": 1.0, "b": (1.0,)}], [{"b": (10.0,), "a": 1.0}])
    assert float(change) == 21.0
    with pytest.raises(OperandError, match="expected the same keys"):
        pull({"a": 1.0, "c": 1.0})


def test_argnums_are_integers_of_any_class() -> None:
    assert float(grad(lambda a, b: a * b, np.int64(1))(2.0, 3.0)) == 2.0


def test_stop_gradient_takes_every_container() -> None:
    class Pair(NamedTuple):
        first: Any
        second: Any

    @dataclass
    class Record:
        value: Any

    stopped = stop_gradient(Record(Pair(cnp.ones(2), "text")))
    assert isinstance(stopped.value, Pair)
    assert float(grad(lambda x: x * stop_gradient(Record(x)).value)(3.0)) == 3.0


@pytest.mark.parametrize("given", [True, "text", {1.0}, object()], ids=lambda given: type(given).__name__)
@pytest.mark.parametrize("transform", [grad, jacobian, hessian], ids=lambda transform: transform.__name__)
def test_an_argument_that_holds_no_numbers_is_refused(transform: Any, given: Any) -> None:
    with pytest.raises(DerivativeError, match=r"the argument .* was given; expected floating or complex numbers"):
        transform(lambda x: 1.0)(given)


def test_a_container_may_hold_nothing_to_differentiate_by() -> None:
    gradient = grad(lambda x, y: y["flag"] * cnp.sum(x), argnums=(0, 1))(np.ones(2), {"flag": True, "none": None})
    assert cnp.evaluate(gradient[0]).tolist() == [1.0, 1.0]
    assert gradient[1] == {"flag": True, "none": None}


def test_a_masked_array_is_refused_and_not_taken_for_all_its_elements() -> None:
    with pytest.raises(NoRuleError, match="an array of the class MaskedArray"):
        grad(cnp.sum)(np.ma.array([1.0, 2.0], mask=[False, True]))


def test_a_call_without_positional_arguments_says_what_it_needs() -> None:
    with pytest.raises(ParameterError, match="expected at least one positional argument"):
        grad(lambda x: x)(x=1.0)
