import math
from functools import partial

import numpy as np
import pytest

import composit as cnp
from composit.errors import ParameterError, ShapeError
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
