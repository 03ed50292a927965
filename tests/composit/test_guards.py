"""Reads of values by Python, one by one: each that can steer it is checked when the program runs on new inputs."""

from __future__ import annotations

import gc
import math
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.apply import as_tensor
from composit.errors import GuardError, ShapeError, UnreachedInputError
from composit.guards import reads_of
from composit.nn import chain_rule, optimize, sgd_optimizer
from composit.operation import Input
from composit.program import ancestors_in_order, count_evaluations

VALUES = np.array([1.0, 2.0, 3.0])
OTHERS = np.array([3.0, -2.0, 1.0])

READS: dict[str, Callable[[Any], Any]] = {
    "bool": lambda x: x * 2 if cnp.all(x > 0) else x,
    "int": lambda x: x + np.ones(int(x[0] * 3)),
    "float": lambda x: x * float(x[0]),
    "item": lambda x: x * x[1].item(),
    "tolist": lambda x: x * x.tolist()[0],
    "asarray": lambda x: x + np.asarray(x)[0],
    "array of tensors": lambda x: x + np.array([cnp.sum(x), x[0], 1.0]),
    "index of a list": lambda x: x * [10.0, 20.0, 30.0][cnp.argmax(x)],
    "contains": lambda x: x if 2.0 in x else -x,
    "iteration": lambda x: x * next(v for v in x if v > 1.5),
    "the larger of two": lambda x: x * max(x[0], x[1]),
    "sorted": lambda x: x * sorted([x[2], x[0]], key=float)[0],
    "shape": lambda x: x[0] + cnp.zeros(cnp.max(x).astype(int) if x[0] < 2 else 4),
    "range": lambda x: x[0] + cnp.arange(x[0] * 3),
    "mask": lambda x: x[x > 1.5] + x[0],
    "float64": lambda x: x * np.float64(x[0]),
    "comparison chain": lambda x: x + 1 if x[0] < x[1] < x[2] else x,
    "negation": lambda x: x if not x[1] > 0 else x + 1,
    "and": lambda x: x if x[0] > 0 and x[1] > 0 else x + 1,
    "repeat": lambda x: x[0] + cnp.repeat(x, np.asarray(x).astype(int) % 4),
}


@pytest.mark.parametrize("name", READS)
def test_a_read_that_would_differ_is_an_error_and_one_that_agrees_is_none(name: str):
    x = cnp.asarray(VALUES)
    y = READS[name](x)
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: VALUES.copy()}), READS[name](VALUES))
    with pytest.raises(GuardError, match=r"test_guards\.py"):
        cnp.evaluate(y, inputs={x: OTHERS})


@pytest.mark.parametrize("name", ["bool", "float", "tolist", "index of a list", "mask", "iteration"])
def test_a_compiled_model_checks_the_reads_too(name: str):
    x = cnp.asarray(VALUES)
    y = READS[name](x)
    model = mosaic.compile(y, inputs=[x])
    np.testing.assert_allclose(model(VALUES), READS[name](VALUES), rtol=1e-12)
    with pytest.raises(GuardError, match=r"test_guards\.py"):
        model(OTHERS)


SIGN_READS: dict[str, Callable[[Any], Any]] = {
    "float": lambda x: math.copysign(1.0, float(x[0])),
    "item": lambda x: math.copysign(1.0, x[0].item()),
    "complex": lambda x: math.copysign(1.0, complex(x[0]).real),
    "imaginary part": lambda x: math.copysign(1.0, complex(cnp.multiply(x[0], 1j)).imag),
    "tolist": lambda x: math.copysign(1.0, x.tolist()[0]),
    "asarray": lambda x: math.copysign(1.0, np.asarray(x)[0]),
    "text": lambda x: -1.0 if repr(x[0].item()).startswith("-") else 1.0,
}


@pytest.mark.parametrize("name", SIGN_READS)
def test_a_read_of_zero_differs_from_one_of_minus_zero(name: str):
    zero, minus_zero = np.array([0.0, 1.0]), np.array([-0.0, 1.0])
    x = cnp.asarray(zero)
    y = x + 5 * SIGN_READS[name](x)
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: zero.copy()}), [5.0, 6.0])
    with pytest.raises(GuardError, match=r"read (\(?0\.|\[0\.|0\.).* would read .*-0\."):
        cnp.evaluate(y, inputs={x: minus_zero})


def test_a_condition_on_zero_holds_for_minus_zero_too():
    x = cnp.asarray(np.array([0.0, 1.0]))
    y = x + 5 if not x[0] else x
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: np.array([-0.0, 1.0])}), [5.0, 6.0])


def test_the_last_test_of_a_loop_is_checked_although_nothing_is_built_after_it():
    x = y = cnp.asarray(np.array([8.0, 1.0]))
    while cnp.max(y) > 1:
        y = y / 2
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: np.array([7.0, 3.0])}), [0.875, 0.375])
    with pytest.raises(GuardError, match="bool"):
        cnp.evaluate(y, inputs={x: np.array([16.0, 1.0])})
    with pytest.raises(GuardError, match="bool"):
        mosaic.compile(y, inputs=[x])(np.array([16.0, 1.0]))


def test_a_choice_among_values_that_were_built_before_is_checked():
    x = cnp.asarray(VALUES)
    doubled, tripled = x * 2, x * 3
    for chosen in (doubled if x[0] > 0 else tripled, [doubled, tripled, x][cnp.argmin(x)]):
        with pytest.raises(GuardError, match=r"test_guards\.py"):
            cnp.evaluate(chosen, inputs={x: -VALUES})


def test_guards_can_be_ignored():
    x = cnp.asarray(VALUES)
    y = READS["bool"](x)
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: OTHERS}, guards="ignore"), OTHERS * 2)
    np.testing.assert_array_equal(mosaic.compile(y, inputs=[x], guards="ignore")(OTHERS), OTHERS * 2)


def test_a_read_of_another_input_is_not_checked():
    x, w = cnp.asarray(VALUES), cnp.asarray(VALUES)
    y = w * 2 if cnp.any(x > 2) else w
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={w: OTHERS}), OTHERS * 2)
    with pytest.raises(UnreachedInputError, match="bool"):
        cnp.evaluate(y, inputs={x: OTHERS})


def test_a_read_behind_an_inner_value_that_is_given_is_checked():
    x = cnp.asarray(VALUES)
    inner = x * 2
    y = inner + 1 if cnp.sum(inner) > 0 else inner
    with pytest.raises(GuardError, match="bool"):
        cnp.evaluate(y, inputs={inner: -VALUES})


def test_a_read_before_an_inner_value_that_is_given_is_not_checked():
    x = cnp.asarray(VALUES)
    scale = float(cnp.sum(x))
    inner = x * scale
    np.testing.assert_array_equal(cnp.evaluate(inner + 1, inputs={inner: OTHERS}), OTHERS + 1)


def test_nan_that_is_read_again_as_nan_agrees():
    x = cnp.asarray(np.array([np.nan, 1.0]))
    y = x * float(x[0])
    assert np.isnan(cnp.evaluate(y, inputs={x: np.array([np.nan, 2.0])})).all()


def test_a_training_loop_that_reads_its_loss_keeps_no_old_weights():
    x, weight = cnp.asarray(np.ones((2, 3))), cnp.asarray(np.ones(3))
    old: list[weakref.ref[Input]] = []
    for _ in range(5):
        old.append(weakref.ref(weight.node.operation))
        loss = cnp.sum((x @ weight) ** 2)
        assert float(loss) > 0
        (weight,) = optimize([weight], chain_rule({loss: loss}, [weight]), sgd_optimizer(learning_rate=1e-3))
    del loss
    gc.collect()
    # The last step's value may outlive its handle by a read or two.
    assert sum(reference() is not None for reference in old) <= 2


def test_a_program_of_new_weights_is_not_checked_for_reads_of_the_old():
    x, weight = cnp.asarray(VALUES), cnp.asarray(VALUES)
    loss = cnp.sum(x * weight)
    float(loss)
    (weight,) = optimize([weight], chain_rule({loss: loss}, [weight]), sgd_optimizer(learning_rate=0.5))
    np.testing.assert_array_equal(cnp.evaluate(x * weight, inputs={x: OTHERS}), OTHERS * (VALUES - 0.5 * VALUES))


@pytest.mark.slow
def test_ten_thousand_rounds_of_a_loop_that_reads_hold_few_arrays():
    x = cnp.asarray(np.full(1000, 1.0))
    rounds = 0
    while cnp.max(x) > 0.5 and rounds < 10_000:
        x = x * 0.99999
        rounds += 1
        if rounds % 1000 == 0:
            gc.collect()
            arrays = sum(type(each) is np.ndarray and each.size == 1000 for each in gc.get_objects())
            assert arrays < 20
    assert rounds == 10_000
    np.testing.assert_allclose(cnp.evaluate(x), 0.99999**10_000, rtol=1e-9)


def _assign(x: Any, value: Any) -> Any:
    x[0] = value
    return x


NEXT: dict[str, Callable[[Any, Any], Any]] = {"by a new name": lambda x, value: x * 0 + value, "by writing": _assign}


@pytest.mark.parametrize("name", NEXT)
def test_a_loop_goes_on_from_its_last_value_however_much_else_it_reads(name: str):
    runs = []

    @cnp.wrap_as_operation(result_types=lambda x: x)
    def halve(x):
        runs.append(1)
        return x / 2

    others = [cnp.asarray(np.arange(4.0)) for _ in range(5)]
    x = cnp.asarray(np.array([2.0**50, 0.0])) + 0
    while x[0] > 1:
        x = NEXT[name](x, halve(x[0]))
        assert all(cnp.sum(other * other) > 13 for other in others)
    assert len(runs) == 50


@pytest.mark.parametrize("is_backwards", [False, True])
def test_losses_that_are_read_after_the_loop_go_on_from_each_other(is_backwards: bool):
    runs = []

    @cnp.wrap_as_operation(result_types=lambda x: x)
    def halve(x):
        runs.append(1)
        return x / 2

    x, losses = cnp.asarray(np.array([2.0**50, 0.0])) + 0, []
    for _ in range(50):
        x = halve(x[::-1])
        losses.append(cnp.sum(x))
    read = [float(loss) for loss in (reversed(losses) if is_backwards else losses)]
    assert sorted(read) == [2.0**exponent for exponent in range(50)]
    assert len(runs) == 50


def test_what_only_the_value_that_is_read_is_computed_from_is_not_kept():
    x = cnp.asarray(np.arange(6.0).reshape(2, 3))
    inner = x * 2
    y = cnp.sum(cnp.exp(inner + 1).T)
    nodes = [weakref.ref(node) for node in ancestors_in_order([y.node])]
    del inner
    float(y)
    assert [node.name for node in (reference() for reference in nodes) if node._values] == ["sum"]


def test_the_value_of_an_only_result_is_kept_without_a_dictionary():
    x = cnp.asarray(np.arange(1.0, 5.0))
    totals = [cnp.sum(x * k) for k in range(1000)]

    def num_dictionaries() -> int:
        gc.collect()
        return sum(type(each) is dict for each in gc.get_objects())

    # Printing keeps the value and no guard.
    str(totals[0])
    before = num_dictionaries()
    assert [str(total) for total in totals[1:]] == [str(10.0 * k) for k in range(1, 1000)]
    assert num_dictionaries() - before < 100


def test_values_that_nothing_was_computed_from_are_not_kept_for_ever():
    values = []
    for number in range(20):
        x = cnp.asarray(np.full(1 << 20, 1.0)) * number
        assert x[7] == number
        values.append(weakref.ref(x._known.value))
    assert sum(value() is not None for value in values) <= 8


def test_numbers_of_pythons_are_read_and_forgotten_like_arrays():
    assert [int(as_tensor(number)) for number in range(9)] == list(range(9))


def test_reads_of_one_array_hold_one_copy_of_it() -> None:
    made, given, objects = cnp.ones(1000) * 2, cnp.asarray(np.arange(1000.0)), cnp.array([object()] * 1000)
    for _ in range(5):
        made.tolist(), given.tolist(), objects[0]
    for tensor in (made, given, objects):
        seen = [guard.value for guard in reads_of(tensor.node)]
        assert len(seen) == 5
        assert all(value is seen[0] for value in seen)
        assert not seen[0].flags.writeable


def test_threads_build_and_evaluate_at_once():
    shared = cnp.asarray(np.arange(100.0))
    base = cnp.sin(shared)
    failures: list[str] = []

    def work(number: int) -> None:
        for turn in range(30):
            x = base * number + turn
            while cnp.max(x) > 1:
                x = x / 2
            value = cnp.evaluate(cnp.sum(x) if turn % 2 else x.graph and cnp.sum(x))
            expected = np.sin(np.arange(100.0)) * number + turn
            while np.max(expected) > 1:
                expected = expected / 2
            if value != np.sum(expected):
                failures.append(f"thread {number}, turn {turn}: {value}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_elements_of_a_known_array_are_looked_up_without_running_a_program() -> None:
    x = cnp.asarray(np.arange(50.0)) + 1
    with count_evaluations() as count:
        total = sum(float(element) for element in x)
        again = float(x[7])
    assert (total, again) == (1275.0, 8.0)
    # The first element computes the array, as far as it is needed for that element and for the array's own handle.
    assert count.runs == 1


def test_the_elements_of_an_array_made_from_nothing_need_no_run() -> None:
    x = cnp.arange(50)
    with count_evaluations() as count:
        assert [int(element) for element in x] == list(range(50))
    assert count.runs == 0


def test_a_look_up_is_a_guard_on_the_array_too() -> None:
    x = cnp.asarray(np.array([1.0, 2.0]))
    if x[0] > 0 and float(x[1]) == 2:
        y = x * 2
    with pytest.raises(GuardError, match="float read"):
        cnp.evaluate(y, inputs={x: np.array([1.0, 3.0])})


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_text_that_would_become_wider_is_an_error(backend: str) -> None:
    x = cnp.asarray(np.array(["abc", "xyz"]))
    replaced = cnp.strings.replace(x, "a", "bb")
    same = cnp.evaluate(replaced, inputs={x: np.array(["qqq", "aqq"])}, backend=backend)
    assert same.tolist() == ["qqq", "bbqq"]
    with pytest.raises(GuardError, match="dtype <U6 for the inputs given now and had <U4"):
        cnp.evaluate(replaced, inputs={x: np.array(["aaa", "aab"])}, backend=backend)


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_an_error_of_a_path_that_would_not_be_taken_is_a_guard_error(backend: str) -> None:
    x = cnp.asarray(np.array([1.0, -1.0, 2.0]))
    y = x.copy()
    y[y > 0] += 3  # two elements are chosen
    with pytest.raises(GuardError, match="mask read") as raised:
        cnp.evaluate(y, inputs={x: np.array([1.0, 1.0, 2.0])}, backend=backend)
    assert isinstance(raised.value.__cause__, ValueError)
    with pytest.raises(ValueError, match="cannot assign"):
        cnp.evaluate(y, inputs={x: np.array([1.0, 1.0, 2.0])}, backend=backend, guards="ignore")
    with pytest.raises(GuardError, match="mask read"):
        mosaic.compile(y, inputs=[x])(np.ones(3))
    with pytest.raises(ShapeError):
        mosaic.compile(y, inputs=[x])(np.ones(4))


def test_an_error_that_no_read_explains_is_the_one_that_was_raised() -> None:
    x, i = cnp.asarray(np.arange(3.0)), cnp.asarray(np.array([0]))
    y = cnp.take(x, i) * 2 if x.sum() > 1 else x
    with pytest.raises(IndexError, match="out of bounds"):
        cnp.evaluate(y, inputs={x: np.arange(3.0), i: np.array([9])})
