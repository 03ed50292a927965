"""`chain_rule` warns of numbers that Python read from its inputs and that came back into the outputs, and of no others."""

from __future__ import annotations

import math
import statistics
import sys
import warnings
from collections.abc import Callable
from types import FrameType, SimpleNamespace
from typing import Any

import numpy
import pytest

import composit
import composit.numpy as np
from composit.errors import CompositError, ReadNumberWarning
from composit.guards import end_history
from composit.nn import chain_rule
from composit.nn.number_flow import flow_of_names, statement_at, statements_of

LOG: list[float] = []
settings = SimpleNamespace(scale=1.0)


def by_math(x: Any) -> Any:
    return x[0] * math.exp(x[1]) + (x**2).sum()


def by_a_name(x: Any) -> Any:
    largest = float(x.max())
    y = x / largest
    return y.sum()


def by_a_name_of_a_name(x: Any) -> Any:
    total = x.sum().item()
    factor = 2 * total
    return (x * factor).sum()


def by_several_names(x: Any) -> Any:
    a, b, _ = x.tolist()
    return x[0] * a + x[1] * b


def by_one_of_two_names(x: Any) -> Any:
    y, factor = x * 2.0, float(x[0])
    return (y * factor).sum()


def by_one_of_four_names(x: Any) -> Any:
    y, _, factor, z = x * 2.0, 1, float(x[0]), x
    return (y + z * factor).sum()


def by_the_second_name_of_one_value(x: Any) -> Any:
    _ = factor = again = float(x[0])
    return (x * factor).sum() + again * 0


def by_a_loop_over_numbers(x: Any) -> Any:
    total = 0
    for value in x.tolist():
        total = total + x.sum() * value
    return total


def by_a_list(x: Any) -> Any:
    squares = []
    for i in range(3):
        squares.append(float(x[i]) ** 2)
    return (x * sum(squares)).sum()


def by_a_dictionary(x: Any) -> Any:
    known: dict[str, float] = {}
    known["first"] = 2 * float(x[0])
    return (x * known["first"]).sum()


def by_a_comprehension(x: Any) -> Any:
    weights = [math.exp(value) for value in x]
    return (x * np.array(weights)).sum()


def _length(x: Any) -> float:
    return math.sqrt(float((x * x).sum()))


def by_what_a_function_returns(x: Any) -> Any:
    return (x * _length(x)).sum()


def _scaled(x: Any, factor: float) -> Any:
    return (x * factor).sum()


def by_an_argument(x: Any) -> Any:
    first = float(x[0])
    return _scaled(x, first)


def by_an_attribute(x: Any) -> Any:
    settings.scale = float(x[0])
    return _with_settings(x)


def _with_settings(x: Any) -> Any:
    return (x * settings.scale).sum()


def by_numpys_array(x: Any) -> Any:
    weights = numpy.exp(numpy.asarray(x))
    return (x * weights).sum()


def by_a_generator(x: Any) -> Any:
    drawn = np.random.default_rng(0).normal(loc=x)
    return (drawn * x).sum()


def by_a_write(x: Any) -> Any:
    y = x * 1
    y[0] = float(x[1]) * 3
    return y.sum()


def by_a_new_array(x: Any) -> Any:
    values = np.array([float(x[0]), 2.0, 3.0])
    return (values * x).sum()


def by_a_full_array(x: Any) -> Any:
    return (np.full(3, float(x[0])) * x).sum()


COMING_BACK = [value for name, value in list(globals().items()) if name.startswith("by_")]


def is_printed(x: Any) -> Any:
    loss = (x * x).sum()
    print(float(loss), f"{float(loss):.3f}", x)
    return (x * 0.123).sum()


def is_logged(x: Any) -> Any:
    history = []
    for k in range(3):
        loss = ((x - 0.1 * k) ** 2).sum()
        history.append(float(loss))
        LOG.append(float(loss))
    text = f"{float(loss):.3f}"
    assert text
    assert sum(history) / len(history) > -1
    return (x * 0.77).sum()


def is_compared_by_a_loop(x: Any) -> Any:
    y, error, rounds = x, float(np.abs(x).max()), 0
    while error > 1e-3 and rounds < 5:
        y = y * 0.3
        error = float(np.abs(y).max())
        rounds += 1
    return y.sum()


def is_bound_beside_a_tensor(x: Any) -> Any:
    y, total = x * 2.0, float(x.sum())
    z, first, _, shown = y * 0.41, float(x[0]), 1, f"{total}"
    assert first < 2
    assert shown
    return (z * 0.43).sum()


def is_a_condition(x: Any) -> Any:
    y = x * 1.5
    if x.sum() > 0.2:
        y = y * 2.5
    return y[int(x[0])] * 0.3


def is_the_best_of_several(x: Any) -> Any:
    best, chosen = math.inf, 0.0
    for step in (0.1, 0.2, 0.4):
        value = float((x * step).sum())
        if value < best:
            best = value
            chosen = step
    return (x * chosen).sum()


def is_a_truth_value(x: Any) -> Any:
    is_small = float(x.sum()) < 3
    return (x * 0.32).sum() if is_small else x.sum()


def chooses_a_rate(x: Any) -> Any:
    rate = 0.1
    rate = rate * 0.5 if float(x.sum()) > 1 else rate
    return (x * rate).sum()


def is_read_after(x: Any) -> Any:
    y = (x * 0.5).sum()
    total = float(y)
    assert total > -math.inf
    return y


def is_of_another_tensor(x: Any) -> Any:
    scale = float(np.array([1.0, 2.0]).sum())
    return (x * scale).sum()


HARMLESS = [value for name, value in list(globals().items()) if name.startswith(("is_", "chooses_"))]


def _gradient(function: Callable[[Any], Any]) -> Any:
    x = np.array(numpy.array([1.0, 0.5, 2.0]))
    loss = function(x)
    return chain_rule({loss: loss}, [x])[0]


@pytest.mark.parametrize("function", COMING_BACK, ids=lambda function: function.__name__)
def test_a_number_that_comes_back_is_told_of(function: Callable[[Any], Any]) -> None:
    with pytest.warns(ReadNumberWarning, match="constants"):
        _gradient(function)


@pytest.mark.parametrize("function", HARMLESS, ids=lambda function: function.__name__)
def test_a_number_that_does_not_come_back_is_not(function: Callable[[Any], Any], capsys: Any) -> None:
    _gradient(function)  # warnings are errors


def test_the_warning_names_the_line_of_the_read_and_what_to_do() -> None:
    with pytest.warns(ReadNumberWarning) as caught:
        _gradient(by_math)
    (warning,) = caught
    text = str(warning.message)
    for part in ("float at", "in by_math", "math.exp(x[1])", "composit.numpy.exp", "filterwarnings"):
        assert part in text
    assert warning.filename == __file__
    assert set(ReadNumberWarning.__bases__) == {CompositError, UserWarning}


def test_the_warning_can_be_silenced_and_the_gradient_is_that_of_constants() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ReadNumberWarning)
        gradient = composit.evaluate(_gradient(by_math))
    numpy.testing.assert_allclose(gradient, [math.exp(0.5) + 2, 1, 4])


def test_training_by_hand_is_not_warned_of(capsys: Any) -> None:
    weight, rate, history = np.array(numpy.array([1.0, 2.0])), 0.05, []
    for step in range(5):
        loss = ((weight * 3.0 - 1.0) ** 2).sum()
        history.append(float(loss))
        (gradient,) = chain_rule({loss: loss}, [weight])
        length = float(np.linalg.norm(gradient))
        if length < 1e-3:
            break
        weight = weight - rate * gradient
        print(step, float(loss), length)
    assert history[-1] < history[0]


def test_products_with_a_second_derivative_are_not_warned_of() -> None:
    x = np.array(numpy.array([1.0, 2.0]))
    loss = (x**4).sum()
    (gradient,) = chain_rule({loss: loss}, [x])
    if float(np.linalg.norm(gradient)) > 1e-3:
        slope = (gradient * np.array([1.0, 0.0])).sum()
        chain_rule({slope: slope}, [x])


def _num_calls(function: Callable[[], object]) -> int:
    """Return how often Python entered a function, or went on in a generator."""
    counted = 0

    def count(frame: FrameType, event: str, arg: object) -> None:
        nonlocal counted
        counted += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(before)
    return counted


def _step(x: Any, others: Any) -> None:
    scale = float((x * others).sum())
    loss = (x * scale).sum()
    chain_rule({loss: loss}, [x])


@pytest.mark.parametrize("makes_others", [lambda k: 1.0, lambda k: np.array(numpy.array([k, 2.0]))])
@pytest.mark.filterwarnings("ignore::composit.errors.ReadNumberWarning")
def test_a_step_of_a_loop_costs_the_same_however_often_it_read(makes_others: Callable[[int], Any]) -> None:
    _step(np.array(numpy.array([1.0, 2.0])), 1.0)  # called from here it is another place, at which nothing depends on x
    x, held = np.array(numpy.array([1.0, 2.0])), [makes_others(k) for k in range(130)]
    counts = [_num_calls(lambda others=others: _step(x, others)) for others in held]  # type: ignore[misc]
    assert statistics.median(counts[120:]) <= statistics.median(counts[10:20]) + 2


def test_a_read_is_told_of_although_an_earlier_one_at_the_place_was_let_go() -> None:
    x = np.array(numpy.array([1.0, 2.0]))

    def read(other: Any) -> float:
        return float((x * other).sum())

    first, second = (np.array(numpy.array([value, 1.0])) for value in (3.0, 4.0))
    scales = [read(other) for other in (first, second)]
    end_history([first])
    loss = (x * scales[1]).sum()
    with pytest.warns(ReadNumberWarning, match="float at"):
        chain_rule({loss: loss}, [x])


def _example(x: Any, table: Any) -> Any:
    first = float(x)
    if first < 1:
        table["a"][0] = first + 1
    return first


def test_bytecode_is_cut_into_statements() -> None:
    found = [
        (set(each.loaded), set(each.bound), each.is_test, each.leaves) for each in statements_of(_example.__code__)
    ]
    assert found[0] == ({"float", "x"}, {"first"}, False, False)
    assert found[1] == ({"first"}, set(), True, False)
    assert found[2] == ({"first", "table"}, {"table"}, False, False)
    assert (({"first"}, set(), False, True)) in found[3:]


def test_names_are_followed_through_what_they_are_bound_to() -> None:
    flow = flow_of_names(_example.__code__, ["x"])
    assert {"x", "first", "table"} <= flow.names
    assert flow.leaves
    assert statement_at(_example.__code__, 10**6) is None
