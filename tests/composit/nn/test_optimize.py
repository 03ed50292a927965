import math
from functools import partial

import numpy as np
import pytest

import composit as cnp
from composit.errors import OperandError, ParameterError, ShapeError
from composit.nn import Optimizer, chain_rule, optimize, optimize_step, sgd_optimizer
from composit.nn.optimize import sgd_optimizer as the_same_optimizer


class CountingBackend:
    def __init__(self):
        self.prepared = 0

    def prepare(self, program):
        from composit.interpreter import NumpyBackend

        self.prepared += 1
        return NumpyBackend().prepare(program)


def test_the_optimizer_is_found_in_both_places():
    assert the_same_optimizer is sgd_optimizer
    assert optimize.sgd_optimizer is sgd_optimizer


def test_a_step_goes_down_the_gradient_and_keeps_name_and_dtype():
    weight = cnp.with_name(cnp.asarray(np.float32([1, 2])), "weight")
    loss = cnp.sum(weight * weight)
    (stepped,) = optimize([weight], chain_rule({loss: loss}, [weight]), sgd_optimizer(learning_rate=0.25))
    assert (stepped.name, stepped.dtype) == ("weight", np.dtype("float32"))
    np.testing.assert_array_equal(cnp.evaluate(stepped), np.float32([0.5, 1.0]))


def test_history_ends_at_a_step():
    weight = cnp.asarray(np.ones(2))
    for _ in range(5):
        loss = cnp.sum(weight * weight)
        (weight,) = optimize([weight], chain_rule({loss: loss}, [weight]), sgd_optimizer(0.1))
        assert len(weight.graph) == 1
    np.testing.assert_allclose(cnp.evaluate(weight), 0.8**5 * np.ones(2), rtol=1e-14)


def test_another_rate_needs_no_other_program():
    backend = CountingBackend()
    run = partial(cnp.evaluate, backend=backend)
    weight = cnp.asarray(np.ones(2))
    for step in range(4):
        loss = cnp.sum(weight * weight)
        (weight,) = optimize([weight], chain_rule({loss: loss}, [weight]), sgd_optimizer(0.1 / (step + 1)), run)
    assert backend.prepared == 1


def test_a_regression_is_fitted():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(64, 3))
    target = x @ np.array([1.0, -2.0, 3.0])
    weight = cnp.asarray(np.zeros(3))
    for _ in range(200):
        error = cnp.matmul(x, weight) - target
        loss = cnp.mean(error * error)
        (weight,) = optimize([weight], chain_rule({loss: loss}, [weight]), sgd_optimizer(0.1))
    np.testing.assert_allclose(cnp.evaluate(weight), [1, -2, 3], atol=1e-6)


def _momentum_optimizer(rate, decay):
    def update(parameters, gradients, state):
        velocities = [decay * velocity + gradient for velocity, gradient in zip(state, gradients, strict=True)]
        return [p - rate * v for p, v in zip(parameters, velocities, strict=True)], velocities

    return Optimizer("momentum", lambda parameters: [cnp.zeros_like(p) for p in parameters], update)


def test_an_optimizer_with_state_gets_it_back():
    optimizer = _momentum_optimizer(0.1, 0.5)
    weight = cnp.asarray(np.array([1.0]))
    state = optimizer.init([weight])
    value, velocity = np.array([1.0]), np.array([0.0])
    for _ in range(3):
        loss = cnp.sum(weight * weight)
        (weight,), state = optimize_step([weight], chain_rule({loss: loss}, [weight]), state, optimizer)
        velocity = 0.5 * velocity + 2 * value
        value = value - 0.1 * velocity
    np.testing.assert_allclose(cnp.evaluate(weight), value, rtol=1e-14)
    assert len(state[0].graph) == 1


def test_optimize_refuses_an_optimizer_with_state():
    weight = cnp.asarray(np.ones(1))
    with pytest.raises(ParameterError, match="keeps a state from step to step"):
        optimize([weight], [weight], _momentum_optimizer(0.1, 0.5))


def test_numbers_and_shapes_must_fit():
    weight = cnp.asarray(np.ones(2))
    with pytest.raises(ShapeError, match="1 parameters and 2 gradients"):
        optimize([weight], [weight, weight], sgd_optimizer())
    with pytest.raises(ShapeError, match=r"has shape \(3,\); expected \(2,\)"):
        optimize([weight], [cnp.ones(3)], sgd_optimizer())


@pytest.mark.parametrize("rate", [math.nan, math.inf])
def test_a_rate_must_be_finite(rate):
    with pytest.raises(ParameterError, match="expected a finite number"):
        sgd_optimizer(rate)


@pytest.mark.parametrize("rate", [-0.1, "0.1"])
def test_a_rate_must_be_a_number_that_is_not_negative(rate):
    with pytest.raises(ParameterError, match=r"learning_rate=.* was given; expected a finite number from 0"):
        sgd_optimizer(rate)


def test_plain_sgd_refuses_a_gradient_that_would_broadcast():
    weight = cnp.asarray(np.ones((2, 2)))
    for gradient in (cnp.ones(2), cnp.ones((3, 2, 2)), cnp.asarray(1.0)):
        with pytest.raises(ShapeError, match="expected the same ones in the same order"):
            sgd_optimizer(0.1).update([weight], [gradient], ())


def test_an_optimizer_function_of_ones_own_needs_no_class():
    weights = [cnp.with_name(cnp.asarray(np.full(k, 4.0)), f"w{k}") for k in (1, 2)]
    halved = optimize(weights, [cnp.ones(1), cnp.ones(2)], optimizer_function=lambda p, g: (p - g) / 2)
    assert [each.name for each in halved] == ["w1", "w2"]
    np.testing.assert_array_equal(cnp.evaluate(halved[1]), [1.5, 1.5])
    with pytest.raises(OperandError, match="expected an optimizer, or a function of a parameter and its gradient"):
        optimize(weights, weights, 0.1)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_evaluate_functions_are_called_with_the_tensors(count):
    calls = []

    def evaluate(*tensors):
        calls.append(len(tensors))
        return cnp.nn.evaluate(*tensors, always_return_tuple=True)

    weights = [cnp.asarray(np.full(2, 1.0 + k)) for k in range(count)]
    for function in (evaluate, cnp.evaluate, None, partial(cnp.evaluate, backend="mosaic")):
        stepped = optimize(weights, weights, sgd_optimizer(0.5), evaluate_function=function)
        assert [cnp.evaluate(each).tolist() for each in stepped] == [[0.5 + k / 2] * 2 for k in range(count)]
    assert calls == ([count] if count else [])
    if count > 1:
        with pytest.raises(OperandError, match=r"returned 1 values for 3 tensors"):
            optimize(weights, weights, sgd_optimizer(0.5), lambda *tensors: cnp.evaluate(tensors[0]))
