"""L-BFGS on functions whose minimum is known."""

from __future__ import annotations

import numpy as np
import pytest

import composit.numpy as cnp
from composit.errors import DtypeError, ParameterError
from composit.nn import optimizers


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_the_rosenbrock_function_of_ten_numbers(backend: str) -> None:
    start = np.tile([-1.2, 1.0], 5)
    minimum = optimizers.lbfgs(
        lambda x: cnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2), start, num_steps=200, backend=backend
    )
    assert minimum.has_converged
    assert minimum.num_steps <= minimum.num_evaluations <= 200
    np.testing.assert_allclose(cnp.evaluate(minimum.parameters), np.ones(10), atol=1e-5)


def test_least_squares_in_containers_agree_with_numpys() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    fit = lambda p: cnp.sum((x @ p["w"] + p["b"] - y) ** 2)  # noqa: E731
    seen: list[float] = []
    minimum = optimizers.lbfgs(
        fit, {"w": np.zeros(3), "b": np.zeros(())}, progress=lambda step, value: seen.append(value)
    )
    expected = np.linalg.lstsq(np.column_stack([x, np.ones(50)]), y)[0]
    np.testing.assert_allclose(cnp.evaluate(minimum.parameters["w"]), expected[:3], atol=1e-7)
    np.testing.assert_allclose(cnp.evaluate(minimum.parameters["b"]), expected[3], atol=1e-7)
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == minimum.num_steps


def test_the_graph_is_built_once() -> None:
    calls = []
    minimum = optimizers.lbfgs(lambda x: (calls.append(1), cnp.sum(cnp.cosh(x)))[1], np.array([1.0, -2.0]))
    assert (minimum.has_converged, len(calls)) == (True, 1)


def test_what_has_no_minimum_ends_with_a_reason() -> None:
    minimum = optimizers.lbfgs(lambda x: cnp.sum(x), np.zeros(2), num_steps=3)
    assert not minimum.has_converged
    assert "line search" in minimum.message
    none = optimizers.lbfgs(lambda x: cnp.sum(x * x), np.ones(2), num_steps=0)
    assert (none.num_steps, none.has_converged, "used up" in none.message) == (0, False, True)
    # A trial outside the domain is NaN, and is taken back.
    inside = optimizers.lbfgs(lambda x: cnp.sum(x - cnp.log(x)), np.array([1e-3]))
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(cnp.evaluate(inside.parameters), [1.0], atol=1e-5)


def test_a_function_that_does_not_read_its_parameters_is_at_its_minimum() -> None:
    for backend in ("numpy", "mosaic"):
        minimum = optimizers.lbfgs(lambda p: cnp.asarray(3.0), {"a": np.ones(2), "b": np.zeros(3)}, backend=backend)
        assert (minimum.value, minimum.num_steps, minimum.num_evaluations) == (3.0, 0, 1)
        assert minimum.has_converged
        np.testing.assert_array_equal(cnp.evaluate(minimum.parameters["a"]), np.ones(2))
    partly = optimizers.lbfgs(lambda p: cnp.sum((p["a"] - 2) ** 2), {"a": np.ones(2), "b": np.full(3, 7.0)})
    assert partly.has_converged
    np.testing.assert_allclose(cnp.evaluate(partly.parameters["a"]), 2.0, atol=1e-7)
    np.testing.assert_array_equal(cnp.evaluate(partly.parameters["b"]), 7.0)


def test_a_gradient_that_is_no_number_ends_the_search_with_that_reason() -> None:
    with np.errstate(all="ignore"):
        minimum = optimizers.lbfgs(lambda x: cnp.sum(cnp.sqrt(x)), np.array([-1.0]))
    assert not minimum.has_converged
    assert minimum.message == "the gradient is not a number"


def test_bad_arguments_are_errors() -> None:
    with pytest.raises(DtypeError, match="expected real floating numbers"):
        optimizers.lbfgs(lambda x: cnp.sum(x), np.arange(3))
    with pytest.raises(ParameterError, match="memory=0"):
        optimizers.lbfgs(lambda x: cnp.sum(x), np.ones(3), memory=0)
