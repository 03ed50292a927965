"""Functions that change their first argument: the same calls leave the same values in numpy's arrays and in tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.program import count_evaluations
from tests.composit.numpy.comparison import assert_derivative
from tests.composit.numpy.side_by_side import assert_agree

# (xp, target) -> None
Write = Callable[[Any, Any], Any]

WRITES: list[Write] = [
    lambda xp, x: xp.copyto(x, 3),
    lambda xp, x: xp.copyto(x, xp.arange(4)),
    lambda xp, x: xp.copyto(x, 2.5, where=x > 3),
    lambda xp, x: xp.copyto(x, xp.arange(4), where=xp.asarray([True, False, True, False])),
    lambda xp, x: xp.copyto(x, xp.asarray([1.5, 0, 0, 1]), casting="unsafe", where=False),
    lambda xp, x: xp.putmask(x, x > 5, -1),
    lambda xp, x: xp.putmask(x, x > 5, x * 10),
    lambda xp, x: xp.putmask(x, x > 5, [7, 8, 9]),
    lambda xp, x: xp.place(x, x < 4, [1.5]),
    lambda xp, x: xp.place(x, x < 4, [1, 2, 3]),
    lambda xp, x: xp.put(x, [0, -1, 5], [10, 20, 30]),
    lambda xp, x: xp.put(x, xp.asarray([1, 2]), -5),
    lambda xp, x: xp.put(x, [1, 2, 3], [7, 8]),
    lambda xp, x: xp.put(x, 40, 1, mode="clip"),
    lambda xp, x: xp.put(x.T, [1, 2], 5),
    lambda xp, x: xp.put(x[1:], [0, 3], 9),
    lambda xp, x: xp.fill_diagonal(x, 9),
    lambda xp, x: xp.fill_diagonal(x, [1, 2, 3]),
    lambda xp, x: xp.fill_diagonal(x, [1, 2]),
    lambda xp, x: xp.fill_diagonal(x.T, 4, wrap=True),
    lambda xp, x: xp.put_along_axis(x, xp.argmax(x, axis=1, keepdims=True), 99, axis=1),
    lambda xp, x: xp.put_along_axis(x, xp.asarray([[0, 1, 1, 2]]), xp.asarray([[1, 2, 3, 4]]), axis=0),
    lambda xp, x: xp.put_along_axis(x, xp.asarray([1, 2]), 0, axis=None),
    lambda xp, x: xp.put_along_axis(x, xp.asarray([1, 2, 5]), xp.asarray([7, 8]), axis=None),
    lambda xp, x: xp.put(x, [0, -1, 13, -30], [10, 20, 30], mode="wrap"),
    lambda xp, x: xp.put(x, xp.argmax(x, axis=1) * 9, xp.asarray([1, 2]), mode="clip"),
    lambda xp, x: xp.put(x.T, [1, -2, 1], xp.asarray([[5, 6], [7, 8]])),
    lambda xp, x: xp.put(x.T, [1, 12], 5),
    lambda xp, x: xp.put(x, [], [1]),
    lambda xp, x: xp.put(x, [1], []),
    lambda xp, x: x.put([1, 2], xp.asarray([3, 4]), "raise"),
    lambda xp, x: xp.place(x, x < 4, xp.asarray([[1, 2], [3, 4]])),
    lambda xp, x: xp.place(x, x < 4, []),
    lambda xp, x: xp.place(x, x < -4, []),
    lambda xp, x: xp.place(x.T, x.T < 8, xp.asarray([1, 2, 3])),
    lambda xp, x: xp.putmask(x, x > 5, xp.asarray([[7, 8], [9, 10]])),
    lambda xp, x: xp.putmask(x.T, x.T > 5, xp.arange(12)),
    lambda xp, x: xp.putmask(x, x > 5, xp.arange(40)),
    lambda xp, x: xp.putmask(x, x > 50, []),
    lambda xp, x: xp.fill_diagonal(x, xp.arange(12).reshape(3, 4)),
    lambda xp, x: xp.fill_diagonal(x.T, xp.asarray([4, 5]), wrap=True),
    lambda xp, x: xp.fill_diagonal(x.T, xp.asarray([4, 5])),
    lambda xp, x: xp.fill_diagonal(x.reshape(4, 3), xp.asarray([4, 5, 6, 7]), wrap=True),
    lambda xp, x: xp.fill_diagonal(x[:, ::2], xp.asarray([4, 5]), wrap=True),
    lambda xp, x: xp.fill_diagonal(x[:2].reshape(2, 2, 2), xp.asarray([4, 5])),
    lambda xp, x: x.partition(2),
    lambda xp, x: x.T.partition([0, -1], axis=0),
    lambda xp, x: x.partition(1, axis=None),
    lambda xp, x: x.flat.__setitem__([0, -1, 5], xp.asarray([1, 2])),
    lambda xp, x: x.T.flat.__setitem__(slice(1, 8, 2), xp.asarray([1, 2])),
    lambda xp, x: x.flat.__setitem__(slice(8, 1, -2), [1, 2, 3, 4, 5, 6]),
    lambda xp, x: x.T.flat.__setitem__(xp.asarray([1, -2]), 2.5),
    lambda xp, x: x.flat.__setitem__(3, xp.asarray(7)),
    lambda xp, x: x.flat.__setitem__(3, [7, 8]),
    lambda xp, x: x.flat.__setitem__(12, 1),
    lambda xp, x: x.flat.__setitem__(x.ravel() > 5, xp.asarray([1, 2])),
    lambda xp, x: x.flat.__setitem__([True, False], 1),
    lambda xp, x: x.flat.__setitem__(Ellipsis, xp.asarray([1, 2])),
    lambda xp, x: x.flat.__setitem__([], [1, 2]),
    lambda xp, x: x.flat.__setitem__([1], []),
    lambda xp, x: setattr(x, "flat", xp.asarray([1, 2, 3])),
    lambda xp, x: setattr(x.T, "flat", xp.arange(30)),
    lambda xp, x: setattr(x, "flat", "a"),
]


@pytest.mark.parametrize("dtype", [np.float64, np.int32])
@pytest.mark.parametrize("write", WRITES, ids=map(str, range(len(WRITES))))
def test_writes_are_numpys_through_views_too(write: Write, dtype: Any) -> None:
    results = []
    for xp in (np, cnp):
        x = xp.asarray((np.arange(12) * 7 % 11).reshape(3, 4).astype(dtype))
        row = x[1]
        error = None
        try:
            assert write(xp, x) is None
        except (TypeError, ValueError, IndexError) as raised:
            error = str(raised)
        results.append((np.asarray(x), np.asarray(row), error))
    (array, part, error), (tensor, view, ours) = results
    np.testing.assert_array_equal(tensor, array)
    np.testing.assert_array_equal(view, part)
    assert tensor.dtype == array.dtype
    assert (error is None) == (ours is None)
    assert error is None or error in str(ours)


def test_a_real_array_takes_the_values_of_a_tensor() -> None:
    array = np.zeros(3)
    cnp.copyto(array, cnp.arange(3))
    assert array.tolist() == [0, 1, 2]
    cnp.put(array, cnp.asarray([1]), 5)
    assert array.tolist() == [0, 5, 2]


def test_writes_whose_places_are_known_or_lazy_evaluate_nothing() -> None:
    x = cnp.asarray(np.arange(6.0).reshape(2, 3))
    with count_evaluations() as counter:
        cnp.put(x, [0, 1], 5)
        cnp.fill_diagonal(x, 7)
        cnp.copyto(x, x * 2, where=x > 6)
        cnp.putmask(x, x > 10, 0)
        cnp.put_along_axis(x, cnp.argmin(x, axis=1, keepdims=True), -1, axis=1)
        cnp.put(x, cnp.argmax(x, axis=1), [8, 9], mode="wrap")
        cnp.place(x, x == 9, [3, 4])
        cnp.fill_diagonal(x, [5, 6, 7], wrap=True)
        cnp.add.at(x, [0, 0, 1], [[10], [100], [1000]])
    assert counter.runs == 0
    assert cnp.evaluate(x).tolist() == [[115, 118, 113], [1003, 1006, 1005]]


AT = [
    lambda xp, x: xp.add.at(x, [1, 1, -1], 1),
    lambda xp, x: xp.subtract.at(x, ([1, 1, 2], [0, 0, 3]), xp.asarray([1, 2, 3])),
    lambda xp, x: xp.add.at(x, (slice(None), [1, 1]), xp.arange(6).reshape(3, 2)),
    lambda xp, x: xp.add.at(x, x > 5, xp.float32(2)),
    lambda xp, x: xp.add.at(x[1], [0, 0], 5),
    lambda xp, x: xp.add.at(x.T.reshape(-1), [0, 0], 5),
    lambda xp, x: xp.subtract.at(x, (0, 1), 7),
    lambda xp, x: xp.subtract.at(x, Ellipsis, xp.asarray(-128, dtype="int8")),
    lambda xp, x: xp.add.at(x, [1], x),
    lambda xp, x: xp.add.at(x, [1, 9], 1),
    lambda xp, x: xp.add.at(x, [1, 2], [1, 2, 3]),
    lambda xp, x: xp.add.at(x, [1], 2.5),
    lambda xp, x: xp.add.at(x, [1], 1j),
    lambda xp, x: xp.add.at(x, [0.5], 1),
    lambda xp, x: xp.add.at(x, [0], None),
    lambda xp, x: xp.add.at(xp.broadcast_to(x[0], (2, 4)), [0], 1),
    lambda xp, x: xp.multiply.at(x, [1, 1], 3),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32, np.uint8, bool, ">i4"])
@pytest.mark.parametrize("write", AT, ids=map(str, range(len(AT))))
def test_functions_at_indices_are_numpys(write: Write, dtype: Any) -> None:
    def written(xp: Any) -> Any:
        x = xp.asarray((np.arange(12) * 7 % 11).reshape(3, 4).astype(dtype))
        column = x[:, 1]
        assert write(xp, x) is None
        return x, column

    assert_agree(written)


X = np.array([[0.3, 1.7, -2.1], [0.9, -0.4, 1.1]])
Y = np.array([[1.3, 0.2, 0.8], [-1.2, 2.2, 0.5]])


@pytest.mark.parametrize(
    "write",
    [
        lambda xp, x, y: xp.put(x, [0, 4, 1, 5], y[0, :2]),
        lambda xp, x, y: xp.put(x, [0, 7], y[0], mode="wrap"),
        lambda xp, x, y: xp.put(x.T, [1, 3], y[1, :2]),
        lambda xp, x, y: x.put([2, 0], y[0]),
        lambda xp, x, y: xp.place(x, X > 0, y[0]),
        lambda xp, x, y: xp.place(x, y > 0, y),
        lambda xp, x, y: xp.putmask(x, X > 0, y[0, :2]),
        lambda xp, x, y: xp.putmask(x, x > y, y),
        lambda xp, x, y: xp.fill_diagonal(x, y[0]),
        lambda xp, x, y: xp.fill_diagonal(x.T, y[0, :2], wrap=True),
        lambda xp, x, y: xp.copyto(x, y[0], where=X > 0),
        lambda xp, x, y: xp.put_along_axis(x, np.array([0, 4]), y[0, 1:], None),
        lambda xp, x, y: xp.add.at(x, [1, 0, 1], xp.concatenate([y, y[:1]])),
        lambda xp, x, y: xp.add.at(x, (slice(None), xp.asarray([2, 0, 2])), y[0]),
        lambda xp, x, y: xp.add.at(x, X > 0, y[0, 1]),
        lambda xp, x, y: xp.add.at(x[:, 1], [0, 0], y[:, 0] * y[:, 1]),
        lambda xp, x, y: xp.add.at(x, 1, y[0]),
        lambda xp, x, y: xp.subtract.at(x.reshape(-1), np.argsort(-Y, axis=1), y),
        lambda xp, x, y: np.subtract.at(x, ([0, 1, 1], [0, 2, 2]), y[1]),
        lambda xp, x, y: x.fill(y[0, 1]),
        lambda xp, x, y: x.T.flat.__setitem__([0, 4, 1, -1], y[0]),
        lambda xp, x, y: setattr(x, "flat", y[1]),
        lambda xp, x, y: x.sort(axis=0),
        lambda xp, x, y: x.partition(1),
        lambda xp, x, y: x.__setitem__(Ellipsis, xp.partition(x * y, (0, 2))),
        lambda xp, x, y: x[0, :2].__setitem__(Ellipsis, xp.extract([[1, 0, 0], [0, 1, 0]], x * y)),
    ],
)
def test_writes_have_derivatives(write: Callable[[Any, Any, Any], Any]) -> None:
    def written(x: Any, y: Any) -> Any:
        target = cnp.array(x) * 1.0
        write(cnp, target, cnp.asarray(y))
        return target + 0 * cnp.asarray(y)  # so that it depends on both

    assert_derivative(written, X, Y)
