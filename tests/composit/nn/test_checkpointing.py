"""`nn.checkpoint`: the same values and derivatives, from less memory."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any, NamedTuple

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from composit import nn
from composit.errors import DerivativeError, UnreachedInputError
from composit.nn import chain_rule
from composit.program import program_of

Value = Any
WIDTH, ROWS, NUM_LAYERS = 16, 512, 12


def layer(x: Value, first: Value, second: Value) -> Value:
    return x + cnp.tanh(cnp.exp(-(cnp.tanh(x @ first) ** 2)) @ second)


def deep_loss(is_checkpointed: bool) -> Any:
    def loss(weights: Value, x: Value) -> Value:
        for first, second in weights:
            x = nn.checkpoint(layer, x, first, second) if is_checkpointed else layer(x, first, second)
        return cnp.sum(x * x)

    return loss


def deep_arguments() -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    generator = np.random.default_rng(0)
    pairs = [(generator.normal(size=(WIDTH, WIDTH)), generator.normal(size=(WIDTH, WIDTH))) for _ in range(NUM_LAYERS)]
    return pairs, generator.normal(size=(ROWS, WIDTH))


def deep_gradients(is_checkpointed: bool) -> tuple[list[Value], Value]:
    """The inputs and the gradients by all weights."""
    weights, x = deep_arguments()
    inputs = cnp.asarray(x), [(cnp.asarray(first), cnp.asarray(second)) for first, second in weights]
    gradients = nn.grad(deep_loss(is_checkpointed))(inputs[1], inputs[0])
    return [inputs[0], *(each for pair in inputs[1] for each in pair)], gradients


def test_the_arena_of_a_deep_chain_shrinks() -> None:
    sizes, values = [], []
    for is_checkpointed in (False, True):
        inputs, gradients = deep_gradients(is_checkpointed)
        model = mosaic.compile(gradients, inputs=inputs)
        assert "numpy island" not in model.explain()
        sizes.append(model.buffers.arena_bytes)
        values.append(model(*cnp.evaluate(inputs)))
    # Kept are one value for each layer instead of five.
    assert sizes[1] < 0.5 * sizes[0]
    for pair, expected in zip(values[1], values[0], strict=True):
        np.testing.assert_allclose(pair, expected, rtol=1e-10, atol=1e-12)


def test_the_arena_does_not_shrink_by_what_is_kept_between_layers() -> None:
    """Without fusion each intermediate value has memory; still only one layer's are there at a time."""
    inputs, gradients = deep_gradients(True)
    model = mosaic.compile(gradients, inputs=inputs, fuse=False)
    one_value = ROWS * WIDTH * 8
    assert model.buffers.arena_bytes < (NUM_LAYERS + 16) * one_value


@pytest.mark.parametrize("is_prepared", [False, True])
def test_numpy_needs_less_memory_at_once(is_prepared: bool) -> None:
    peaks = []
    for is_checkpointed in (False, True):
        _, gradients = deep_gradients(is_checkpointed)
        for _ in range(2 * is_prepared):
            cnp.evaluate(gradients)  # from the second time on, a prepared program runs
        gc.collect()
        tracemalloc.start()
        try:
            cnp.evaluate(gradients)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 0.6 * peaks[0]


def test_what_runs_again_runs_behind_the_cotangent() -> None:
    _, gradients = deep_gradients(True)
    lines = str(program_of([each for pair in gradients for each in pair])).splitlines()
    fences = [number for number, line in enumerate(lines) if " = fence(" in line]
    products = [number for number, line in enumerate(lines) if " = matmul(" in line]
    assert len(fences) == NUM_LAYERS
    # Two products of each layer run first; those behind a fence are two of its layer and four of its derivative.
    assert sum(number < fences[0] for number in products) == 2 * NUM_LAYERS
    for fence, following in zip(fences, [*fences[1:], len(lines)], strict=True):
        assert 5 <= sum(fence < number < following for number in products) <= 6


def test_derivatives_of_first_and_second_order_are_those_without() -> None:
    generator = np.random.default_rng(1)
    x, w = generator.normal(size=(3, 4)), generator.normal(size=(4, 4))

    def loss(x: Value, w: Value) -> Value:
        return cnp.sum(nn.checkpoint(lambda a, b: cnp.tanh(a @ b) ** 3, x, w))

    nn.check_gradients(loss, [x, w], order=2)


def test_third_derivatives() -> None:
    third = nn.grad(nn.grad(nn.grad(lambda x: nn.checkpoint(lambda x: cnp.sin(x) * x, x))))
    x = 0.7
    assert float(cnp.evaluate(third(x))) == pytest.approx(-3 * np.sin(x) - x * np.cos(x), rel=1e-12)


def test_forward_sweeps_go_through() -> None:
    value, change = nn.jvp(lambda x: nn.checkpoint(cnp.sin, x), [0.3], [2.0])
    np.testing.assert_allclose(cnp.evaluate(value, change), [np.sin(0.3), 2 * np.cos(0.3)], rtol=1e-12)


class Pair(NamedTuple):
    first: Value
    rest: Value


def test_arguments_and_results_are_nested_containers() -> None:
    def function(p: dict[str, Value], scale: float, *, name: str) -> Pair:
        assert name == "option"
        return Pair(p["a"] * scale, {"b": [cnp.exp(p["a"]), 3, "word", p["a"]]})

    a = cnp.asarray([1.0, 2.0])
    result = nn.checkpoint(function, {"a": a}, 2.0, name="option")
    assert isinstance(result, Pair)
    assert result.rest["b"][1:3] == [3, "word"]
    total = cnp.sum(result.first * result.rest["b"][0]) + cnp.sum(result.rest["b"][3])
    (gradient,) = chain_rule({total: total}, [a])
    values = np.array([1.0, 2.0])
    np.testing.assert_allclose(cnp.evaluate(gradient), 2 * np.exp(values) * (1 + values) + 1, rtol=1e-12)


def test_arrays_are_arguments_as_tensors_are() -> None:
    slopes = nn.grad(lambda p: nn.checkpoint(lambda q: cnp.sum(q["w"] ** 2), p))({"w": np.array([1.0, -3.0])})
    np.testing.assert_array_equal(cnp.evaluate(slopes["w"]), [2.0, -6.0])


def test_tensors_from_outside_get_their_gradients() -> None:
    w = cnp.asarray([2.0, 3.0])
    scaled = w * 2
    y = cnp.sum(nn.checkpoint(lambda x: cnp.exp(x) * scaled + w, cnp.zeros(2)))
    (gradient,) = chain_rule({y: y}, [w])
    np.testing.assert_array_equal(cnp.evaluate(gradient), [3.0, 3.0])


def test_checkpoints_nest() -> None:
    def inner(x: Value) -> Value:
        return nn.checkpoint(lambda x: cnp.sin(cnp.exp(x)), x)

    def outer(x: Value) -> Value:
        return nn.checkpoint(lambda x: inner(inner(x) * 2), x)

    nn.check_gradients(lambda x: cnp.sum(outer(x)), [np.array([0.1, 0.4])], order=2)


def test_a_result_that_is_an_argument_or_returned_twice_counts_so() -> None:
    x = cnp.asarray([1.0, 2.0])
    a, b, c = nn.checkpoint(lambda x: (x, x * x, x * x), x)
    d, e = nn.checkpoint(lambda x: [x * 3] * 2, x)
    total = cnp.sum(a + 10 * b + 100 * c + 1000 * d + 10000 * e)
    (gradient,) = chain_rule({total: total}, [x])
    np.testing.assert_array_equal(cnp.evaluate(gradient), 1 + 220 * np.array([1.0, 2.0]) + 33000)


def test_draws_inside_keep_their_mask() -> None:
    generator = cnp.random.default_rng(0)
    x = cnp.asarray(np.arange(1.0, 101.0))
    y = nn.checkpoint(lambda x: nn.dropout(x, 0.5, seed=generator) * x, x)
    (gradient,) = chain_rule({y: cnp.ones(100)}, [x])
    value, slope = cnp.evaluate(y, gradient)
    assert 20 < np.count_nonzero(value) < 80
    np.testing.assert_allclose(slope, value * 2 / np.arange(1.0, 101.0), rtol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_a_compiled_step_draws_anew_for_forward_and_backward(backend: str) -> None:
    generator = cnp.random.default_rng(0)

    def step(x: Value) -> Value:
        def loss(x: Value) -> Value:
            return cnp.sum(nn.checkpoint(lambda x: nn.dropout(x, 0.5, seed=generator) ** 2, x))

        return nn.value_and_grad(loss)(x)

    compiled = nn.compile_step(step, backend=backend)
    x = np.ones(64)
    values = []
    for _ in range(3):
        value, slope = compiled(x)
        assert float(value) == pytest.approx(0.5 * slope.sum())
        values.append(slope)
    assert not np.array_equal(values[0], values[1])
    assert not np.array_equal(values[1], values[2])


def test_every_backend_computes_it() -> None:
    x = cnp.asarray(np.array([[0.5, -1.0], [2.0, 0.0]]))
    y = nn.checkpoint(lambda x: (cnp.tanh(x) @ x, x > 0, cnp.sum(x)), x)
    (gradient,) = chain_rule({y[0]: cnp.ones((2, 2)), y[2]: 2.0}, [x])
    expected = cnp.evaluate(*y, gradient)
    for backend in ("mosaic", "torch"):
        found = cnp.evaluate(*y, gradient, backend=backend)
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_allclose(one, other, rtol=1e-12)


def test_results_share_no_memory_with_the_arguments() -> None:
    x = cnp.asarray(np.ones(3))
    y = nn.checkpoint(lambda x: x, x)
    value = cnp.evaluate(y)
    value[0] = 5.0
    y[1] = 7.0
    np.testing.assert_array_equal(cnp.evaluate(x), np.ones(3))
    np.testing.assert_array_equal(cnp.evaluate(y), [1.0, 7.0, 1.0])


def test_writes_inside_stay_inside() -> None:
    def function(x: Value) -> Value:
        y = x * 1
        y[0] = cnp.exp(y[1])
        y *= 2
        return y

    nn.check_gradients(lambda x: cnp.sum(nn.checkpoint(function, x) ** 2), [np.array([0.5, 0.25])], order=2)


def test_complex_values_and_integers_go_through() -> None:
    z = cnp.asarray(np.array([1 + 2j, 3 - 1j]))
    y, n = nn.checkpoint(lambda z, n: (z * z, n + 1), z, np.array([1, 2]))
    (gradient,) = chain_rule({y: cnp.ones(2, complex)}, [z])
    plain = z * z
    (expected,) = chain_rule({plain: cnp.ones(2, complex)}, [z])
    np.testing.assert_array_equal(cnp.evaluate(gradient), cnp.evaluate(expected))
    np.testing.assert_array_equal(cnp.evaluate(n), [2, 3])


def test_what_is_not_reached_is_said_as_without() -> None:
    x, other = cnp.asarray([1.0]), cnp.asarray([1.0])
    y = cnp.sum(nn.checkpoint(lambda x: nn.stop_gradient(x) * 2, x))
    with pytest.raises(DerivativeError, match="only through operations that have no derivative"):
        chain_rule({y: y}, [x])
    with pytest.raises(UnreachedInputError, match="no output depends on the input"):
        chain_rule({y: y}, [other])


def test_a_function_of_no_tensors_returns_what_it_returns() -> None:
    assert nn.checkpoint(lambda word: [word, None], "a") == ["a", None]


def test_steps_of_a_scan_may_be_checkpoints() -> None:
    generator = np.random.default_rng(0)
    w, h, xs = generator.normal(size=(4, 4)), generator.normal(size=4), generator.normal(size=(6, 4))
    inputs = [cnp.asarray(each) for each in (w, h, xs)]

    def loss(is_checkpointed: bool) -> Any:
        def step(h: Value, x: Value) -> tuple[Value, Value]:
            def compute(h: Value, x: Value) -> Value:
                return cnp.tanh(cnp.exp(cnp.sin(h)) @ inputs[0] + x)

            h = nn.checkpoint(compute, h, x) if is_checkpointed else compute(h, x)
            return h, h

        last, every = nn.scan(step, inputs[1], inputs[2])
        return cnp.sum(every * every) + cnp.sum(last)

    totals = [loss(False), loss(True)]
    expected, gradients = (chain_rule({total: total}, inputs) for total in totals)
    model = mosaic.compile(gradients, inputs=inputs)
    assert "numpy island" not in model.explain()
    for results in (cnp.evaluate(gradients), model(w, h, xs)):
        for one, other in zip(results, cnp.evaluate(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)
