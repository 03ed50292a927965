"""`nn.scan`: what it computes, compared with a loop of Python, and what it refuses."""

from __future__ import annotations

import tracemalloc
import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
from composit import nn
from composit.nn import compile_step
from composit.nn.core import wrap_as_operation


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def test_running_sums_are_numpys() -> None:
    x = normal(7, 3)
    last, sums = nn.scan(lambda total, x: (total + x, total + x), np.zeros(3), x)
    np.testing.assert_allclose(cnp.evaluate(last), x.sum(axis=0))
    np.testing.assert_allclose(cnp.evaluate(sums), np.cumsum(x, axis=0))
    assert type(cnp.evaluate(last)) is np.ndarray


def test_a_carried_number_is_a_scalar() -> None:
    last, before = nn.scan(lambda total, x: (total + x, total), 1.0, np.array([1.0, 2.0]))
    assert (type(cnp.evaluate(last)), cnp.evaluate(last)) == (np.float64, 4.0)
    assert cnp.evaluate(before).tolist() == [1.0, 2.0]


State = namedtuple("State", ["position", "speed"])


@dataclass
class Body:
    position: Any
    speed: Any


@pytest.mark.parametrize(
    "make",
    [
        lambda p, v: (p, v),
        lambda p, v: [p, v],
        lambda p, v: {"p": p, "v": v},
        lambda p, v: OrderedDict(v=v, p=p),
        State,
        Body,
        lambda p, v: {"deep": [(p,), {"v": v, "nothing": None}]},
    ],
)
def test_carries_and_results_are_containers_of_any_kind(make: Callable[[Any, Any], Any]) -> None:
    def step(state: Any, push: Any) -> Any:
        p, v = _parts(state)
        return make(p + v, v + push["force"]), make(p, push["force"] * 2)

    init, force = make(np.zeros(2), np.ones(2)), normal(4, 2)
    last, stacked = nn.scan(step, init, {"force": force})
    assert type(last) is type(init)
    p, v, positions = np.zeros(2), np.ones(2), []
    for push in force:
        positions.append(p)
        p, v = p + v, v + push
    for given, wanted in zip(_parts(last) + _parts(stacked), [p, v, np.stack(positions), 2 * force], strict=True):
        np.testing.assert_allclose(cnp.evaluate(given), wanted)


def _parts(state: Any) -> list[Any]:
    if isinstance(state, dict):
        return [state["p"], state["v"]] if "p" in state else [state["deep"][0][0], state["deep"][1]["v"]]
    return list(state) if isinstance(state, tuple | list) else [state.position, state.speed]


def test_keys_of_a_carried_mapping_may_come_back_in_another_order() -> None:
    last, _ = nn.scan(lambda c, x: ({"b": c["b"] + x, "a": c["a"] * 2}, None), {"a": 1.0, "b": 10.0}, np.ones(3))
    assert (cnp.evaluate(last["a"]), cnp.evaluate(last["b"])) == (8.0, 13.0)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_runs_along_any_axis_in_both_directions(axis: int, reverse: bool) -> None:
    x = normal(3, 4, 5)
    moved = np.moveaxis(x, axis, 0)
    order = range(len(moved))[::-1] if reverse else range(len(moved))
    total, expected = np.zeros(moved.shape[1:]), np.empty_like(moved)
    for place in order:
        total = np.sin(total) + moved[place]
        expected[place] = total

    def step(total: Any, x: Any) -> Any:
        total = cnp.sin(total) + x
        return total, total

    last, stacked = nn.scan(step, np.zeros(total.shape), x, axis=axis, reverse=reverse)
    np.testing.assert_allclose(cnp.evaluate(last), total)
    np.testing.assert_allclose(cnp.evaluate(stacked), np.moveaxis(expected, 0, axis))


def test_a_step_is_repeated_without_xs() -> None:
    def fibonacci(pair: Any, _: None) -> Any:
        return (pair[1], pair[0] + pair[1]), pair[0]

    _, numbers = nn.scan(fibonacci, (0, 1), length=10)
    assert cnp.evaluate(numbers).tolist() == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]


def test_no_step_gives_init_and_empty_arrays() -> None:
    last, stacked = nn.scan(lambda c, x: (c + 1, x * 2), np.arange(2.0), np.ones((0, 3), np.float32))
    assert cnp.evaluate(last).tolist() == [0.0, 1.0]
    assert (cnp.evaluate(stacked).shape, cnp.evaluate(stacked).dtype) == ((0, 3), np.float32)


def test_numbers_at_the_start_take_the_dtype_that_follows() -> None:
    x = np.ones(3, np.float32)
    assert cnp.evaluate(nn.scan(lambda c, x: (c + x, None), 0.0, x)[0]).dtype == np.float32
    assert cnp.evaluate(nn.scan(lambda c, x: (c + x, None), 0, x)[0]).dtype == np.float32
    assert cnp.evaluate(nn.scan(lambda c, x: (c | (x > 2), None), False, x)[0]).dtype == np.bool


def test_what_a_step_does_not_read_is_no_operand() -> None:
    x, unread = cnp.asarray(np.ones(3)), cnp.asarray(np.ones(3))
    last, _ = nn.scan(lambda c, each: (c + each[0], None), 0.0, (x, unread))
    assert unread.node not in last.graph
    assert x.node in last.graph


def test_a_scan_is_one_node_whatever_its_length() -> None:
    weight = cnp.asarray(normal(4, 4))
    counts = set()
    for length in (3, 100, 10_000):
        x, start = cnp.asarray(np.ones((length, 4))), cnp.zeros(4)
        last, stacked = nn.scan(lambda h, x: (cnp.tanh(h @ weight + x), h), start, x)
        assert len(last.graph) == 4
        (gradient,) = nn.chain_rule({stacked: stacked}, [weight])
        scans = [node.operation for node in gradient.graph if isinstance(node.operation, type(last.node.operation))]
        counts.add((len(gradient.graph), *(len(each.body.program.instructions) for each in scans)))
    assert len(counts) == 1


def test_what_a_step_computes_of_captured_tensors_alone_stands_outside() -> None:
    weight = cnp.asarray(normal(3, 3))
    last, _ = nn.scan(lambda c, x: (c @ (weight * 2 + 1) + x, None), np.zeros(3), np.ones((5, 3)))
    inside = [node.name for node in last.node.operation.subgraph.nodes]
    assert sorted(inside) == ["add", "captured 0", "carry", "matmul", "x"]
    c = np.zeros(3)
    for _ in range(5):
        c = c @ (np.asarray(weight) * 2 + 1) + 1
    np.testing.assert_allclose(cnp.evaluate(last), c)


def test_scans_stand_inside_scans() -> None:
    def row(total: Any, x: Any) -> Any:
        return nn.scan(lambda t, each: (cnp.sin(t + each), t * each), total, x)

    x = normal(3, 4)
    last, stacked = nn.scan(row, 0.5, x)
    total, expected = 0.5, np.empty((3, 4))
    for place in np.ndindex(3, 4):
        expected[place] = total * x[place]
        total = np.sin(total + x[place])
    np.testing.assert_allclose(cnp.evaluate(last), total)
    np.testing.assert_allclose(cnp.evaluate(stacked), expected)


def test_a_step_may_write_to_what_is_carried() -> None:
    def sieve(is_prime: Any, number: Any) -> Any:
        places = cnp.arange(30)
        is_prime[(places % number == 0) & (places > number)] = False
        return is_prime, None

    last, _ = nn.scan(sieve, np.arange(30) > 1, np.arange(2, 6))
    assert np.flatnonzero(cnp.evaluate(last)).tolist() == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]


def test_the_starting_array_is_not_changed_by_writes_of_a_step() -> None:
    start = np.zeros(4)

    def write(c: Any, x: Any) -> Any:
        c[x] = 1.0
        return c, c

    last, stacked = nn.scan(write, start, np.array([1, 3]))
    assert cnp.evaluate(last).tolist() == [0, 1, 0, 1]
    assert cnp.evaluate(stacked).tolist() == [[0, 1, 0, 0], [0, 1, 0, 1]]
    assert start.tolist() == [0, 0, 0, 0]


def test_equal_scans_are_one_expression() -> None:
    x, weight = cnp.asarray(np.ones(3)), cnp.asarray(2.0)

    def make(factor: float) -> Any:
        return nn.scan(lambda c, x: (c * factor + x * weight, None), 0.0, x)[0].node

    assert make(2.0) == make(2.0)
    assert make(2.0) != make(3.0)
    assert make(2.0) != nn.scan(lambda c, x: (c * 2.0 + x * weight, None), 0.0, x, reverse=True)[0].node


def test_new_data_go_through_the_same_program() -> None:
    x, weight = cnp.asarray(np.ones(3)), cnp.asarray(2.0)
    scaled = weight * 3
    last, _ = nn.scan(lambda c, x: (c * scaled + x, None), 0.0, x)
    assert cnp.evaluate(last, inputs={x: [1.0, 2.0, 3.0], weight: 0.5}) == (1.5 + 2) * 1.5 + 3
    assert cnp.evaluate(last, inputs={scaled: 1.0}) == 3


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_scan_runs_in_a_compiled_step(backend: str) -> None:
    def power(w: Any, x: Any, rate: Any) -> Any:
        value, slope = nn.value_and_grad(lambda w: nn.scan(lambda c, x: (c * w + x, None), cnp.zeros(2), x)[0].sum())(w)
        return w - rate * slope, value

    step = compile_step(power, backend=backend)
    w, x = np.array([0.5, 0.25]), normal(4, 2)
    for rate in (0.1, 0.2, 0.1):
        c, dc = np.zeros(2), np.zeros(2)
        for each in x:
            dc, c = dc * w + c, c * w + each
        new, value = step(w, x, rate)
        np.testing.assert_allclose((value, *new), (c.sum(), *(w - rate * dc)))
        w = new


def test_errors_show_the_line_of_the_step() -> None:
    def step(c: Any, x: Any) -> Any:
        return cnp.linalg.inv(c) * x, None  # this line

    with pytest.raises(np.linalg.LinAlgError) as caught:
        cnp.evaluate(nn.scan(step, np.zeros((2, 2)), np.ones(3))[0])
    notes = "\n".join(caught.value.__notes__)
    assert "# this line" in notes
    assert "nn.scan(step" in notes


def test_warnings_come_from_the_line_of_the_step() -> None:
    def step(c: Any, x: Any) -> Any:
        return c / x, None

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        cnp.evaluate(nn.scan(step, np.ones(2), np.zeros((1, 2)))[0])
    assert [(str(each.message), each.lineno, each.filename) for each in said] == [
        ("divide by zero encountered in divide", step.__code__.co_firstlineno + 1, __file__)
    ]


def test_the_errstate_around_the_call_holds_in_the_steps() -> None:
    with cnp.errstate(divide="ignore"):
        quiet = nn.scan(lambda c, x: (c / x, None), np.ones(2), np.zeros((1, 2)))[0]
    assert cnp.evaluate(quiet).tolist() == [np.inf, np.inf]


def test_what_only_derivatives_read_is_not_computed_without_one() -> None:
    last, _ = nn.scan(lambda c, x: (c * x, None), np.ones(1000), np.ones(10_000))
    tracemalloc.start()
    float(last[0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All carried values together take 80 MB.
    assert peak < 8e6


def test_values_that_were_read_are_not_computed_again() -> None:
    calls = []

    @wrap_as_operation(result_types=lambda c: c, vjp=lambda xp, g, x, y, needs: [g[0] * 2.0])
    def doubled(c: Any) -> Any:
        calls.append(1)
        return np.asarray(c) * 2.0

    c = start = cnp.asarray(np.ones(3))
    for _ in range(6):
        c, _ = nn.scan(lambda c, x: (doubled(c) + x, None), c, np.ones(4))
        float(c[0])
    assert len(calls) == 6 * 4
    # The derivative reads what no read has left: those scans run once more.
    (gradient,) = nn.chain_rule({c: c}, [start])
    np.testing.assert_array_equal(cnp.evaluate(gradient), np.full(3, 2.0**24))


def grown(c: Any, x: Any) -> Any:
    return cnp.stack([c, c]), x


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (
            lambda: nn.scan(grown, np.zeros(2), np.ones(3)),
            ValueError,
            "f returned carry with shape (2,2); expected (2,)",
        ),
        (
            lambda: nn.scan(lambda c, x: ([c[0], c[1] / 2], x), [0.5, np.zeros(2, int)], np.ones(3)),
            TypeError,
            "f returned carry[1] with dtype float64; expected int64",
        ),
        (
            lambda: nn.scan(lambda c, x: ({"b": c["a"]}, x), {"a": 0.0}, np.ones(3)),
            TypeError,
            "f returned a dict with the keys ['b'] for carry; expected a dict with the keys ['a']",
        ),
        (lambda: nn.scan(lambda c, x: c, 0.0, np.ones(3)), TypeError, "expected a tuple (carry, y)"),
        (lambda: nn.scan(lambda c, x: (c, x), 0.0, [1.0, 2.0]), ValueError, "xs[0] has shape ()"),
        (lambda: nn.scan(lambda c, x: (c, x), 0.0, np.ones((2, 3)), axis=2), ValueError, "axis=2 was given"),
        (lambda: nn.scan(lambda c, x: (c, x), 0.0), TypeError, "pass length="),
        (lambda: nn.scan(lambda c, x: (c, x), 0.0, length=-1), ValueError, "expected 0 or more"),
        (
            lambda: nn.scan(lambda c, x: (c, x), 0.0, [np.ones(3), np.ones(4)]),
            ValueError,
            "the lengths 3, 4 were given",
        ),
        (lambda: nn.scan(lambda c, x: (c, x), 0.0, np.ones(3), length=4), ValueError, "the lengths 4, 3"),
        (lambda: nn.scan(lambda c, x: (c if c > 0 else x, x), 0.0, np.ones(3)), TypeError, "write cnp.where"),
    ],
)
def test_what_does_not_fit_is_an_error_at_the_call(call: Callable[[], Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value).startswith("scan: ")
    assert words in str(caught.value)


def test_a_picture_shows_the_step_in_a_frame() -> None:
    last, _ = nn.scan(lambda c, x: (cnp.tanh(c) + x, None), cnp.zeros(2), np.ones((3, 2)))
    source = cnp.visualize(last, render=False).source
    assert "step of scan" in source
    assert "tanh" in source
    # Values for derivatives are not shown.
    assert source.count("output") == 4  # the scan's and its step's, each with a tooltip
