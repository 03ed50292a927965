"""Arrays made from nothing and from values, against numpy; memory and identity of what is created."""

import pickle

import numpy as np
import pytest

import composit as cnp
from composit.types import LazyTensor
from tests.composit.numpy.comparison import Words, assert_close, assert_same, assert_same_error

X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.zeros(3),
        lambda xp: xp.zeros((2, 0), dtype="int8"),
        lambda xp: xp.zeros(()),
        lambda xp: xp.zeros(np.array([2, 3])),
        lambda xp: xp.ones([2, 3], np.float32),
        lambda xp: xp.full(3, 7),
        lambda xp: xp.full((2, 2), 1.5),
        lambda xp: xp.full(3, np.float32(1)),
        lambda xp: xp.full((2, 3), [1, 2, 3]),
        lambda xp: xp.full((2,), True),
        lambda xp: xp.full((2,), 1 + 2j),
        lambda xp: xp.full(2, np.array(3.0)),
        lambda xp: xp.full_like(X, 2),
        lambda xp: xp.full_like(X, 2.7, dtype=int),
        lambda xp: xp.zeros_like(X),
        lambda xp: xp.ones_like(X, shape=(4,), dtype=bool),
        lambda xp: xp.zeros_like([1, 2]),
        lambda xp: xp.arange(5),
        lambda xp: xp.arange(2, 9, 3),
        lambda xp: xp.arange(10, 0, -3),
        lambda xp: xp.arange(0, -3),
        lambda xp: xp.arange(3.5),
        lambda xp: xp.arange(0, 3, 0.1),
        lambda xp: xp.arange(np.float32(3)),
        lambda xp: xp.arange(np.int8(1), np.int8(3)),
        lambda xp: xp.arange(5, dtype=np.float32),
        lambda xp: xp.arange(0, 5, 0.5, dtype=int),
        lambda xp: xp.arange(True),
        lambda xp: xp.arange(1, 4, dtype="datetime64[D]"),
        lambda xp: xp.linspace(0, 1),
        lambda xp: xp.linspace(0, 10, 5, endpoint=False),
        lambda xp: xp.linspace(0, 10, 3, dtype=int),
        lambda xp: xp.linspace(np.float32(0), 1, 4),
        lambda xp: xp.linspace(0, 1j, 3),
        lambda xp: xp.linspace(2, 3, 1),
        lambda xp: xp.linspace(2, 3, 0),
        lambda xp: xp.geomspace(1, 1000, 4),
        lambda xp: xp.eye(3),
        lambda xp: xp.eye(2, 4, 1, dtype=int),
        lambda xp: xp.identity(2),
        lambda xp: xp.tri(3, 4, -1),
        lambda xp: xp.meshgrid([1, 2, 3], [4.0, 5.0]),
        lambda xp: xp.meshgrid([1, 2, 3], [4, 5], [6], indexing="ij"),
        lambda xp: xp.meshgrid([1, 2, 3], [4, 5], sparse=True),
        lambda xp: xp.array([[1, 2], [3, 4]]),
        lambda xp: xp.array(3),
        lambda xp: xp.array(X, dtype=np.float64),
        lambda xp: xp.array([1, 2], ndmin=3),
        lambda xp: xp.asarray([True, False]),
        lambda xp: xp.asarray(2.5),
        lambda xp: xp.ascontiguousarray(3.0),
        lambda xp: xp.copy(X),
    ],
)
def test_creation_is_numpys(words: Words) -> None:
    assert_same(words)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.linspace([0, 1], [10.0, 20.0], 5),
        lambda xp: xp.linspace([0, 1], 10, 5, axis=1, endpoint=False),
        lambda xp: xp.linspace(0, 10, 5, retstep=True)[0],
        lambda xp: xp.logspace(0, 2, 5),
        lambda xp: xp.logspace(0, 3, 4, base=2),
    ],
)
def test_spaced_values_agree_up_to_rounding(words: Words) -> None:
    assert_close(words)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.zeros(-1),
        lambda xp: xp.ones((2, 1.5)),
        lambda xp: xp.arange(),
        lambda xp: xp.arange(()),
        lambda xp: xp.linspace(0, 1, -1),
        lambda xp: xp.meshgrid([1], [2], indexing="zz"),
        lambda xp: xp.array(X, copy=False, dtype=int),
        lambda xp: xp.array(X, nothing=1),
    ],
)
def test_errors_are_numpys(words: Words) -> None:
    assert_same_error(words)


def test_two_created_arrays_are_two_nodes() -> None:
    assert cnp.zeros(2).node != cnp.zeros(2).node
    assert cnp.arange(2).node != cnp.arange(2).node
    assert cnp.asarray([1.0]).node != cnp.asarray([1.0]).node
    assert cnp.random.rand(3).node != cnp.random.rand(3).node
    x = cnp.zeros(2)
    assert pickle.loads(pickle.dumps((x + 1, x))).__getitem__(0).shape == (2,)


def test_two_zeros_each_get_their_own_gradient() -> None:
    x, y = cnp.zeros((2,)), cnp.zeros((2,))
    loss = cnp.sum(x * 2.0 + y * 3.0)
    first, second = cnp.evaluate(*cnp.chain_rule({loss: loss}, [x, y]))
    np.testing.assert_array_equal(first, [2.0, 2.0])
    np.testing.assert_array_equal(second, [3.0, 3.0])


def test_array_copies_and_asarray_copies_what_may_be_written() -> None:
    memory = np.zeros(2)
    copied, also_copied, shared = cnp.array(memory), cnp.asarray(memory), cnp.asarray(memory, copy=False)
    memory[0] = 1.0
    np.testing.assert_array_equal(cnp.evaluate(copied), [0.0, 0.0])
    np.testing.assert_array_equal(cnp.evaluate(also_copied), [0.0, 0.0])
    np.testing.assert_array_equal(cnp.evaluate(shared), [1.0, 0.0])


def test_asarray_shares_read_only_memory_but_not_a_read_only_view_of_writable_memory() -> None:
    frozen = np.zeros(2)
    frozen.flags.writeable = False
    assert np.shares_memory(cnp.asarray(frozen).node.operation.read(), frozen)
    memory = np.zeros(2)
    view = memory.view()
    view.flags.writeable = False
    assert not np.shares_memory(cnp.asarray(view).node.operation.read(), memory)


def test_the_callers_array_stays_writable() -> None:
    memory = np.zeros(2)
    for take in (
        cnp.array,
        cnp.asarray,
        lambda values: cnp.asarray(values, copy=False),
        lambda values: cnp.exp(values),
    ):
        take(memory)
        assert memory.flags.writeable


def test_a_nested_list_with_tensors_is_stacked() -> None:
    x = cnp.asarray(1.5)
    together = cnp.array([[x, 2.0], [x + 1, 3]])
    assert isinstance(together, LazyTensor)
    np.testing.assert_array_equal(cnp.evaluate(together), [[1.5, 2.0], [2.5, 3.0]])


def test_array_of_a_tensor_is_the_same_value_in_a_handle_of_its_own() -> None:
    x = cnp.ones(2)
    y = cnp.array(x)
    y += 1
    np.testing.assert_array_equal(cnp.evaluate(x), [1.0, 1.0])
    np.testing.assert_array_equal(cnp.evaluate(y), [2.0, 2.0])


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.arange(np.datetime64("2020-01-01"), np.datetime64("2020-01-05"), xp.array(3, "m8[D]") - 1),
        lambda xp: xp.arange(np.datetime64("2020-01-01"), xp.array("2020-01-05", "M8[D]")),
        lambda xp: xp.arange(np.datetime64("2020-01-01"), 3),
        lambda xp: xp.arange("2020-01-01", "2020-01-05", dtype="M8[D]"),
        lambda xp: xp.arange(xp.array(7, "m8[h]")),
        lambda xp: xp.arange(1, 3, np.timedelta64(1, "D")),
        lambda xp: xp.arange(2j),
        lambda xp: xp.arange(3, None),
        lambda xp: xp.arange(start=3, stop=None),
        lambda xp: xp.arange(xp.array(3), None, 2),
    ],
)
def test_a_range_of_dates_or_without_a_stop_is_numpys(words: Words) -> None:
    assert_same(words)


@pytest.mark.parametrize(
    "words",
    [lambda xp: xp.arange(start=3), lambda xp: xp.arange(None), lambda xp: xp.arange(xp.array([3]))],
)
def test_a_range_that_numpy_refuses_is_refused(words: Words) -> None:
    assert_same_error(words)
