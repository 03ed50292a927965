"""Positions of the largest elements of windows against np.argmax, and the adjoint of picking them against np.add.at; by blocks too."""

import math

import numpy as np
import pytest

from composit.nn import blocks_of_arrays
from composit.nn.operations.pooling_arrays import Kernel, _places, maximum_positions, spread_picked
from composit.nn.operations.spatial import windows

_ROWS = {
    "one axis": ((3, 2, 9), Kernel((3,), (2,), (1,))),
    "side by side": ((3, 2, 8, 7), Kernel((2, 2), (2, 2), (1, 1))),
    "that overlap": ((3, 2, 9, 11), Kernel((3, 3), (2, 2), (1, 1))),
    "at every place": ((3, 9, 11), Kernel((2, 2), (1, 1), (1, 1))),
    "with dilation": ((2, 3, 9, 9), Kernel((2, 3), (1, 2), (3, 2))),
    "far apart": ((2, 9, 11), Kernel((2, 2), (3, 3), (2, 2))),
    "of three axes": ((1, 2, 5, 6, 7), Kernel((2, 3, 2), (1, 2, 2), (1, 1, 1))),
    "as large as x": ((1, 1, 2), Kernel((2,), (2,), (1,))),
    "of more than 255 elements": ((2, 2, 17, 17), Kernel((16, 17), (1, 1), (1, 1))),
    "of one element": ((2, 9, 11), Kernel((1, 1), (1, 1), (1, 1))),
    "along the last axis only": ((1, 1, 1, 4), Kernel((1, 2), (1, 2), (1, 1))),
}
every_row = pytest.mark.parametrize(("shape", "kernel"), _ROWS.values(), ids=_ROWS)
every_dtype = pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
every_size = pytest.mark.parametrize("block_bytes", [256, 1 << 19])


def _tied(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return numbers of which many are equal, some of them NaN where there is one."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 4, shape).astype(dtype)
    if x.dtype.kind == "f":
        x[generator.random(shape) < 0.1] = np.nan
    return x


def _expected_positions(x: np.ndarray, kernel: Kernel) -> np.ndarray:
    seen, rank = windows(x, *kernel), kernel.rank
    start = x.ndim - rank
    flat = np.moveaxis(seen, range(start, start + rank), range(-rank, 0))
    flat = flat.reshape(*flat.shape[:-rank], math.prod(kernel.shape))
    is_nan = np.isnan(flat)
    last_nan = flat.shape[-1] - 1 - np.argmax(is_nan[..., ::-1], axis=-1)
    return np.where(is_nan.any(axis=-1), last_nan, np.argmax(flat, axis=-1))


@every_size
@every_dtype
@every_row
def test_positions_are_those_of_the_first_largest_or_the_last_nan(
    shape: tuple[int, ...], kernel: Kernel, dtype: str, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks_of_arrays, "_BLOCK_BYTES", block_bytes)
    x = _tied(shape, dtype)
    before = x.copy()
    found = maximum_positions(x, kernel)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, _expected_positions(x, kernel))
    np.testing.assert_array_equal(x, before)


@every_size
@every_dtype
@every_row
def test_picked_elements_are_added_where_they_came_from(
    shape: tuple[int, ...], kernel: Kernel, dtype: str, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks_of_arrays, "_BLOCK_BYTES", block_bytes)
    x = _tied(shape, dtype)
    positions = maximum_positions(x, kernel)
    g = np.random.default_rng(1).integers(1, 9, positions.shape).astype(dtype)
    expected = np.zeros(x.size, dtype)
    np.add.at(expected, _places(positions, shape, kernel).ravel(), g.ravel())
    found = spread_picked(positions, g, shape[-kernel.rank :], kernel)
    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found, expected.reshape(shape))


@every_row
def test_places_hold_the_picked_elements(shape: tuple[int, ...], kernel: Kernel) -> None:
    x = np.random.default_rng(0).permutation(math.prod(shape)).astype(np.float64).reshape(shape)
    seen = np.moveaxis(windows(x, *kernel), range(x.ndim - kernel.rank, x.ndim), range(-kernel.rank, 0))
    largest = seen.max(axis=tuple(range(-kernel.rank, 0)))
    np.testing.assert_array_equal(x.ravel()[_places(maximum_positions(x, kernel), shape, kernel)], largest)


def test_no_windows_give_zeros() -> None:
    kernel = Kernel((3, 3), (1, 1), (1, 1))
    found = spread_picked(np.zeros((0, 2, 2), np.int64), np.zeros((0, 2, 2), np.float32), (4, 4), kernel)
    assert found.shape == (0, 4, 4)
