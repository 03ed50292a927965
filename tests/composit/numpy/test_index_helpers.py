"""Grids and joined pieces by subscripts: numpy's values, lazily where tensors are joined."""

from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.program import count_evaluations
from tests.composit.numpy.comparison import Words, assert_derivative, assert_same, assert_same_error


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.r_[xp.arange(3.0), 1:4, 5],
        lambda xp: xp.r_[1:4],
        lambda xp: xp.r_[xp.int8(1), xp.arange(2, dtype="int8"), 3],
        lambda xp: xp.r_[xp.arange(2, dtype="float32"), 2.5],
        lambda xp: xp.r_[0:1:5j, xp.arange(2)],
        lambda xp: xp.r_["0,2", xp.arange(3), xp.arange(3) + 1],
        lambda xp: xp.r_["0,2,0", xp.arange(3), xp.arange(3) + 1],
        lambda xp: xp.r_["-1", xp.ones((2, 2)), xp.zeros((2, 1))],
        lambda xp: xp.r_["1,3,1", xp.arange(3), 0:3],
        lambda xp: xp.r_[[xp.arange(3)[1], 2], 7],
        lambda xp: xp.r_[True, xp.array([False])],
        lambda xp: xp.c_[xp.arange(3), xp.ones(3)],
        lambda xp: xp.c_[xp.arange(4).reshape(2, 2), 5:7],
        lambda xp: xp.c_[xp.array([[1, 2, 3]]), 0, 0, xp.array([[4, 5, 6]])],
        lambda xp: xp.mgrid[0:2, 0:3],
        lambda xp: xp.mgrid[0:1:3j],
        lambda xp: xp.ogrid[0 : xp.array(2), 0:3],
        lambda xp: xp.ix_([0, 1], xp.array([2, 4])),
        lambda xp: xp.ix_(xp.array([True, False, True]), [1]),
        lambda xp: xp.ix_([], xp.arange(2)),
        lambda xp: xp.arange(12).reshape(3, 4)[xp.ix_([0, 2], xp.array([1, 3]))],
        lambda xp: xp.indices((2, 3)),
        lambda xp: xp.indices((2, 3), sparse=True),
        lambda xp: xp.arange(6)[xp.s_[1:4]],
        lambda xp: xp.arange(6).reshape(2, 3)[xp.index_exp[1, :2]],
        lambda xp: [value for _, value in xp.ndenumerate(xp.arange(6.0).reshape(2, 3))],
    ],
)
def test_subscripts_build_what_numpy_builds(words: Words) -> None:
    assert_same(words)


@pytest.mark.parametrize(
    "words",
    [
        lambda xp: xp.ix_(xp.ones((2, 2), dtype=int)),
        lambda xp: xp.r_[xp.ones((2, 2)), 1],
        lambda xp: xp.r_[xp.ones(2), "a"],
        lambda xp: xp.c_[xp.ones(2), xp.ones(3)],
        lambda xp: xp.r_["0,b", xp.ones(2)],
    ],
)
def test_what_numpy_refuses_is_refused(words: Words) -> None:
    assert_same_error(words)


def test_joining_tensors_evaluates_nothing_and_has_a_derivative() -> None:
    def doubled(x: Any, y: Any) -> Any:
        return cnp.r_[x, 1.0, y] * 2

    with count_evaluations() as count:
        doubled(cnp.ones(2), cnp.ones(3))
    assert count.runs == 0
    assert_derivative(doubled, np.ones(2), np.arange(3.0))


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_matrix_is_made_of_tensors() -> None:
    theirs = np.r_["r", np.arange(3), np.arange(2)]
    ours = cnp.r_["r", cnp.arange(3), cnp.arange(2)]
    assert type(ours) is cnp.matrix
    np.testing.assert_array_equal(ours, theirs)
    a, b = cnp.ones((1, 2)), cnp.zeros((1, 1))
    assert type(cnp.r_["a, b"]) is cnp.matrix
    assert cnp.r_["a, b"].tolist() == [[1, 1, 0]]
    assert (a.shape, b.shape) == ((1, 2), (1, 1))


def test_positions_are_pythons_and_elements_follow_what_is_written() -> None:
    x = cnp.zeros((2, 2))
    pairs = cnp.ndenumerate(x)
    assert next(pairs)[0] == (0, 0)
    x[0, 1] = 5
    index, value = next(pairs)
    assert (index, float(value)) == ((0, 1), 5.0)
    assert list(cnp.ndindex(2, 1)) == [(0, 0), (1, 0)]


def test_the_concatenators_say_how_they_join() -> None:
    assert (len(cnp.r_), cnp.r_.axis, cnp.c_.axis, cnp.c_.ndmin, cnp.c_.trans1d) == (0, 0, -1, 2, 0)
    assert (cnp.mgrid.sparse, cnp.ogrid.sparse) == (False, True)
