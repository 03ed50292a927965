"""numpy's own functions, called on tensors."""

import doctest
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.errors import GuardError
from composit.hooks import hooks
from composit.numpy.calls.fallback import NumpyCall, call_numpy
from composit.types import LazyTensor
from tests.composit.numpy.comparison import Words

X = np.arange(1.0, 7.0).reshape(2, 3)


def _check(function: Words) -> Any:
    lazy, expected = function(cnp.asarray(X)), function(X)
    assert isinstance(lazy, LazyTensor)
    assert (lazy.shape, lazy.dtype) == (np.shape(expected), expected.dtype)
    np.testing.assert_allclose(cnp.evaluate(lazy), expected, rtol=1e-14)
    return lazy


@pytest.mark.parametrize(
    "function",
    [
        np.exp,
        lambda x: np.add(x, 1),
        lambda x: np.float64(2) * x,
        lambda x: X + x,
        lambda x: X @ x.T,
        lambda x: np.matmul(x, X.T),
        lambda x: np.concatenate([x, X]),
        lambda x: np.concatenate([X, x], axis=1),
        lambda x: np.where(x > 2, x, 0),
        lambda x: np.einsum("ij->i", x),
        lambda x: np.mean(x, axis=0),
        lambda x: np.transpose(x),
        lambda x: np.pad(x, 1),
        lambda x: np.clip(x, 2, 3),
        lambda x: np.zeros_like(x),
        lambda x: np.add.reduce(x),
        lambda x: np.multiply.reduce(x, axis=1, keepdims=True),
        lambda x: np.maximum.reduce(x, axis=None),
        lambda x: np.add.accumulate(x, axis=1),
        lambda x: np.subtract.outer(x, X[0]),
        lambda x: np.add(x, 1, dtype=np.float64),
    ],
)
def test_numpys_functions_stay_lazy(function: Words) -> None:
    assert not any(isinstance(node.operation, NumpyCall) for node in _check(function).graph)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.median(x, axis=0),
        lambda x: np.unique(x),
        lambda x: np.linalg.inv(x @ x.T),
        lambda x: np.bitwise_xor.reduce(x.astype(int), axis=1),
        lambda x: np.percentile(x, 30),
    ],
)
def test_a_function_without_a_rule_runs_on_its_real_operands_and_keeps_its_place_in_the_graph(function: Words) -> None:
    _check(function)
    x = cnp.asarray(X)
    np.testing.assert_allclose(cnp.evaluate(function(x), inputs={x: X * 2 + 1}), function(X * 2 + 1), rtol=1e-12)


def test_a_function_whose_result_has_another_shape_on_other_inputs_is_a_guard_error() -> None:
    x = cnp.asarray(X)
    with pytest.raises(GuardError, match="unique: the result has shape"):
        cnp.evaluate(np.unique(x), inputs={x: np.ones((2, 3))})


def test_a_fact_that_is_no_array_is_a_guard() -> None:
    x = cnp.asarray(X)
    assert np.allclose(x, X) is True
    y = x + 1
    with pytest.raises(GuardError, match="allclose"):
        cnp.evaluate(y, inputs={x: X * 2})


def test_out_moves_a_tensor_on_and_fills_an_array() -> None:
    x, target, place = cnp.asarray(X), cnp.zeros((2, 3)), np.zeros((2, 3))
    assert np.exp(x, out=target) is target
    assert np.exp(x, out=place) is place
    np.testing.assert_allclose(cnp.evaluate(target), np.exp(X))
    np.testing.assert_allclose(place, np.exp(X))


def test_a_ufuncs_at_changes_its_operand_in_place_views_included() -> None:
    x = cnp.zeros((2, 3))
    np.add.at(x[1], [0, 0, 2], 1)
    np.testing.assert_array_equal(cnp.evaluate(x), [[0, 0, 0], [2, 0, 1]])


def test_shape_and_dtype_questions_are_answered_without_computing() -> None:
    x = cnp.exp(cnp.asarray(X))
    assert (np.shape(x), np.ndim(x), np.size(x), np.size(x, 0)) == ((2, 3), 2, 6, 2)
    assert np.result_type(x, np.float32) == np.float64
    assert np.can_cast(x, np.complex128)
    assert np.iscomplexobj(x) is False
    assert x._known is None


def test_every_function_with_a_rule_is_numpys_of_the_same_name() -> None:
    rules = hooks.function_to_rule
    assert len(rules) > 150
    assert rules[np.concatenate] is cnp.concatenate


def test_all_names_exist_and_are_numpys_or_ours() -> None:
    assert len(cnp.numpy.__all__) == len(set(cnp.numpy.__all__))
    for name in cnp.numpy.__all__:
        assert getattr(cnp, name) is getattr(cnp.numpy, name)
    own = {name for name in cnp.numpy.__all__ if not hasattr(np, name)}
    graphs = {
        "chain_rule",
        "evaluate",
        "explain",
        "name_scope",
        "visualize",
        "visualize_graph",
        "with_name",
        "wrap_as_operation",
    }
    assert own == graphs | {"LazyScalar", "LazyTensor", "count_evaluations", "erf", "strict"}


def test_importing_composit_leaves_heavy_libraries_alone() -> None:
    code = "import composit, sys; print([m for m in ('networkx', 'graphviz', 'torch', 'IPython') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


@pytest.mark.parametrize("module", ["products.einsums", "random", "arguments.normalizing"])
def test_examples_in_docstrings_run(module: str) -> None:
    assert doctest.testmod(sys.modules[f"composit.numpy.{module}"]).failed == 0


def _counted_sort(calls: list[int]) -> Any:
    def counted_sort(array: Any) -> Any:
        calls.append(1)
        return np.sort(array)

    return counted_sort


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_a_function_without_a_rule_runs_once_however_often_its_result_is_evaluated(backend: str) -> None:
    calls: list[int] = []
    x, scale = cnp.asarray([3.0, 1.0, 2.0]), cnp.asarray([2.0, 2.0, 2.0])
    y = call_numpy(_counted_sort(calls), (x,), {})
    np.testing.assert_array_equal(cnp.evaluate(y, backend=backend), [1, 2, 3])
    np.testing.assert_array_equal(cnp.evaluate(y + 1, y * 2, backend=backend)[1], [2, 4, 6])
    np.testing.assert_array_equal(
        cnp.evaluate(y * scale, inputs={scale: np.array([1.0, 2.0, 3.0])}, backend=backend), [1, 4, 9]
    )
    assert len(calls) == 1


def test_a_function_without_a_rule_runs_again_for_inputs_it_depends_on() -> None:
    calls: list[int] = []
    x = cnp.asarray([3.0, 1.0, 2.0])
    y = call_numpy(_counted_sort(calls), (x * 1,), {}) + 1
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: np.array([9.0, 8.0, 7.0])}), [8, 9, 10])
    np.testing.assert_array_equal(cnp.evaluate(y), [2, 3, 4])
    assert len(calls) == 2


def test_a_kept_value_of_several_results_is_a_constant_of_a_compiled_model() -> None:
    x, scale = cnp.asarray([[2.0, 0.0], [0.0, 4.0]]), cnp.asarray([1.0, 2.0])
    values, vectors = np.linalg.eigh(x)
    model = mosaic.compile(vectors @ (values * scale), inputs=[scale])
    np.testing.assert_allclose(model(np.array([1.0, 3.0])), [2.0, 12.0])


def test_what_a_function_returns_stays_writable_for_who_else_holds_it() -> None:
    held = np.ones(3)
    tensor = call_numpy(lambda array: held, (cnp.asarray([1.0]),), {})
    held[0] = 5
    np.testing.assert_array_equal(cnp.evaluate(tensor), [1, 1, 1])


@pytest.mark.parametrize("backend", ["numpy", "mosaic"])
def test_a_fact_that_is_the_same_for_other_inputs_is_no_guard_error(backend: str) -> None:
    x = cnp.asarray([1.0, 2.0])
    y = x * 2 if np.array_equal(x, x + 0) else x * 3
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: np.array([4.0, 5.0])}, backend=backend), [8, 10])
    with pytest.raises(GuardError, match=r"array_equal read True .* would read False"):
        cnp.evaluate(y, inputs={x: np.array([np.nan, 5.0])}, backend=backend)


def test_a_masked_write_leaves_the_rest_as_it_is() -> None:
    results = []
    for xp in (np, cnp):
        out = xp.asarray(np.full(4, -7.0))
        written = np.add(xp.asarray(np.arange(4.0)), 1, out=out, where=np.array([True, False, True, False]))
        assert written is out
        results.append(np.asarray(out).tolist())
    assert results[0] == results[1] == [1.0, -7.0, 3.0, -7.0]


def test_numpys_copy_of_a_tensor_computes_nothing() -> None:
    doubled = cnp.asarray(np.ones(3)) * 2
    copied = np.copy(doubled)
    assert copied.node is doubled.node
    copied[0] = 7
    np.testing.assert_array_equal(cnp.evaluate(doubled), [2, 2, 2])
