"""Compiled training steps against the same steps evaluated one by one, and against torch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest

import composit.numpy as cnp
from composit.containers import map_leaves
from composit.eager_results import strict
from composit.errors import NoRuleError, OperandError, ParameterError, TracingError
from composit.nn import compile_step, dropout, optimizers, value_and_grad
from composit.program import count_evaluations

BACKENDS = ["numpy", "mosaic", "torch"]
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(16, 3)).astype(np.float32), RNG.normal(size=(16, 2)).astype(np.float32)
START = {"first": RNG.normal(size=(3, 8)).astype(np.float32), "second": RNG.normal(size=(8, 2)).astype(np.float32)}


def _loss(parameters: Any, x: Any, y: Any) -> Any:
    return cnp.mean((cnp.tanh(x @ parameters["first"]) @ parameters["second"] - y) ** 2)


OPTIMIZER = optimizers.adam(1e-2)


def _step(parameters: Any, state: Any, x: Any, y: Any) -> Any:
    loss, slopes = value_and_grad(_loss)(parameters, x, y)
    names = list(parameters)
    stepped, state = OPTIMIZER.update([parameters[k] for k in names], [slopes[k] for k in names], state)
    return dict(zip(names, stepped, strict=True)), state, loss


def _initial() -> Any:
    tensors = {name: cnp.asarray(value) for name, value in START.items()}
    return tensors, OPTIMIZER.init(list(tensors.values()))


def _eagerly(num_steps: int) -> list[float]:
    parameters, state = _initial()
    losses = []
    for _ in range(num_steps):
        parameters, state, loss = cnp.evaluate(_step(parameters, state, cnp.asarray(X), cnp.asarray(Y)))
        parameters, state = _as_tensors((parameters, state))
        losses.append(float(loss))
    return losses


def _as_tensors(container: Any) -> Any:
    return map_leaves(container, cnp.asarray)


@pytest.mark.parametrize("backend", BACKENDS)
def test_twenty_steps_are_those_of_the_loop_without_compilation(backend: str) -> None:
    step = compile_step(_step, backend=backend)
    parameters, state = _initial()
    losses = []
    for _ in range(20):
        parameters, state, loss = step(parameters, state, X, Y)
        losses.append(float(loss))
    np.testing.assert_allclose(losses, _eagerly(20), rtol=1e-5)
    assert losses[-1] < losses[0]
    assert step.num_variants == 1
    assert isinstance(parameters["first"], np.ndarray)
    assert parameters["first"].dtype == np.float32
    assert state["count"] == 20


def test_the_function_is_traced_twice_and_each_step_is_one_run() -> None:
    calls = []

    def step(w: Any, rate: float) -> Any:
        calls.append(1)
        loss, slope = value_and_grad(lambda w: cnp.sum(w * w))(w)
        return w - rate * slope, loss

    compiled = compile_step(step, backend="numpy")
    w = np.ones(3)
    with count_evaluations() as evaluations:
        for number in range(10):
            # Another rate compiles nothing.
            w, _ = compiled(w, 0.1 / (1 + number))
    assert len(calls) == 2
    assert evaluations.runs == 10
    assert compiled.num_variants == 1
    compiled(np.ones((2, 2)), 0.1)
    assert compiled.num_variants == 2


def test_the_source_is_forward_backward_and_update_in_c() -> None:
    step = compile_step(_step)
    with pytest.raises(ParameterError, match="has not run yet"):
        _ = step.source
    step(*_initial(), X, Y)
    assert "tanh" in step.source
    assert "mosaic_run" in step.source
    step = compile_step(_step, backend="numpy")
    step(*_initial(), X, Y)
    with pytest.raises(ParameterError, match="makes no C"):
        _ = step.source


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_draws_are_made_anew_in_each_step_as_without_compilation(backend: str) -> None:
    def step(generator: Any) -> Any:
        def inner(w: Any) -> Any:
            mask = generator.random(w.shape) < 0.5
            shuffled = generator.permutation(w)
            noise = generator.normal(size=w.shape, scale=0.1)
            same = cnp.random.default_rng(7).normal(size=w.shape)
            return cnp.where(mask, w, 0.0) + shuffled + noise + same

        return inner

    expected_generator = cnp.random.default_rng(3)
    expected = [cnp.evaluate(step(expected_generator)(cnp.arange(5.0))) for _ in range(5)]
    compiled = compile_step(step(cnp.random.default_rng(3)), backend=backend)
    given = [compiled(np.arange(5.0)) for _ in range(5)]
    np.testing.assert_array_equal(given, expected)
    assert not np.array_equal(given[3], given[4])


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_draws_are_found_beside_a_rate_that_is_a_number(backend: str) -> None:
    optimizer, x = optimizers.adam(0.1), np.ones((4, 3))

    def step_with(generator: Any) -> Callable[..., Any]:
        def step(w: Any, state: Any) -> Any:
            value, slope = value_and_grad(lambda w: cnp.sum(dropout(x @ w, 0.5, seed=generator) ** 2))(w)
            (w,), state = optimizer.update([w], [slope], state)
            return value, w, state

        return step

    plain, compiled = step_with(cnp.random.default_rng(3)), step_with(cnp.random.default_rng(3))
    step = compile_step(compiled, backend=backend)
    w = other = np.ones((3, 2))
    state = other_state = optimizer.init([w])
    for _ in range(4):
        value, w, state = step(w, state)
        expected, other, other_state = cnp.evaluate(plain(other, other_state))
        np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(w, other, rtol=1e-12)


def test_arguments_are_not_changed_and_results_are_the_callers() -> None:
    compiled = compile_step(lambda a, b: (a, b[1:], a + 1.0, "text"), backend="numpy")
    a, b = np.ones(2), np.arange(3.0)
    same, part, more, text = compiled(a, b)
    same += 5.0
    part += 5.0
    np.testing.assert_array_equal(a, np.ones(2))
    np.testing.assert_array_equal(b, np.arange(3.0))
    assert (more.tolist(), text) == ([2.0, 2.0], "text")


def test_old_parameters_that_the_caller_keeps_stay_as_they_are() -> None:
    step = compile_step(lambda w: (w * 2.0, cnp.sum(w)))
    kept = [np.ones(1000)]
    for _ in range(5):
        kept.append(step(kept[-1])[0])
    assert [float(each[0]) for each in kept] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]


def test_what_one_trace_cannot_say_for_all_calls_is_an_error() -> None:
    with pytest.raises(TracingError, match=r"write cnp\.where for a condition"):
        compile_step(lambda w: w if cnp.sum(w) > 0 else -w)(np.ones(2))
    numbers = iter(range(10))
    counting = compile_step(lambda w: w + np.full(2, next(numbers)), backend="numpy")
    counting(np.ones(2))
    with pytest.raises(TracingError, match="differs between the first two calls"):
        counting(np.ones(2))
    growing = compile_step(lambda w: sum([w] * (next(numbers) + 1)), backend="numpy")
    growing(np.ones(2))
    with pytest.raises(TracingError, match="built another program"):
        growing(np.ones(2))
    outside = np.random.default_rng(0)
    noisy = compile_step(lambda w: w + outside.normal(size=2), backend="numpy")
    noisy(np.ones(2))
    with pytest.raises(TracingError, match="random numbers from a composit generator"):
        noisy(np.ones(2))
    with pytest.raises(ParameterError, match="max_variants=0"):
        compile_step(lambda w: w, max_variants=0)


def test_few_variants_are_kept() -> None:
    step = compile_step(lambda w: w + 1.0, backend="numpy", max_variants=2)
    for size in range(1, 6):
        step(np.ones(size))
    assert step.num_variants == 2


def test_containers_and_options_are_part_of_the_program() -> None:
    step = compile_step(lambda p, *, scale: {"w": p["w"] * (2.0 if scale == "double" else 1.0)}, backend="numpy")
    assert step({"w": np.ones(1), "name": "a"}, scale="double")["w"] == 2
    assert step({"w": np.ones(1), "name": "a"}, scale="single")["w"] == 1
    assert step.num_variants == 2


@dataclass(frozen=True)
class _State:
    weight: Any
    name: str
    half: Any = field(init=False, default=None)


class _Pair(NamedTuple):
    left: Any
    right: Any


def test_arguments_of_one_structure_and_types_have_one_program() -> None:
    step = compile_step(lambda p, rate: [p[0].weight * rate, p[1].left, p[1].right["w"]], backend="numpy")

    def given(value: Any, dtype: Any = np.float64, name: str = "a") -> Any:
        array = np.full(3, value, dtype)
        return [_State(array, name), _Pair(array + 1, OrderedDict(w=array + 2))]

    np.testing.assert_array_equal(step(given(1.0), 2.0), [[2.0] * 3, [2.0] * 3, [3.0] * 3])
    tensors = map_leaves(given(1.0), lambda leaf: cnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf)
    np.testing.assert_array_equal(step(tensors, 3.0)[0], [3.0] * 3)
    np.testing.assert_array_equal(step(given(2.0), np.float64(3.0))[0], 6.0)  # not a Python number
    assert step.num_variants == 2
    for changed in (given(1.0, name="b"), given(1, np.int64), given(1, np.longlong), tuple(given(1.0))):
        step(changed, 2.0)
    assert step.num_variants == 6 - (np.dtype(np.longlong).num == np.dtype(np.int64).num)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_step_may_write_to_its_arguments(backend: str) -> None:
    def update(w: Any, x: Any) -> Any:
        slope = value_and_grad(lambda w: cnp.sum((w * x) ** 2))(w)[1]
        w -= 0.5 * slope
        w[0] = 7.0
        return w, x

    step = compile_step(update, backend=backend)
    w, x = np.array([1.0, 2.0]), np.array([1.0, 3.0])
    for _ in range(3):
        stepped, same = step(w, x)
        np.testing.assert_array_equal(stepped, [7.0, 2.0 - 18.0])
        np.testing.assert_array_equal(same, x)
    np.testing.assert_array_equal(w, [1.0, 2.0])


@pytest.mark.parametrize(
    "noise",
    [
        lambda generator: generator.normal(generator.normal(size=4) * 100),
        lambda generator: generator.normal(loc=generator.integers(0, 1000, size=4)),
        lambda generator: generator.spawn(1)[0].normal(size=4),
    ],
)
def test_a_draw_whose_parameters_or_generator_change_is_an_error(noise: Any) -> None:
    generator = cnp.random.default_rng(0)
    step = compile_step(lambda x: x + noise(generator), backend="numpy")
    step(np.zeros(4))
    with pytest.raises(TracingError, match="draw standard numbers and compute with them"):
        step(np.zeros(4))


def test_draws_with_parameters_that_stay_are_made_anew() -> None:
    def noise(generator: Any) -> Any:
        drawn = generator.normal(np.array([0.0, np.nan]), scale=[1.0, 2.0]) + generator.random(2, dtype=np.float32)
        return drawn + generator.choice([1.0, 2.0, 4.0], 2, p=[0.5, 0.25, 0.25])

    generator, expected = cnp.random.default_rng(0), cnp.random.default_rng(0)
    step = compile_step(lambda x: x + noise(generator), backend="numpy")
    for _ in range(4):
        np.testing.assert_array_equal(step(np.zeros(2)), cnp.evaluate(noise(expected)))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("number", [1.5, 1.5j])
def test_a_python_number_leaves_the_dtype_of_arrays(backend: str, number: complex) -> None:
    step = compile_step(lambda x, factor: x * factor, backend=backend)
    x = np.array([1.0, 2.0], np.float32)
    for factor in (number, number * 2):
        product = step(x, factor)
        np.testing.assert_array_equal(product, x * factor)
        assert product.dtype == (x * factor).dtype


def test_arguments_that_may_change_unseen_are_errors() -> None:
    torch = pytest.importorskip("torch")
    step = compile_step(lambda x, other: x, backend="numpy")
    for each in ({1, 2}, bytearray(b"a"), torch.ones(2)):
        with pytest.raises(OperandError, match="whose contents may change between calls"):
            step(1.0, each)
    for each in (np.ma.masked_array([1.0, 2.0], [True, False]), np.zeros(2).view(np.recarray)):
        with pytest.raises(NoRuleError, match=r"convert it with np\.asarray"):
            step(1.0, each)
    assert step(1.0, (frozenset({1}), float, None, "text")) == 1.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_step_may_index_by_its_arguments(backend: str) -> None:
    def step(table: Any, places: Any) -> Any:
        slope = value_and_grad(lambda table: cnp.sum(table[places] ** 2))(table)[1]
        rows = table[places]
        table[places] = 0.0
        return rows, slope, cnp.take(table, places, axis=0), table

    compiled = compile_step(step, backend=backend)
    table = np.arange(8.0).reshape(4, 2)
    for places in (np.array([0, 3, -1]), np.array([1, 1, 2]), np.array([3, 0, 1])):
        rows, slope, zeros, rest = compiled(table, places)
        expected = np.zeros_like(table)
        np.add.at(expected, places, 2 * table[places])
        np.testing.assert_array_equal(rows, table[places])
        np.testing.assert_array_equal(slope, expected)
        np.testing.assert_array_equal(zeros, np.zeros((3, 2)))
        np.testing.assert_array_equal(rest, np.where(np.isin(np.arange(4), places % 4)[:, None], 0.0, table))
    for _ in range(2):
        with pytest.raises(IndexError, match="out of bounds"):
            compiled(table, np.array([0, 4, 1]))
    np.testing.assert_array_equal(compiled(table, np.array([0, 3, 1]))[0], table[[0, 3, 1]])


def test_a_compiled_step_inside_grad_or_another_step_is_part_of_its_graph() -> None:
    inner = compile_step(lambda x, factor: x * factor, backend="numpy")
    slope = value_and_grad(lambda x: cnp.sum(inner(x, 3.0)))(np.ones(2))[1]
    np.testing.assert_array_equal(np.asarray(slope), [3.0, 3.0])
    outer = compile_step(
        lambda x: value_and_grad(lambda x: cnp.sum(inner(x, x)))(inner(x, 2.0))[1] + 1.0, backend="numpy"
    )
    for x in (np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.array([5.0, 6.0])):
        np.testing.assert_array_equal(outer(x), 4 * x + 1)
    assert isinstance(inner(np.ones(2), 2.0), np.ndarray)


def test_a_step_is_compiled_inside_strict_too() -> None:
    step = compile_step(lambda x: x * 2.0, backend="numpy")
    with strict():
        for _ in range(3):
            np.testing.assert_array_equal(step(np.ones(2)), [2.0, 2.0])
