"""Operators, methods and reads of tensors, against numpy's arrays."""

import collections
import copy
import operator
import pickle
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.errors import GuardError
from tests.composit.numpy.comparison import Words, assert_close, assert_same, assert_same_error

X = np.arange(1.0, 7.0).reshape(2, 3)
N = np.arange(1, 7).reshape(2, 3)
Z = X + 1j

BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
    operator.eq,
    operator.ne,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
]
BITWISE = [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift]


def _tensor(xp: Any, array: np.ndarray) -> Any:
    return array if xp is np else cnp.asarray(array)


@pytest.mark.parametrize("function", BINARY, ids=lambda function: function.__name__)
@pytest.mark.parametrize("other", [2, 0.5, np.float32(3), X[0], X[:, :1].astype(np.float32), True, [1, 2, 3]], ids=repr)
def test_operators_are_numpys_on_either_side(function: Words, other: Any) -> None:
    assert_same(lambda xp: function(_tensor(xp, X), other))
    assert_same(lambda xp: function(other, _tensor(xp, X)))


@pytest.mark.parametrize("function", [*BITWISE, *BINARY[:7], divmod], ids=lambda function: function.__name__)
def test_operators_on_integers_are_numpys(function: Words) -> None:
    for other in (2, N[0], np.int8(3)):
        assert_same(lambda xp, other=other: function(_tensor(xp, N), other))
        assert_same(lambda xp, other=other: function(other, _tensor(xp, N)))


def test_unary_operators_and_matmul_are_numpys() -> None:
    assert_same(lambda xp: -_tensor(xp, X))
    assert_same(lambda xp: +_tensor(xp, X))
    assert_same(lambda xp: abs(_tensor(xp, -X)))
    assert_same(lambda xp: ~_tensor(xp, N))
    assert_same(lambda xp: round(_tensor(xp, X / 3)[0, 1], 1))
    assert_same(lambda xp: round(_tensor(xp, N)[0, 2], -1))
    assert_same(lambda xp: _tensor(xp, X) @ X.T)
    assert_same(lambda xp: X.T @ _tensor(xp, X))


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"])
def test_in_place_operators_keep_the_dtype_and_move_the_handle(name: str) -> None:
    function = getattr(operator, f"i{name}")
    expected = X.copy()
    tensor = before = cnp.array(X)
    function(expected, np.float32(2))
    tensor = function(tensor, np.float32(2))
    assert tensor is before
    np.testing.assert_array_equal(cnp.evaluate(tensor), expected)


def test_in_place_operators_refuse_another_kind_of_dtype_or_another_shape() -> None:
    def add(xp: Any, array: np.ndarray, other: Any) -> None:
        tensor = xp.array(array)
        tensor += other

    assert_same_error(lambda xp: add(xp, N, 0.5))
    assert_same_error(lambda xp: add(xp, X[0], X))
    tensor = cnp.array(X.astype(np.float32))
    tensor += X
    assert tensor.dtype == np.float32


def test_an_in_place_operator_on_a_scalar_makes_a_new_one() -> None:
    total = first = cnp.sum(cnp.asarray(X))
    total += 1
    assert total is not first
    assert (float(first), float(total)) == (21.0, 22.0)


def test_an_in_place_operator_reaches_through_views_in_both_directions() -> None:
    x, expected = cnp.array(X), X.copy()
    row, expected_row = x[0], expected[0]
    row += 1
    expected_row += 1
    x *= 2
    expected *= 2
    np.testing.assert_array_equal(cnp.evaluate(x), expected)
    np.testing.assert_array_equal(cnp.evaluate(row), expected_row)


@pytest.mark.parametrize("name", ["real", "imag"])
def test_an_in_place_operator_reaches_through_a_part_of_complex_numbers(name: str) -> None:
    z, expected = cnp.array(Z), Z.copy()
    part, expected_part = getattr(z, name), getattr(expected, name)
    part += 1
    expected_part += 1
    z *= 2j
    expected *= 2j
    np.testing.assert_array_equal(cnp.evaluate(z), expected)
    np.testing.assert_array_equal(cnp.evaluate(part), expected_part)


def test_an_integer_array_plus_a_float_is_float() -> None:
    assert_same(lambda xp: _tensor(xp, N) + 0.5)
    assert_same(lambda xp: _tensor(xp, N.astype(np.int8)) + 1)
    assert_same(lambda xp: _tensor(xp, X.astype(np.float32)) + 0.1)


def test_an_array_on_the_left_of_an_in_place_operator_takes_the_values() -> None:
    target = np.zeros((2, 3))
    target += cnp.asarray(X)
    np.testing.assert_array_equal(target, X)


def test_comparison_with_what_is_no_number_is_elementwise_as_numpys() -> None:
    x = cnp.asarray(X)
    np.testing.assert_array_equal(cnp.evaluate(x == object()), np.zeros(X.shape, bool))
    with pytest.raises(TypeError, match="unsupported operand"):
        x + object()


@pytest.mark.parametrize(
    "method",
    [
        lambda x: x.sum(),
        lambda x: x.sum(axis=0, keepdims=True),
        lambda x: x.prod(1),
        lambda x: x.max(),
        lambda x: x.min(0),
        lambda x: x.argmax(),
        lambda x: x.argmin(1),
        lambda x: x.cumsum(),
        lambda x: x.cumprod(1),
        lambda x: x.all(),
        lambda x: x.any(0),
        lambda x: x.mean(),
        lambda x: x.var(axis=1),
        lambda x: x.std(ddof=1),
        lambda x: x.clip(2, 4),
        lambda x: x.round(),
        lambda x: x.dot(x.T),
        lambda x: x.diagonal(),
        lambda x: x.trace(),
        lambda x: x.take([0, 1]),
        lambda x: x.repeat(2),
        lambda x: x.swapaxes(0, 1),
        lambda x: x[:1].squeeze(),
        lambda x: x.ravel(),
        lambda x: x.flatten(),
        lambda x: x.transpose(),
        lambda x: x.transpose(1, 0),
        lambda x: x.transpose((1, 0)),
        lambda x: x.transpose(None),
        lambda x: x.reshape(3, 2),
        lambda x: x.reshape((3, -1)),
        lambda x: x.reshape(-1),
        lambda x: x.reshape(6, order="F"),
        lambda x: x.astype("float32"),
        lambda x: x.astype(int),
        lambda x: x.copy(),
        lambda x: x.conj(),
        lambda x: x.T,
        lambda x: x.mT,
        lambda x: x.real,
        lambda x: x.imag,
        lambda x: copy.copy(x),
        lambda x: copy.deepcopy(x),
        lambda x: list(x),
    ],
)
def test_methods_are_numpys(method: Words) -> None:
    compare = assert_same if isinstance(method(X), list) else assert_close
    compare(lambda xp: method(_tensor(xp, X)))


def test_methods_of_complex_numbers_are_numpys() -> None:
    assert_same(lambda xp: _tensor(xp, Z).conj())
    assert_same(lambda xp: _tensor(xp, Z).imag)


def test_reads_are_numpys() -> None:
    x, one = cnp.asarray(X), cnp.asarray(N)[0, 1]
    assert (int(one), float(one), complex(one), bool(one), one.item()) == (2, 2.0, 2 + 0j, True, 2)
    assert [10, 20, 30][one] == 30
    assert x.tolist() == X.tolist()
    assert (x.item(4), x.item(1, 0)) == (5.0, 4.0)
    assert (len(x), 3.0 in x, 9.0 in x) == (2, True, False)
    assert (str(x), f"{cnp.sum(x):.1f}") == (str(X), "21.0")
    assert repr(x) == repr(X)


@pytest.mark.parametrize(
    "read",
    [bool, len, int, float, iter, operator.index, lambda x: x.item(), lambda x: bool(x[:0]), lambda x: [1][x]],
)
@pytest.mark.parametrize("array", [X, np.array(1.5)], ids=["matrix", "rank0"])
def test_reads_that_have_no_answer_raise_numpys_class(read: Words, array: np.ndarray) -> None:
    try:
        read(array)
    except (TypeError, ValueError, IndexError) as error:
        with pytest.raises(type(error)):
            read(cnp.asarray(array))
    else:
        read(cnp.asarray(array))


def test_an_array_of_a_tensor_is_a_copy_to_write_to() -> None:
    x = cnp.asarray(X) + 1
    values = np.array(x)
    values[0, 0] = 100.0
    np.testing.assert_array_equal(np.array(x), X + 1)
    assert np.asarray(x, dtype=np.float32).dtype == np.float32


def test_a_branch_on_a_value_is_guarded_and_a_printed_value_is_not() -> None:
    x = cnp.asarray(X)
    str(x.sum())
    y = x * 2 if x.sum() > 0 else x
    np.testing.assert_array_equal(cnp.evaluate(y, inputs={x: X + 1}), (X + 1) * 2)
    with pytest.raises(GuardError, match="bool read True"):
        cnp.evaluate(y, inputs={x: -X})


def test_tensors_hash_by_identity_and_key_dictionaries() -> None:
    x, y = cnp.asarray(X), cnp.asarray(X)
    assert {x: 1, y: 2}[x] == 1
    with cnp.count_evaluations() as count:
        assert {x.mean(): 1, y.mean(): 2}.keys() != {1}  # a loss is a key of chain_rule
    assert count.runs == 0


@pytest.mark.parametrize(
    "values", [[3, 1, 3], [True, False], ["a", "b", "a"], ["2020-01-01", "2020-01-02"], [1.5, 2.5, 1.5], [1j, 1j]]
)
def test_elements_and_what_has_no_derivative_hash_by_value(values: list[Any]) -> None:
    array = np.array(values, dtype="M8[D]" if "2020-01-01" in values else None)
    x = cnp.asarray(array)
    assert collections.Counter(x) == collections.Counter(array)
    assert {array[0]: "first"}[x[0]] == "first"


@pytest.mark.parametrize("function", [statistics.mean, statistics.mode, statistics.pvariance, statistics.median])
def test_pythons_statistics_of_a_tensor_are_those_of_numpys_array(function: Callable[[Any], float]) -> None:
    array = np.array([0.5, 1.5, 1.5, 4.0])
    assert float(function(cnp.asarray(array))) == function(array)


def test_a_dictionary_that_is_looked_up_by_a_value_is_a_guard() -> None:
    x = cnp.asarray(N)
    y = x * {1: 10, 2: 20}[x[0, 0]]
    with pytest.raises(GuardError, match="hash read 1"):
        cnp.evaluate(y, inputs={x: N + 1})


def test_to_numpy_is_a_copy_of_the_values() -> None:
    x = cnp.asarray(X) + 1
    values = x.to_numpy()
    assert type(values) is np.ndarray
    values[0, 0] = 100.0
    np.testing.assert_array_equal(x.to_numpy(), X + 1)


def test_a_chain_of_100_000_adds_is_built_evaluated_pickled_and_deleted() -> None:
    x = total = cnp.zeros(())
    for _ in range(100_000):
        total = total + 1
    assert float(cnp.evaluate(total)) == 100_000.0
    assert float(cnp.evaluate(pickle.loads(pickle.dumps(total)))) == 100_000.0
    assert hash(total.node) != hash(x.node)
    del total


@pytest.mark.parametrize("name", ["conj", "conjugate"])
def test_a_conjugate_is_written_to_the_array_given_for_it(name):
    a, out = cnp.asarray([1 - 1j, 23 + 23j]), cnp.zeros(2, complex)
    assert getattr(a, name)(out) is out
    assert out.tolist() == [1 + 1j, 23 - 23j]
    refused = cnp.asarray(["a"])
    with pytest.raises(TypeError):
        getattr(refused, name)()
