"""Elements of arrays whose values are known, numbers computed from them, and numbers written back: at once, and in the graph."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
import mosaic
from composit.errors import GuardError
from composit.nn import chain_rule
from composit.program import count_evaluations

VALUES = np.array([1.5, -2.0, 3.25, 0.5])


def _recurrence(xp: Any, x: Any) -> Any:
    a = xp.zeros(6)
    a[0] = x[0]
    for k in range(1, 6):
        a[k] = 0.5 * a[k - 1] * (1.0 - a[k - 1]) + x[1]
    return a


def _selection(xp: Any, x: Any) -> Any:
    a = x.copy()
    for i in range(3):
        least = i
        for j in range(i + 1, 4):
            if a[j] < a[least]:
                least = j
        a[i], a[least] = a[least], a[i]
    return a


def _views(xp: Any, x: Any) -> Any:
    a = xp.ones((3, 4))
    row, column = a[1], a[:, 2]
    a[1, 2] = 7.0
    row[0] = a[1, 2] * x[2]
    column[0] += row[0]
    a[2, -1] = 2
    return a + row.sum() + column[1]


def _branches(xp: Any, x: Any) -> Any:
    return x * 2 if x[0] > x[1] and x[3] != 2.0 else x


PROGRAMS: dict[str, Callable[[Any, Any], Any]] = {
    "recurrence": _recurrence,
    "selection": _selection,
    "views": _views,
    "branches": _branches,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_values_are_numpys_by_any_way(name: str) -> None:
    x = cnp.asarray(VALUES)
    result = PROGRAMS[name](cnp, x)
    expected = PROGRAMS[name](np, VALUES.copy())
    np.testing.assert_array_equal(np.asarray(result), expected)
    np.testing.assert_array_equal(cnp.evaluate(result), expected)
    # By the graph alone, as if nothing had been known.
    np.testing.assert_array_equal(cnp.evaluate(result, inputs={x: VALUES.copy()}), expected)
    np.testing.assert_allclose(cnp.evaluate(result, backend="mosaic"), expected, rtol=1e-14)


def test_the_graph_of_a_recurrence_runs_on_other_values() -> None:
    x = cnp.asarray(VALUES)
    result = _recurrence(cnp, x)
    other = VALUES[::-1].copy()
    np.testing.assert_array_equal(cnp.evaluate(result, inputs={x: other}), _recurrence(np, other))
    np.testing.assert_allclose(mosaic.compile(result, inputs=[x])(other), _recurrence(np, other), rtol=1e-14)


def test_the_graph_of_a_recurrence_has_a_derivative() -> None:
    x = cnp.asarray(VALUES)
    loss = _recurrence(cnp, x).sum()
    (gradient,) = chain_rule({loss: loss}, [x])
    step = 1e-6
    expected = [
        (_recurrence(np, VALUES + step * e).sum() - _recurrence(np, VALUES - step * e).sum()) / (2 * step)
        for e in np.eye(4)
    ]
    np.testing.assert_allclose(cnp.evaluate(gradient), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["selection", "branches"])
def test_a_comparison_of_known_numbers_is_a_guard(name: str) -> None:
    x = cnp.asarray(VALUES)
    result = PROGRAMS[name](cnp, x)
    with pytest.raises(GuardError, match=r"test_known_numbers\.py"):
        cnp.evaluate(result, inputs={x: -VALUES})


def test_a_number_that_was_read_is_a_guard_of_its_own() -> None:
    number = cnp.asarray(VALUES)[0] * 2.0
    y = cnp.ones(2) * number if number > 0 else cnp.zeros(2)
    with pytest.raises(GuardError, match="bool read True"):
        cnp.evaluate(y, inputs={number: np.float64(-1.0)})


@pytest.mark.parametrize("state", [{}, {"over": "ignore"}, {"invalid": "raise"}])
def test_nothing_is_run_for_elements_and_their_arithmetic(state: dict[str, str]) -> None:
    x = cnp.asarray(VALUES)
    with count_evaluations() as count, np.errstate(**state):
        a = _recurrence(cnp, x)
        assert float(a[5]) == _recurrence(np, VALUES)[5]
        a[1], a[2] = a[2], a[1]
        assert a[1] == _recurrence(np, VALUES)[2]
    assert count.runs == 0


def test_an_array_that_others_need_as_it_was_keeps_its_values() -> None:
    a = cnp.zeros(3)
    assert a[0] == 0
    doubled, row = a * 2 + 1, a[1:]
    a[1] = 5.0
    assert doubled.tolist() == [1, 1, 1]
    assert row.tolist() == [5, 0]
    kept = np.asarray(a)
    a[2] = 6.0
    assert kept.tolist() == [0, 5, 0]
    assert a.tolist() == [0, 5, 6]
    shown = cnp.evaluate(a)
    a[0] = 1.0
    assert shown.tolist() == [0, 5, 6]


def test_a_warning_names_the_users_line() -> None:
    x = cnp.asarray(np.array([1e308, 0.0]))
    with pytest.warns(RuntimeWarning, match="overflow encountered in scalar multiply") as caught:
        x[0] * 10.0
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert x[1] + 1.0 == 1.0


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint16", "int64", "complex64", "bool"])
@pytest.mark.parametrize("operator", ["+", "*", "-", "/", "//", "%", "**", "<", "==", "!="])
def test_results_have_numpys_dtypes_and_bits(dtype: str, operator: str) -> None:
    array = np.array([1, 1, 0], dtype) if dtype == "bool" else np.array([3, 2, 7], dtype)
    x = cnp.asarray(array)
    for second in ("x[1]", "2", "2.5"):
        for text in (f"x[0] {operator} {second}", f"{second} {operator} x[0]"):
            try:
                expected = eval(text, {"x": array})
            except TypeError:
                with pytest.raises(TypeError):
                    eval(text, {"x": x})
                continue
            result = eval(text, {"x": x})
            assert result.dtype == np.asarray(expected).dtype, text
            np.testing.assert_array_equal(np.asarray(result), expected, err_msg=text)
            np.testing.assert_array_equal(cnp.evaluate(result, inputs={}), expected, err_msg=text)


def test_an_index_that_is_out_of_bounds_is_numpys_error() -> None:
    x = cnp.asarray(VALUES)
    for index in (4, -5):
        with pytest.raises(IndexError, match=f"index {index} is out of bounds for axis 0 with size 4"):
            x[index]
        with pytest.raises(IndexError, match=f"index {index} is out of bounds for axis 0 with size 4"):
            x[index] = 1.0


def test_a_view_that_is_written_to_itself_is_one_write() -> None:
    a = cnp.zeros(6)
    a[1:3] += 1.0
    assert [node.name for node in cnp.multidigraph.topological_traversal(a.graph)].count("setitem") == 1
    b = cnp.zeros((3, 3))
    part = b[1:]
    part[:, 1] *= 2.0
    part[0, 1:] += 3.0
    assert [node.name for node in cnp.multidigraph.topological_traversal(b.graph)].count("setitem") == 2
    assert b.tolist() == [[0, 0, 0], [0, 3, 3], [0, 0, 0]]


def _functions(xp: Any, x: Any) -> Any:
    a = xp.zeros((3, 4))
    a[0, :] = xp.arange(4)
    a[:, 0] = 2
    a[1] = x
    for i in range(1, 3):
        for j in range(1, 4):
            a[i, j] += xp.minimum(a[i - 1, j], abs(a[i, j - 1])) + xp.exp(-a[i - 1, j - 1])
    return a


def test_parts_that_are_known_are_written_at_once_and_functions_of_numbers_too() -> None:
    x = cnp.asarray(VALUES)
    with count_evaluations() as count:
        a = _functions(cnp, x)
        expected = _functions(np, VALUES.copy())
        assert float(a[2, 3]) == expected[2, 3]
        np.testing.assert_array_equal(cnp.evaluate(a), expected)
    assert count.runs == 0
    other = VALUES * 3.0
    np.testing.assert_array_equal(cnp.evaluate(a, inputs={x: other}), _functions(np, other))
    np.testing.assert_allclose(mosaic.compile(a, inputs=[x])(other), _functions(np, other), rtol=1e-14)


def test_a_graph_is_made_where_somebody_looks_and_is_the_same_as_if_nothing_had_been_known() -> None:
    known = cnp.zeros(4)
    waiting = cnp.zeros(4) * cnp.asarray(np.ones(4))
    for array in (known, waiting):
        for k in range(1, 4):
            array[k] = array[k - 1] * 2.0 + k
    made, expected = [
        Counter(node.name for node in array.graph if node.name not in ("zeros", "ones", "input"))
        for array in (known, waiting)
    ]
    expected["multiply"] -= 1  # that of the zeros, for which nothing is known
    assert made == expected
    serials = {node.serial: node for node in cnp.multidigraph.topological_traversal(known.graph)}
    for node in serials.values():
        assert all(operand.serial < node.serial or not operand.operands for operand, _ in node.operands)


def test_a_long_history_is_let_go_and_looked_at_without_recursion() -> None:
    number = cnp.asarray(VALUES)[0]
    for _ in range(5000):
        number = number * 0.5 + 1.0
    assert len(number.graph) > 10_000
    del number
    a = cnp.zeros(3)
    for k in range(5000):
        a[k % 3] = a[(k - 1) % 3] + 1.0
    assert float(a[1]) == 5000.0
    assert len(a.graph) > 10_000


def test_what_does_not_fit_is_numpys_error_and_writes_nothing() -> None:
    a = cnp.zeros(3, dtype=np.int8)
    a[0] = 5
    before = a.graph
    for value in (300, 1 + 2j):
        for array in (a, np.zeros(3, np.int8)):
            with pytest.raises((OverflowError, TypeError)):
                array[1] = value
    assert a.tolist() == [5, 0, 0]
    assert a.graph is before or len(a.graph) == len(before)


def test_names_and_states_around_a_write_are_those_of_its_node() -> None:
    a = cnp.zeros(3)
    with cnp.name_scope("encoder"):
        a[0] = 1.0
        b = a[0] * 3.0
    assert a.node.scope == "encoder"
    assert b.node.scope == "encoder"
    c = a[0] * 2.0
    with cnp.name_scope("later"):
        assert c.node.scope == ""
        assert all(node.scope == "" for node, _ in c.node.operands)
    assert cnp.evaluate(b) == 3.0


def test_a_value_that_is_replaced_is_checked_where_only_a_draft_knew_of_it() -> None:
    a = cnp.zeros(3)
    a[0] = 2.0
    first = a[0]
    a[0] = 7.0
    y = cnp.ones(2) * first if first > 1.0 else cnp.zeros(2)
    assert cnp.evaluate(y, inputs={first: np.float64(3.0)}).tolist() == [3.0, 3.0]
    with pytest.raises(GuardError, match="bool read True"):
        cnp.evaluate(y, inputs={first: np.float64(0.5)})


def test_a_number_that_a_read_has_left_is_known_from_then_on() -> None:
    x = cnp.asarray(VALUES)
    total = (x * 2.0).sum()
    assert float(total) == 6.5
    with count_evaluations() as count:
        assert float(total * 2.0 + x[0]) == 14.5
    assert count.runs == 0
    scaled = total * 2.0 + x[0]
    assert cnp.evaluate(scaled, inputs={x: VALUES * 2.0}, guards="ignore") == 29.0
    assert cnp.evaluate(scaled, inputs={total: np.float64(1.0)}, guards="ignore") == 3.5
    with pytest.raises(GuardError, match="float read 6.5"):
        cnp.evaluate(scaled, inputs={x: VALUES * 2.0})


def test_a_second_result_is_computed_with_as_itself() -> None:
    x = cnp.asarray(np.array([[2.0, 0.0], [0.0, -8.0]]))
    sign, logarithm = cnp.linalg.slogdet(x)
    mantissa, exponent = cnp.frexp(x[1, 1])
    for lazy, expected in ((sign, -1.0), (logarithm, np.log(16.0)), (mantissa, -0.5), (exponent, 4)):
        assert lazy == expected
        assert float(lazy * 2.0) == expected * 2.0
        assert cnp.evaluate(lazy * 2.0, inputs={x: x.to_numpy()}) == expected * 2.0
