"""Windows and strides are views: numpy's values, numpy's aliasing."""

from typing import Any

import numpy as np
import pytest
from numpy.lib import stride_tricks as theirs

import composit.numpy as cnp
from composit.errors import OutOfBoundsError
from composit.evaluation import evaluate
from composit.nn import chain_rule
from composit.numpy.lib import stride_tricks as ours


@pytest.mark.parametrize(
    ("shape", "window", "axis"),
    [((7,), 3, None), ((5, 6), (2, 3), None), ((5, 6), 2, -1), ((3, 4, 5), (2, 2), (0, 2)), ((6,), (2, 3), (0, 0))],
)
def test_windows_have_numpys_values(shape: tuple[int, ...], window: Any, axis: Any) -> None:
    array = np.arange(float(np.prod(shape))).reshape(shape)
    expected = theirs.sliding_window_view(array, window, axis)
    tensor = cnp.asarray(array)
    windows = ours.sliding_window_view(tensor, window, axis)
    np.testing.assert_array_equal(evaluate(windows), expected, strict=True)
    of_numpys: Any = theirs.sliding_window_view(tensor, window, axis)
    assert of_numpys.node == windows.node


def test_a_write_shows_in_all_windows() -> None:
    x, array = cnp.zeros(5), np.zeros(5)
    windows, expected = ours.sliding_window_view(x, 3), theirs.sliding_window_view(array, 3)
    x[2] = array[2] = 1
    np.testing.assert_array_equal(evaluate(windows), expected)


def test_windows_are_read_only_unless_asked_for() -> None:
    x = cnp.zeros(5)
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        ours.sliding_window_view(x, 3)[0] = 1
    ours.sliding_window_view(x, 3, writeable=True)[1, 2] = 4
    np.testing.assert_array_equal(evaluate(x), [0, 0, 0, 4, 0])


def test_wrong_windows_raise_numpys_errors() -> None:
    with pytest.raises(ValueError, match="window shape cannot be larger than input array shape"):
        ours.sliding_window_view(cnp.zeros(2), 3)
    with pytest.raises(ValueError, match="must provide window_shape for all dimensions"):
        ours.sliding_window_view(cnp.zeros((2, 2)), 1)


def test_the_derivative_of_windows_counts_how_often_an_element_is_seen() -> None:
    x = cnp.asarray(np.arange(12.0).reshape(3, 4))
    windows = ours.sliding_window_view(x, (2, 2))
    weights = np.arange(float(np.prod(windows.shape))).reshape(windows.shape)
    loss = cnp.sum(windows * weights)
    (gradient,) = chain_rule({loss: loss}, [x])
    expected = np.zeros((3, 4))
    np.add.at(expected.reshape(-1), theirs.sliding_window_view(np.arange(12).reshape(3, 4), (2, 2)), weights)
    np.testing.assert_array_equal(evaluate(gradient), expected)


@pytest.mark.parametrize(
    "view",
    [
        lambda xp, x, strided: strided(x, (2, 2, 2), (48, 8, 24)),
        lambda xp, x, strided: strided(x),
        lambda xp, x, strided: strided(x, (5,), (16,)),
        lambda xp, x, strided: strided(x[1:, 1], (2, 2), (8, 8)),
        lambda xp, x, strided: strided(x[::-1, ::-1], (4,), (-16,)),
        lambda xp, x, strided: strided(x.T, (3,), (32,), writeable=False),
        lambda xp, x, strided: strided(xp.asfortranarray(x), (4,), (8,)),
        lambda xp, x, strided: strided(x, (3, 4), (0, 8)),
        lambda xp, x, strided: strided(x, (0,), (800,)),
    ],
)
def test_strides_choose_numpys_elements(view: Any) -> None:
    array = np.arange(12.0).reshape(4, 3)
    expected = view(np, array, theirs.as_strided)
    tensor = cnp.asarray(array)
    given = view(cnp, tensor, ours.as_strided)
    np.testing.assert_array_equal(evaluate(given), expected, strict=True)
    array[1] = 100
    tensor[1] = 100
    np.testing.assert_array_equal(evaluate(given), expected)
    if expected.flags.writeable and expected.size:
        expected[0] = given[0] = -5
        np.testing.assert_array_equal(evaluate(tensor), array)


@pytest.mark.parametrize("strides", [(8, 104), (89, 8), (-8, 8)])
def test_strides_that_leave_the_memory_are_an_error(strides: tuple[int, int]) -> None:
    with pytest.raises(OutOfBoundsError, match="numpy would read foreign memory"):
        ours.as_strided(cnp.zeros((4, 3)), (2, 2), strides)


def test_wrong_strides_raise_numpys_error() -> None:
    with pytest.raises(ValueError, match="mismatch in length of strides and shape"):
        ours.as_strided(cnp.zeros(3), (2,), (8, 8))


def test_strides_between_elements_read_their_bytes() -> None:
    array = np.arange(6, dtype="int16")
    expected = theirs.as_strided(array, (2, 5), (3, 1))
    tensor = cnp.asarray(array)
    view = ours.as_strided(tensor, (2, 5), (3, 1))
    np.testing.assert_array_equal(evaluate(view), expected, strict=True)
    tensor[1] = array[1] = 1000
    np.testing.assert_array_equal(evaluate(view), expected)
    with pytest.raises(OutOfBoundsError, match="between objects"):
        ours.as_strided(cnp.asarray(np.array([None, 1], object)), (2,), (4,))
