"""Tensors put together and taken apart, against numpy."""

from typing import Any

import numpy as np
import pytest

import composit as cnp
from tests.composit.numpy.comparison import Words, assert_derivative, assert_same, assert_same_error

X = np.arange(12.0, dtype=np.float32).reshape(3, 4)
Y = np.arange(8).reshape(2, 4)
LINE = np.arange(7)
SCALAR = np.float64(3.0)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.concatenate([X, Y]),
        lambda xp: xp.concatenate((X, X), axis=-1),
        lambda xp: xp.concatenate([X, Y], axis=None),
        lambda xp: xp.concatenate([X, 1.0], axis=None),
        lambda xp: xp.concatenate([X, np.float64(1)], axis=None),
        lambda xp: xp.concatenate([X, Y], dtype=np.float64),
        lambda xp: xp.concatenate([X, Y], dtype=np.int16, casting="unsafe"),
        lambda xp: xp.concatenate([X]),
        lambda xp: xp.concatenate([X[:0], Y]),
        lambda xp: xp.concat([Y, Y], axis=1),
        lambda xp: xp.stack([X, X]),
        lambda xp: xp.stack([X, X.astype(int)], axis=-1),
        lambda xp: xp.stack([1, 2.0]),
        lambda xp: xp.stack([Y, Y], dtype=np.float32, casting="unsafe"),
        lambda xp: xp.vstack([LINE, LINE]),
        lambda xp: xp.hstack([X, X]),
        lambda xp: xp.hstack([LINE, LINE]),
        lambda xp: xp.dstack([X, X]),
        lambda xp: xp.column_stack([LINE, np.ones((7, 2))]),
        lambda xp: xp.split(X, 2, axis=1),
        lambda xp: xp.split(LINE, [2, 3, 9]),
        lambda xp: xp.split(LINE, [3, -1, 2]),
        lambda xp: xp.split(X, 1),
        lambda xp: xp.split(X, []),
        lambda xp: xp.array_split(LINE, 3),
        lambda xp: xp.array_split(LINE, 9),
        lambda xp: xp.hsplit(X, 2),
        lambda xp: xp.hsplit(LINE, [3]),
        lambda xp: xp.vsplit(X, 3),
        lambda xp: xp.dsplit(X[:, :, None], 1),
        lambda xp: xp.unstack(X, axis=1),
        lambda xp: xp.append(X, Y),
        lambda xp: xp.append(X, Y, axis=0),
    ],
)
def test_joining_and_splitting_are_numpys(words: Words) -> None:
    assert_same(words)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.concatenate([]),
        lambda xp: xp.concatenate([1, 2]),
        lambda xp: xp.concatenate([X, LINE]),
        lambda xp: xp.concatenate([X, X[:, :2]]),
        lambda xp: xp.concatenate([X, Y], axis=3),
        lambda xp: xp.concatenate([X, Y], dtype=np.int32),
        lambda xp: xp.stack([]),
        lambda xp: xp.stack([X, Y]),
        lambda xp: xp.stack([1, 2], axis=3),
        lambda xp: xp.split(LINE, 2),
        lambda xp: xp.array_split(LINE, 0),
        lambda xp: xp.hsplit(3.0, 1),
        lambda xp: xp.vsplit(LINE, 1),
        lambda xp: xp.dsplit(X, 1),
        lambda xp: xp.unstack(SCALAR),
    ],
)
def test_errors_are_numpys_and_come_at_the_call(words: Words) -> None:
    assert_same_error(words)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: cnp.concatenate([x, y], axis=0),
        lambda x, y: cnp.concatenate([x, y, x], axis=None),
        lambda x, y: cnp.stack([x[:2], y], axis=1),
        lambda x, y: cnp.split(x, [1, 3], axis=1)[1] * cnp.split(y, 2, axis=1)[0][:1],
        lambda x, y: cnp.concatenate(cnp.split(x, [3, 1], axis=1), axis=1)[:2] * y[:, :1],
    ],
)
def test_derivatives_are_those_of_finite_differences(function: Words) -> None:
    generator = np.random.default_rng(0)
    assert_derivative(function, generator.normal(size=(3, 4)), generator.normal(size=(2, 4)))


def test_a_split_is_one_node_with_several_results() -> None:
    first, second = cnp.split(cnp.asarray(X), 2, axis=1)
    assert first.node is second.node
    assert (first.output_index, second.output_index) == (0, 1)


def test_more_arrays_than_numpy_can_count_are_refused_at_once():
    class Many(list):
        def __len__(self):
            return 2**31

    with pytest.raises(
        ValueError, match=r"^concatenate\(\) only supports up to 2147483647 arrays but got 2147483648\.$"
    ):
        cnp.concatenate(Many([cnp.ones(1)]))


KINDS = [
    np.float16(1.5),
    np.datetime64("2020-01-02"),
    np.timedelta64(3, "s"),
    np.str_("a"),
    np.void(b"ab"),
    np.zeros((), "i4,f4")[()],
    True,
    3,
    2j,
]


@pytest.mark.parametrize("first", KINDS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("dtype", [None, object], ids=["", "as objects"])
def test_an_array_of_any_two_kinds_of_elements_is_numpys(first: Any, dtype: Any) -> None:
    for second in KINDS:
        try:
            expected = np.array([first, second], dtype)
        except (TypeError, ValueError) as error:
            with pytest.raises(type(error)):
                cnp.evaluate(cnp.array([cnp.asarray(first), second], dtype))
            continue
        result = cnp.array([cnp.asarray(first), second], dtype)
        assert (result.dtype, result.shape) == (expected.dtype, expected.shape)
        assert cnp.evaluate(result).tolist() == expected.tolist()


@pytest.mark.parametrize("join", ["stack", "concatenate"])
def test_dates_and_lengths_of_time_are_joined_by_neither(join: str) -> None:
    dates, times = np.zeros(2, "M8[s]"), np.zeros(2, "m8[s]")
    with pytest.raises(TypeError, match="Cannot cast array data"):
        getattr(np, join)([dates, times])
    with pytest.raises(TypeError, match="Cannot cast array data"):
        getattr(cnp, join)([cnp.asarray(dates), times])
