"""The adjoint of picking one element of each window, against np.add.at."""

import numpy as np
import pytest

from composit.nn.operations.pooling_arrays import Kernel, _places, maximum_positions, spread_picked


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("size", "step", "apart"), [(2, 2, 1), (3, 2, 1), (2, 1, 1), (2, 2, 2), (2, 3, 2), (1, 1, 1)])
def test_picked_elements_are_added_where_they_came_from(size: int, step: int, apart: int, dtype: str) -> None:
    x = np.random.default_rng(0).normal(size=(2, 9, 11)).astype(dtype)
    kernel = Kernel((size, size), (step, step), (apart, apart))
    positions = maximum_positions(x, kernel)
    g = np.random.default_rng(1).integers(1, 9, positions.shape).astype(dtype)
    expected = np.zeros(x.size, dtype)
    np.add.at(expected, _places(positions, x.shape, kernel).ravel(), g.ravel())
    found = spread_picked(positions, g, x.shape[1:], kernel)
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found, expected.reshape(x.shape))


def test_no_windows_give_zeros() -> None:
    kernel = Kernel((3, 3), (1, 1), (1, 1))
    found = spread_picked(np.zeros((0, 2, 2), np.int64), np.zeros((0, 2, 2), np.float32), (4, 4), kernel)
    assert found.shape == (0, 4, 4)
