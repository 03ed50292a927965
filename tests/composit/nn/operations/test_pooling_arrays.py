"""Indices of the largest elements of windows against a search of each window by np.argmax; by blocks too."""

import math

import numpy as np
import pytest

from composit.nn import blocks_of_arrays
from composit.nn.operations.pooling_arrays import Kernel, maximum_indices, tap_offsets, window_starts
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
with_border = pytest.mark.parametrize("border", [0, 1])


def _tied(shape: tuple[int, ...], dtype: str, lowest: float) -> np.ndarray:
    """Return numbers of which many are equal, some of them NaN where there is one, and whole rows as low as it gets."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 4, shape).astype(dtype)
    if x.dtype.kind == "f":
        x[generator.random(shape) < 0.1] = np.nan
    x[0] = lowest
    return x


def _expected(x: np.ndarray, padded: np.ndarray, kernel: Kernel, border: int) -> np.ndarray:
    """Return the index in x of the largest element of each window of the padded array, of those that x has."""
    rank = kernel.rank
    lengths = x.shape[x.ndim - rank :]
    numbers = np.pad(np.arange(math.prod(lengths)).reshape(lengths), border, constant_values=-1)
    numbers = np.broadcast_to(numbers, padded.shape)
    moved = (range(x.ndim - rank, x.ndim), range(-rank, 0))
    values, indices = (np.moveaxis(windows(each, *kernel), *moved) for each in (padded, numbers))
    result = np.empty(values.shape[:-rank], np.int32)
    for place in np.ndindex(*result.shape):
        inside = indices[place].ravel() >= 0
        elements, found = values[place].ravel()[inside], indices[place].ravel()[inside]
        nans = np.flatnonzero(np.isnan(elements))
        result[place] = found[nans[-1] if nans.size else np.argmax(elements)]
    return result


@with_border
@every_size
@every_dtype
@every_row
def test_indices_are_those_of_the_first_largest_or_the_last_nan(
    shape: tuple[int, ...],
    kernel: Kernel,
    dtype: str,
    block_bytes: int,
    border: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    border = border if all(length > 1 for length in kernel.shape) else 0  # else a window might be all border
    monkeypatch.setattr(blocks_of_arrays, "_BLOCK_BYTES", block_bytes)
    lowest = -np.inf if np.dtype(dtype).kind == "f" else np.iinfo(dtype).min
    x = _tied(shape, dtype, lowest)
    rank = kernel.rank
    sides = [(0, 0)] * (x.ndim - rank) + [(border, border)] * rank
    padded = np.pad(x, sides, constant_values=lowest)
    before = padded.copy()
    lengths = shape[len(shape) - rank :]
    expected = _expected(x, padded, kernel, border)
    positions = expected.shape[x.ndim - rank :]
    starts = [
        window_starts(kernel, (border,) * rank, lengths, positions, is_inside).astype(np.int32)
        for is_inside in (False, True)
    ]
    found = maximum_indices(padded, kernel, tap_offsets(kernel, lengths), *starts[: 1 + border])
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(padded, before)


def test_an_empty_batch_has_no_windows() -> None:
    kernel = Kernel((3, 3), (1, 1), (1, 1))
    starts = window_starts(kernel, (0, 0), (4, 4), (2, 2), False)
    assert maximum_indices(np.zeros((0, 4, 4)), kernel, tap_offsets(kernel, (4, 4)), starts).shape == (0, 2, 2)
