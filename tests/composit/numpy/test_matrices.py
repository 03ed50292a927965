"""Matrices are a class of numpy's, out of which tensors come."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
from composit.types import LazyTensor
from tests.composit.numpy.side_by_side import assert_agree

pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")


def _matrix(xp: Any = cnp) -> Any:
    return xp.matrix([[1.0, 2.0], [3.0, 0.0]])


@pytest.mark.parametrize(
    "made",
    [
        lambda m: m.real,
        lambda m: m * m + 1,
        lambda m: cnp.ones((2, 2)) @ m,
        lambda m: m.I,
        lambda m: m[0],
        lambda m: m.sum(0),
        lambda m: cnp.kron(m, m),
        lambda m: cnp.nanstd(m, 0),
        lambda m: cnp.asmatrix(cnp.ones(3)),
        lambda m: cnp.asmatrix(np.matrix([1, 2])),
        lambda m: cnp.bmat([[m, m]]),
        lambda m: cnp.r_["r", cnp.ones(2)],
        lambda m: pickle.loads(pickle.dumps(m)),
        copy.deepcopy,
    ],
)
def test_what_is_made_of_matrices_is_of_the_class(made: Any) -> None:
    result = made(_matrix())
    assert type(result) is cnp.matrix
    assert isinstance(result, np.matrix)


@pytest.mark.parametrize(
    "leave",
    [
        lambda xp, m: m.A,
        lambda xp, m: m.A1,
        lambda xp, m: m.getA(),
        lambda xp, m: m.getA1(),
        lambda xp, m: m.nonzero()[0],
        lambda xp, m: m.nonzero()[1],
        lambda xp, m: m.view(xp.ndarray),
        lambda xp, m: m.view(type=xp.ndarray, dtype="i8"),
    ],
)
def test_arrays_that_come_out_of_a_matrix_are_tensors(leave: Any) -> None:
    result = leave(cnp, _matrix())
    assert isinstance(result, LazyTensor)
    assert_agree(lambda xp: leave(xp, _matrix(xp)))


def test_a_matrix_is_shown_as_numpys_and_is_one_with_numpys_class() -> None:
    matrix = _matrix()
    assert repr(matrix) == repr(_matrix(np))
    assert cnp.asmatrix(matrix) is matrix
    assert isinstance(_matrix(np), cnp.matrix)
    assert issubclass(np.matrix, cnp.matrix)
    assert {np.matrix: "found"}[cnp.matrix] == "found"

    class Own(cnp.matrix):
        pass

    own = Own([1, 2])
    assert type(own * own.T) is Own
    assert not isinstance(matrix, Own)
    assert not issubclass(np.matrix, Own)
    assert Own != np.matrix
    assert len({Own, cnp.matrix}) == 2
