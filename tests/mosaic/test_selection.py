"""Positions of the largest and smallest elements in C. They are those that the numpy backend finds, also where elements are equal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

import composit as cnp
import mosaic
from composit.apply import apply
from composit.nn.operations.selection import RankedPosition, SelectedPositions, SortedPositions
from composit.types import LazyTensor
from tests.composit.nn.operations.test_selection import slow_to_partition
from tests.mosaic.comparison import check
from tests.sampling import only

WAYS = [(largest, is_sorted) for largest in (True, False) for is_sorted in (True, False)]


def _selections(
    values: np.ndarray, axis: int, k: int, ways: Sequence[tuple[bool, bool]] = tuple(WAYS)
) -> list[LazyTensor]:
    x = cnp.asarray(values)
    return [apply(SelectedPositions(axis, k, largest, is_sorted), x) for largest, is_sorted in ways]


SAMPLE = [("float32", 1), ("int8", 1)]  # each place selects in one of the ways, elsewhere in all of them


@pytest.mark.parametrize(
    ("dtype", "num_ways"),
    only(SAMPLE, [*SAMPLE, *product(["float32", "float64", "int8", "int64", "uint64", "bool"], [4])]),
)
def test_equal_elements_are_chosen_as_by_numpy(dtype: str, num_ways: int) -> None:
    generator, every = np.random.default_rng(0), []
    for length in (1, 3, 4, 20, 70, 130):
        values = generator.integers(0, 4, (2, length, 3)).astype(dtype)
        for k in sorted({1, min(2, length), length // 2 + 1, length}):
            # In turn, so that each length sees several of the ways, and both ranks all of them.
            first = len(every) // 2
            here, there = ([WAYS[(first + turn + i) % 4] for i in range(num_ways)] for turn in (0, 2))
            every += _selections(values, 1, k, here) + _selections(values[0, :, 0], 0, k, there)
    check(*every)
    assert "numpy island" not in mosaic.compile(every, inputs=[]).explain()


def test_a_nan_is_the_largest_and_zeros_of_both_signs_are_equal() -> None:
    values = np.array([0.0, np.nan, -0.0, 1.0, np.inf, np.nan, -np.inf, 0.0, -0.0, 1.0])
    check(*(each for k in (1, 4, 10) for each in _selections(values, 0, k)))


def test_rows_that_partition_badly_are_finished_by_a_heap() -> None:
    values = slow_to_partition(200, 190)
    check(*_selections(values, 0, 190), *_selections(-values, 0, 190))


@pytest.mark.parametrize("dtype", only(["float32", "int64"], ["float32", "float64", "int8", "int64", "bool"]))
def test_equal_elements_are_sorted_and_ranked_as_by_numpy(dtype: str) -> None:
    generator, every = np.random.default_rng(0), []
    for length in (1, 2, 17, 70, 300):
        values = generator.integers(0, 4, (2, length, 3)).astype(dtype)
        if values.dtype.kind == "f":
            values[0, : length // 4] = np.nan
            generator.shuffle(values, axis=1)
        x = cnp.asarray(values)
        every += [
            apply(SortedPositions(1, largest, orders_nan), x)
            for largest in (True, False)
            for orders_nan in (True, False)
        ]
        every += [apply(RankedPosition(1, k), x) for k in sorted({1, length // 2 + 1, length})]
    check(*every)
    assert "numpy island" not in mosaic.compile(every, inputs=[]).explain()
