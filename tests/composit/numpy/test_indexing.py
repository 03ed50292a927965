"""Elements chosen by position, against numpy."""

from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.errors import GuardError
from tests.composit.numpy.comparison import Words, assert_derivative, assert_same, assert_same_error

X = np.arange(60.0).reshape(5, 3, 4)
MASK = X > 30
N = None
ALL = slice(None)

INDICES: list[Any] = [
    0,
    -1,
    (0, 1, 2),
    (0, ...),
    (..., 0),
    (),
    ...,
    (0, 1, 2, ...),
    np.int64(2),
    slice(None, None, -1),
    slice(4, 1, -2),
    slice(3, 3),
    (slice(1, 3), N, 0),
    (N, ..., N),
    [0, 2],
    [],
    [[0, 1]],
    range(2),
    np.array(1),
    (np.array(1), 0, 0),
    (-1, [0, -1]),
    (ALL, [0, 1], [1, 2]),
    (ALL, [0, 1], ..., [1, 2]),
    (0, ALL, [1, 2]),
    (ALL, 0, N, [1, 2]),
    (N, 0, [1, 2]),
    ([1, -1], ..., 0),
    (np.array([[0], [1]]), np.array([0, 1]), slice(1, N, 2)),
    (slice(1, 4), [0, 1]),
    True,
    False,
    (True, 0),
    (ALL, True),
    (ALL, True, [0, 1]),
    (np.array(True), [0, 1]),
    ([0, 1], ALL, True),
    MASK,
    MASK[:, 0, 0],
    (ALL, np.array([True, False, True])),
    (ALL, MASK[0, :, 0], [0]),
    np.ones((5, 3), bool),
]


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_every_form_of_index_is_numpys(index: Any) -> None:
    assert_same(lambda xp: X[index] if xp is np else cnp.asarray(X)[index])


@pytest.mark.parametrize(
    "index",
    [
        5,
        (0, 0, 0, 0),
        (0, -4),
        1.5,
        "a",
        [1.5],
        [7],
        ([0, 1], [0, 1, 2]),
        np.ones(4, bool),
        (ALL, np.ones(4, bool)),
        (..., ...),
        slice(None, None, 0),
        slice(1.5, None),
        np.zeros(0),
        np.ones((3, 3), bool),
        np.ones((5, 3, 4, 1), bool),
    ],
    ids=repr,
)
def test_errors_are_numpys_and_come_at_the_call(index: Any) -> None:
    assert_same_error(lambda xp: X[index] if xp is np else cnp.asarray(X)[index])


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.take(X, [0, 2, -1], axis=1),
        lambda xp: xp.take(X, 3),
        lambda xp: xp.take(X, [[0, 1], [58, -60]]),
        lambda xp: xp.take(X, [], axis=0),
        lambda xp: xp.take(X, [7, -9], axis=0, mode="wrap"),
        lambda xp: xp.take(X, [7, -9], axis=0, mode="clip"),
        lambda xp: xp.take(np.float64(3), 0),
        lambda xp: xp.take(X, np.uint8(2), axis=-1),
        # Numbers become integers; arrays of them are refused, below.
        lambda xp: xp.take(X, -58.9),
        lambda xp: xp.take(X, np.float32(2.5), axis=-1),
        lambda xp: xp.take(X, xp.max(np.array([1.5, -2])), axis=1),
        lambda xp: xp.take_along_axis(X, np.argsort(-X, axis=1), axis=1),
        lambda xp: xp.take_along_axis(X, np.zeros((1, 1, 4), int), axis=1),
        lambda xp: xp.take_along_axis(X, np.array([3, 1]), axis=None),
    ],
)
def test_take_is_numpys(words: Words) -> None:
    assert_same(words)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.take(X, 9, 0),
        lambda xp: xp.take(X, [1], 5),
        lambda xp: xp.take(X, np.array([1.5])),
        lambda xp: xp.take(X, np.array(1.5)),
        lambda xp: xp.take(X, 1, mode="foo"),
        lambda xp: xp.take(np.zeros((0, 3)), [0], 0),
        lambda xp: xp.take_along_axis(X, np.zeros((5, 1), int), 1),
        lambda xp: xp.take_along_axis(X, np.zeros((5, 1, 4)), 1),
        lambda xp: xp.take_along_axis(X, np.full((5, 9, 4), 5), 1),
        lambda xp: xp.take_along_axis(X, np.zeros((1, 2), int), None),
    ],
)
def test_errors_of_take_are_numpys(words: Words) -> None:
    assert_same_error(words)


@pytest.mark.parametrize("index", [index for index in INDICES if not isinstance(index, bool)], ids=repr)
def test_derivatives_of_indexing_are_those_of_finite_differences(index: Any) -> None:
    assert_derivative(lambda x: (x if hasattr(x, "node") else cnp.asarray(x))[index], X)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: cnp.take(x, [0, 2, 2], axis=1),
        lambda x: cnp.take(x, [[0, 1], [58, -60]]),
        lambda x: cnp.take(x, [7, -9], axis=0, mode="wrap"),
        lambda x: cnp.take(x, [7, -9], axis=0, mode="clip"),
        lambda x: cnp.take(x, 1.5, axis=0),
        lambda x: cnp.take(x, cnp.mean(np.array([1, 2])), axis=0),
        lambda x: cnp.take_along_axis(
            x, np.array([[[2]], [[0]], [[1]], [[1]], [[2]]]) + np.zeros((5, 2, 4), int), axis=1
        ),
    ],
)
def test_derivatives_of_take_add_where_an_element_is_taken_twice(function: Words) -> None:
    assert_derivative(function, X)


def test_a_lazy_index_stays_in_the_graph() -> None:
    x, i = cnp.asarray(X), cnp.asarray([0, 2])
    taken = x[i + 1]
    assert (taken.shape, len(taken.graph)) == ((2, 3, 4), 5)
    np.testing.assert_array_equal(cnp.evaluate(taken), X[[1, 3]])
    np.testing.assert_array_equal(cnp.evaluate(taken, inputs={i: [3, 0]}), X[[4, 1]])


def test_a_lazy_integer_chooses_without_being_read() -> None:
    x = cnp.asarray(X)
    chosen = x[cnp.argmax(x[:, 0, 0])]
    assert chosen.shape == (3, 4)
    np.testing.assert_array_equal(cnp.evaluate(chosen), X[4])
    np.testing.assert_array_equal(cnp.evaluate(chosen, inputs={x: -X}), -X[0])


def test_an_index_out_of_bounds_that_is_not_known_raises_at_evaluation_with_the_line() -> None:
    x, i = cnp.asarray(X), cnp.asarray([4])
    with pytest.raises(IndexError, match="index 5 is out of bounds") as caught:
        cnp.evaluate(x[i + 1])
    assert "x[i + 1]" in "".join(caught.value.__notes__)


def test_a_lazy_mask_is_read_and_guarded() -> None:
    x = cnp.asarray(X)
    chosen = x[x > 30]
    assert chosen.shape == (29,)
    np.testing.assert_array_equal(cnp.evaluate(chosen, inputs={x: X - 0.5}), (X - 0.5)[MASK])
    with pytest.raises(GuardError, match="mask read"):
        cnp.evaluate(chosen, inputs={x: -X})


def test_equal_selections_are_one_expression() -> None:
    x = cnp.asarray(X)
    assert x[1:5].node == x[1:].node
    assert x[0::2].node == x[:5:2].node
    assert x[5:].node == x[7:9].node
    assert x[1:5].node != x[1:4].node


def test_assigning_to_elements_moves_the_tensor_on() -> None:
    x, expected = cnp.asarray(X), X.copy()
    before = x.node
    x[0] = 1.0
    expected[0] = 1.0
    assert x.node is not before
    np.testing.assert_array_equal(cnp.evaluate(x), expected)
