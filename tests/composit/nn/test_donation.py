"""Donated arguments of compiled steps: new parameters and state are written into the memory of the old ones."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from composit import nn
from composit.errors import ParameterError
from composit.nn import compile_step, optimizers, value_and_grad
from tests.sampling import only

Value = Any
RNG = np.random.default_rng(0)
SIZES = (40, 300, 200, 7)


def _parameters() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    found = {}
    for number, (before, after) in enumerate(pairwise(SIZES)):
        found[f"weight{number}"] = (generator.normal(size=(before, after)) / np.sqrt(before)).astype(np.float32)
        found[f"bias{number}"] = np.zeros(after, np.float32)
    return found


X, Y = RNG.normal(size=(130, SIZES[0])).astype(np.float32), RNG.normal(size=(130, SIZES[-1])).astype(np.float32)


def _loss(parameters: Value, x: Value, y: Value) -> Value:
    for number in range(len(SIZES) - 1):
        x = cnp.tanh(x @ parameters[f"weight{number}"] + parameters[f"bias{number}"])
    return cnp.mean((x - y) ** 2)


def _training_step(optimizer: Any) -> Any:
    def step(parameters: Value, state: Value, x: Value, y: Value) -> Value:
        loss, slopes = value_and_grad(_loss)(parameters, x, y)
        names = list(parameters)
        stepped, state = optimizer.update([parameters[k] for k in names], [slopes[k] for k in names], state)
        return dict(zip(names, stepped, strict=True)), state, loss

    return step


def _start(optimizer: Any) -> tuple[Any, Any]:
    parameters = _parameters()
    state = cnp.evaluate(optimizer.init([cnp.asarray(each) for each in parameters.values()]))
    return parameters, state


def _arrays(container: Any) -> list[np.ndarray]:
    if isinstance(container, dict):
        return [each for value in container.values() for each in _arrays(value)]
    if isinstance(container, list | tuple):
        return [each for value in container for each in _arrays(value)]
    return [container] if isinstance(container, np.ndarray) and container.ndim else []


OPTIMIZERS = {
    "sgd": optimizers.sgd(0.1),
    "momentum": optimizers.sgd(0.1, momentum=0.9, nesterov=True),
    "adam": optimizers.adam(1e-2),
    "amsgrad": optimizers.amsgrad(1e-2),
    "clipped": optimizers.clipped(optimizers.adamw(1e-2), global_norm=0.1),
}


@pytest.mark.parametrize("name", only(["adam"], OPTIMIZERS))
def test_parameters_and_state_are_updated_where_they_lie(name: str) -> None:
    optimizer = OPTIMIZERS[name]
    step, plain = (compile_step(_training_step(optimizer), donate=each) for each in ((0, 1), ()))
    parameters, state = _start(optimizer)
    expected, expected_state = _start(optimizer)
    own = _arrays((parameters, state))
    for _ in range(6):
        parameters, state, loss = step(parameters, state, X, Y)
        expected, expected_state, expected_loss = plain(expected, expected_state, X, Y)
        assert all(one is other for one, other in zip(_arrays((parameters, state)), own, strict=True))
        assert loss == expected_loss
    for one, other in zip(own, _arrays((expected, expected_state)), strict=True):
        np.testing.assert_array_equal(one, other)
    lines = step.explain().splitlines()
    assert "result[0]['weight1'] float32[300, 200]: in place of argument 0['weight1']" in lines
    assert "result[2] float32[]: new memory" in lines
    assert "in place" not in plain.explain()


def _bytes_of_a_step(step: Any, arguments: list[Any]) -> int:
    """The most bytes that numpy's arrays take at once in the fourth step, of those that it makes."""
    for _ in range(3):
        arguments[0], arguments[1], _ = step(*arguments)
    gc.collect()
    tracemalloc.start()
    try:
        step(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_step_allocates_no_weights() -> None:
    optimizer = OPTIMIZERS["adam"]
    weights = sum(each.nbytes for each in _parameters().values())
    given_away = _bytes_of_a_step(compile_step(_training_step(optimizer), donate=(0, 1)), [*_start(optimizer), X, Y])
    kept = _bytes_of_a_step(compile_step(_training_step(optimizer)), [*_start(optimizer), X, Y])
    assert kept > 3 * weights  # parameters and two moments of each
    assert given_away < 0.1 * weights


def _calls_per_array(step: Any) -> float:
    """Return how many functions a call of a step calls for each array more among its arguments and results."""

    def num_calls(num_arrays: int) -> int:
        arrays, events = [np.ones(3, np.float32) for _ in range(num_arrays)], list[str]()
        for _ in range(3):
            arrays = step(arrays)
        sys.setprofile(lambda frame, event, argument: events.append(event))
        try:
            step(arrays)
        finally:
            sys.setprofile(None)
        return sum(event in ("call", "c_call") for event in events)

    return (num_calls(60) - num_calls(10)) / 50


def test_a_call_does_little_in_python_for_each_array() -> None:
    # There were 98 once: 3 of the 14 ms that a step of a small vision transformer took.
    step = compile_step(lambda arrays: [each * 2.0 for each in arrays], donate=0)
    assert _calls_per_array(step) <= 16


def test_large_weights_are_not_copied_without_donation_either() -> None:
    step = compile_step(lambda w, x: (w - 0.5 * x, cnp.sum(w)))
    w, x = np.ones((1 << 21,)), np.ones(1 << 21)
    for _ in range(3):
        w, _ = step(w, x)
    gc.collect()
    tracemalloc.start()
    try:
        step(w, x)
        # Memory of large results is mosaic's own and used again; a copy would be an array of numpy's.
        assert tracemalloc.get_traced_memory()[1] < w.nbytes // 8
    finally:
        tracemalloc.stop()


def test_running_statistics_and_counts_of_a_layer_are_updated_too() -> None:
    def step(p: Value, running: Value, x: Value) -> Value:
        y, mean, variance = nn.batch_norm_training(x, running[0], running[1], p["w"], p["b"])
        return {"w": p["w"] + cnp.mean(y, axis=0), "b": p["b"] * 0.5}, (mean, variance)

    compiled = compile_step(step, donate=["running", 0])
    p, running = {"w": np.ones(8), "b": np.ones(8)}, (np.zeros(8), np.ones(8))
    x = RNG.normal(size=(20, 8))
    stepped, statistics = compiled(p, running=running, x=x)
    assert stepped["w"] is p["w"]
    assert statistics[0] is running[0]
    np.testing.assert_allclose(running[0], 0.1 * x.mean(axis=0), rtol=1e-12)
    assert "result[1][1] float64[8]: in place of argument running[1]" in compiled.explain()


def test_what_is_no_update_reads_old_values_first() -> None:
    table, places = RNG.normal(size=(6, 3)), np.array([0, 2, 2])

    def step(table: Value, places: Value) -> Value:
        loss, slope = value_and_grad(lambda table: cnp.sum(nn.embedding(places, table) ** 2))(table)
        return table - 0.1 * slope, loss, table[::-1, 1:] + 1.0

    given, kept = compile_step(step, donate=0), compile_step(step)
    own, other = table.copy(), table.copy()
    for _ in range(3):
        stepped, loss, turned = given(own, places)
        other, expected, expected_turned = kept(other, places)
        assert stepped is own
        assert loss == expected
        np.testing.assert_array_equal(turned, expected_turned)
    np.testing.assert_array_equal(own, other)


def test_a_value_that_is_read_later_or_elsewhere_keeps_its_memory() -> None:
    def step(w: Value, v: Value, x: Value) -> Value:
        return w * 2.0, v[::-1] + 1.0, cnp.cumsum(x), cnp.sum(w[::-1] * cnp.cumsum(w * 2.0))

    compiled = compile_step(step, donate=(0, 1, 2))
    for _ in range(3):
        w, v, x = (RNG.normal(size=64) for _ in range(3))
        before = w.copy(), v.copy(), x.copy()
        results = compiled(w, v, x)
        expected = step(*map(cnp.asarray, before))
        for one, other in zip(results, cnp.evaluate(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)
        np.testing.assert_array_equal(v, before[1])
    text = compiled.explain()
    assert "argument 1 float64[64] keeps its values: the kernel that computes it still reads elements" in text
    assert "in place of argument 1" not in text


def test_a_state_that_is_stacked_of_two_parts_keeps_its_memory() -> None:
    """The kernel writes the output in two parts, of which either may read what the other replaced."""

    def cell(state: Value, x: Value) -> Value:
        memory = state[1] * cnp.tanh(x) + x
        return cnp.stack([state[0] * cnp.tanh(memory), memory])

    state, x = RNG.normal(size=(2, 1, 128)).astype(np.float32), RNG.normal(size=(1, 128)).astype(np.float32)
    expected = cnp.evaluate(cell(cnp.asarray(state), cnp.asarray(x)))
    step = compile_step(cell, donate=(0,))
    np.testing.assert_allclose(step(state.copy(), x), expected, atol=1e-6)
    assert "the kernel that computes it writes it in several parts" in step.explain()


@pytest.mark.parametrize("shape", [(5,), (64, 48), (300, 257)])
def test_whatever_the_order_of_results_old_values_are_read_before(shape: tuple[int, ...]) -> None:
    """Values are exchanged, mixed, reduced and multiplied; the results are those without donation."""

    def step(a: Value, b: Value, c: Value) -> Value:
        total = cnp.sum(a * b, axis=-1, keepdims=True)
        mixed = a + 2.0 * b
        product = c - 0.1 * (cnp.reshape(a, (-1, shape[-1])).T @ cnp.reshape(b, (-1, shape[-1])))
        return b * total, mixed / (1.0 + cnp.abs(a)), product, cnp.max(c) + cnp.sum(mixed)

    given, kept = compile_step(step, donate=(0, 1, 2)), compile_step(step)
    a, b, c = RNG.normal(size=shape), RNG.normal(size=shape), RNG.normal(size=(shape[-1],) * 2)
    one, other = [a.copy(), b.copy(), c.copy()], [a, b, c]
    for _ in range(3):
        *one, first = given(*one)
        *other, second = kept(*other)
        np.testing.assert_array_equal(first, second)
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)


def test_arrays_that_cannot_be_written_to_are_left_alone() -> None:
    step = compile_step(lambda w, x: (w * 2.0, x + 1.0), donate=(0,))
    read_only, strided, whole = np.ones(4), np.ones((4, 2))[:, 0], np.ones(8)
    read_only.flags.writeable = False
    for w in (read_only, strided):
        assert step(w, np.ones(4))[0] is not w
        np.testing.assert_array_equal(w, np.ones(4))
        assert "new memory, not argument 0: its array is read-only, or not dense" in step.explain()
    # The other argument shows the same memory.
    results = step(whole[:4], whole[2:6])
    np.testing.assert_array_equal(results[1], np.full(4, 2.0))
    np.testing.assert_array_equal(whole, np.ones(8))
    assert "shares memory with another argument" in step.explain()
    w = np.ones(4)
    assert step(w, np.ones(4))[0] is w
    assert "in place of argument 0" in step.explain()


def _two_on_one_memory(way: str) -> tuple[np.ndarray, np.ndarray]:
    whole = np.ones(4)
    if way == "the same array":
        return whole, whole
    if way == "two views":
        return whole[:], whole[:]
    if way == "through the buffer protocol":
        return whole, np.frombuffer(memoryview(whole))
    owner = bytearray(whole.tobytes())
    return np.frombuffer(owner), np.frombuffer(owner)


@pytest.mark.parametrize("way", ["the same array", "two views", "through the buffer protocol", "memory of others"])
def test_memory_that_two_arguments_show_is_found_however_it_is_shared(way: str) -> None:
    step = compile_step(lambda w, x: (w * 2.0, x + 1.0), donate=(0,))
    w, x = _two_on_one_memory(way)
    for _ in range(2):
        doubled, more = step(w, x)
        assert "shares memory with another argument" in step.explain()
        np.testing.assert_array_equal((doubled, more, w, x), [np.full(4, 2.0), np.full(4, 2.0), np.ones(4), np.ones(4)])


def test_parts_of_one_array_that_do_not_overlap_are_written_to() -> None:
    step = compile_step(lambda w, x: (w * 2.0, x + 1.0), donate=(0, 1))
    whole = np.ones(8)
    w, x = whole[:4], whole[4:]
    results = step(w, x)
    assert results[0] is w
    assert results[1] is x
    np.testing.assert_array_equal(whole, np.full(8, 2.0))


def test_a_donated_argument_that_cannot_be_written_to_does_not_stop_the_others() -> None:
    step = compile_step(lambda w, x: (w * 2.0, x + 1.0), donate=(0, 1))
    w, x = np.ones(4), np.ones(4)
    w.flags.writeable = False
    for _ in range(2):
        results = step(w, x)
        assert results[0] is not w
        assert results[1] is x
    np.testing.assert_array_equal((results[0], w, x), [np.full(4, 2.0), np.ones(4), np.full(4, 3.0)])


def test_tensors_and_numbers_may_stand_in_donated_arguments() -> None:
    step = compile_step(lambda p, rate: ({"w": p["w"] * rate, "n": p["n"] + 1.0}, rate), donate=(0, 1))
    w = cnp.asarray(np.ones(3))
    result, rate = step({"w": w, "n": 1.0}, 2.0)
    np.testing.assert_array_equal(result["w"], [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(cnp.evaluate(w), np.ones(3))
    assert (result["n"], rate) == (2.0, 2.0)
    assert "argument 0['n'] float64[] keeps its values: a number has no memory of its own" in step.explain()


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_other_backends_say_that_they_make_new_arrays(backend: str) -> None:
    step = compile_step(lambda w: w * 2.0, backend=backend, donate=0)
    w = np.ones(3)
    np.testing.assert_array_equal(step(w), [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(w, np.ones(3))
    assert "argument 0 float64[3] keeps its values: this backend makes new arrays for results" in step.explain()


def test_a_result_that_numpy_computes_has_new_memory() -> None:
    step = compile_step(lambda w, v: (cnp.partition(w, 2), v + cnp.partition(w, 2)), donate=(0, 1))
    w, v = np.array([3.0, 1.0, 2.0, 0.0]), np.arange(4.0)
    results = step(w, v)
    assert results[0] is not w
    assert results[1] is v
    np.testing.assert_array_equal(results[1], np.arange(4.0) + np.partition([3.0, 1.0, 2.0, 0.0], 2))


def test_programs_found_in_the_store_know_their_donations() -> None:
    for _ in range(2):
        step = compile_step(lambda w: (w * 3.25, np.pi), backend=mosaic.MosaicBackend(), donate=0)
        w = np.ones(5)
        assert step(w)[0] is w


def test_wrong_donations_are_errors_at_the_call() -> None:
    with pytest.raises(ParameterError, match="donate=-1 was given; expected positions of arguments from 0 on"):
        compile_step(lambda w: w, donate=-1)
    with pytest.raises(ParameterError, match="donate names the argument 'state', but the step was called with"):
        compile_step(lambda w, state: w, donate="state")(np.ones(2), np.ones(2))
    with pytest.raises(ParameterError, match="expected a step that has run"):
        compile_step(lambda w: w).explain()
