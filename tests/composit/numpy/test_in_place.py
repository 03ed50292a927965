"""Functions that change their first argument: the same calls leave the same values in numpy's arrays and in tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.program import count_evaluations

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
        except TypeError as raised:
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
    assert counter.runs == 0
    assert cnp.evaluate(x).tolist() == [[-1, 5, 2], [3, -1, 5]]
