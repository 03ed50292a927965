"""Derivatives of kernels: against finite differences, against each other, of second order, and as text."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
from composit.errors import DerivativeError, KernelError
from composit.kernels import register
from composit.kernels.operation import KernelCall, KernelUnit
from composit.nn import chain_rule
from tests.composit.kernels.examples import EXAMPLES, Array, drawn

STEP = 1e-6


def run(unit: KernelUnit, *arrays: Array) -> tuple[Array, ...]:
    results = KernelCall(unit).evaluate(*arrays)
    return results if isinstance(results, tuple) else (results,)


@pytest.mark.parametrize("function", EXAMPLES, ids=lambda each: each.__name__)
def test_derivatives_are_those_of_finite_differences(function: Callable[..., Any]) -> None:
    unit = register(function).unit
    x, *others = drawn(function, 60)
    kinds = [each.value for each in unit.unit.entry.results]
    floats = [number for number, kind in enumerate(kinds) if kind == "float"]
    high, low = run(unit, x + STEP, *others), run(unit, x - STEP, *others)
    ones = [np.ones(60)] * len(floats)
    expected = sum((high[number] - low[number]) / (2 * STEP) for number in floats)
    (backward,) = run(unit.vjp(), x, *others, *ones)
    forward = sum(run(unit.jvp, x, *others, np.ones(60))[len(kinds) :])
    np.testing.assert_allclose(backward, forward, rtol=1e-11, atol=1e-11)
    # A step may cross to another branch, where the difference says nothing.
    assert np.isclose(backward, expected, rtol=1e-5, atol=1e-6).mean() > 0.95


@pytest.mark.parametrize("function", EXAMPLES[:5], ids=lambda each: each.__name__)
def test_second_derivatives_are_those_of_the_first(function: Callable[..., Any]) -> None:
    first = register(function).unit.vjp()
    x, *others = drawn(function, 60)
    one = np.ones(60)
    expected = (run(first, x + STEP, *others, one)[0] - run(first, x - STEP, *others, one)[0]) / (2 * STEP)
    backward = run(first.vjp(), x, *others, one, one)[0]
    forward = run(first.jvp, x, *others, one, one, np.zeros(60))[1]
    np.testing.assert_allclose(backward, forward, rtol=1e-9, atol=1e-9)
    assert np.isclose(backward, expected, rtol=1e-4, atol=1e-5).mean() > 0.95
    third = run(first.vjp().vjp(), x, *others, one, one, one, np.zeros(60))
    assert np.isfinite(third).all()


def test_chain_rule_goes_through_kernels() -> None:
    @register
    def product(x: float, y: float, n: int) -> float:
        return x * y * n

    x, y = cnp.asarray([[1.0], [2.0]]), cnp.asarray([3.0, 4.0, 5.0])
    loss = cnp.sum(product(x, y, 2) * 0.5)
    gradients = chain_rule({loss: loss}, [x, y])
    assert [cnp.evaluate(each).tolist() for each in gradients] == [[[12.0], [12.0]], [3.0, 3.0, 3.0]]


def test_the_branch_not_taken_is_not_differentiated() -> None:
    @register
    def guarded(x: float) -> float:
        return math.sqrt(x) if x > 0 else 2 * x

    with np.errstate(all="raise"):
        assert cnp.evaluate(guarded.grad(np.array([0.0, 4.0]))).tolist() == [2.0, 0.25]


def test_the_derivative_can_be_read_and_run() -> None:
    @register
    def relu3(x: float) -> float:
        if x < 0.0:
            return 0.0
        if x < 1.0:
            return 1.0 / 3.0 * x**3
        return x - 2.0 / 3.0

    text = relu3.derivative_source
    assert text.splitlines()[0] == "def relu3_vjp(x: float, dresult: float) -> float:"
    assert len(text.splitlines()) == 9
    names: dict[str, Any] = {"math": math, "np": np}
    exec(text, names)
    assert [names["relu3_vjp"](x, 1.0) for x in (-1.0, 0.5, 2.0)] == [0.0, 0.25, 1.0]


@pytest.mark.parametrize("function", EXAMPLES, ids=lambda each: each.__name__)
def test_the_text_of_a_derivative_computes_what_the_kernel_does(function: Callable[..., Any]) -> None:
    unit = register(function).unit.vjp()
    entry = unit.unit.entry
    arguments = [*drawn(function, 8), *[np.ones(8)] * len(entry.parameters)][: len(entry.parameters)]
    names: dict[str, Any] = {"math": math, "np": np}
    exec(unit.text, names)
    computed = run(unit, *arguments)
    for place in range(8):
        expected = names[entry.name](*(each[place].item() for each in arguments))
        np.testing.assert_allclose([each[place] for each in computed], np.ravel(expected), rtol=1e-12)


def test_a_derivative_does_not_grow_with_the_turns_of_a_loop() -> None:
    @register
    def few(x: float) -> float:
        for _ in range(3):
            x = math.sin(x)
        return x

    @register
    def many(x: float) -> float:
        for _ in range(3000):
            x = math.sin(x)
        return x

    assert len(few.derivative_source.splitlines()) == len(many.derivative_source.splitlines())
    assert cnp.evaluate(many.grad(np.array([0.5]))) > 0


def test_a_linear_loop_stores_nothing() -> None:
    @register
    def linear(x: float, n: int) -> float:
        total = 0.0
        for i in range(n):
            total += x * i
        return total

    assert "append" not in linear.derivative_source
    assert cnp.evaluate(linear.vjp(np.array([1.0]), 4, 1.0)).tolist() == [6.0]


def test_what_has_no_derivative_says_so() -> None:
    @register
    def whole(x: float) -> int:
        return int(x)

    @register
    def two(x: float) -> tuple[float, float]:
        return x, x

    with pytest.raises(DerivativeError, match="expected float parameters and float results"):
        whole.vjp(np.array([1.0]), 1.0)
    with pytest.raises(KernelError, match="expected one float result"):
        two.grad(np.array([1.0]))
    (gradient,) = chain_rule({cnp.sum(whole(x := cnp.asarray([1.5])) * x): cnp.asarray(1.0)}, [x])
    assert cnp.evaluate(gradient).tolist() == [1.0]
