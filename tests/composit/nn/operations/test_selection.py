"""Positions of the largest and smallest elements. Where elements are equal, they are torch.topk's, in its order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import composit as cnp
from composit.apply import apply
from composit.nn.operations import introselect
from composit.nn.operations.selection import RankedPosition, SelectedPositions, SortedPositions

torch = pytest.importorskip("torch")


class _Undecided:
    """An element whose size is decided when it is compared, so that each pivot is nearly the smallest (M. McIlroy, 1999)."""

    decided = 0
    pivot: _Undecided | None = None

    def __init__(self) -> None:
        self.size = math.inf

    def __lt__(self, other: _Undecided) -> bool:
        if self.size == other.size == math.inf:
            smaller = self if self is _Undecided.pivot else other
            _Undecided.decided += 1
            smaller.size = _Undecided.decided
        if math.inf in (self.size, other.size):
            _Undecided.pivot = self if self.size == math.inf else other
        return self.size < other.size


def slow_to_partition(length: int, k: int) -> np.ndarray:
    """Return numbers of which the median of three is nearly the smallest each time, until the k smallest are found."""
    elements: Any = [_Undecided() for _ in range(length)]  # Any: they stand for numbers
    introselect.first_positions(elements, k, is_sorted=True)
    return np.array([min(element.size, 2.0 * length**2) for element in elements])


def _check(values: np.ndarray, k: int, axis: int = -1) -> None:
    for largest in (True, False):
        for is_sorted in (True, False):
            operation = SelectedPositions(axis % values.ndim, k, largest, is_sorted)
            wanted = torch.topk(torch.from_numpy(values), k, axis, largest, is_sorted).indices.numpy()
            found = cnp.evaluate(apply(operation, cnp.asarray(values)))
            np.testing.assert_array_equal(found, wanted, strict=True)


@pytest.mark.parametrize("number", [1, 2, 5, 50])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 17, 33, 129, 1000])
def test_equal_elements_are_chosen_as_by_torch(length: int, number: int) -> None:
    values = np.random.default_rng(length).integers(0, number, (3, length)).astype(np.float32)
    for k in sorted({1, length // 64, length // 64 + 1, length // 2, length - 1, length} & set(range(1, length + 1))):
        _check(values, k)


def test_elements_along_another_axis() -> None:
    _check(np.random.default_rng(0).integers(0, 3, (2, 9, 4)), 5, axis=1)


def test_a_nan_is_the_largest_and_zeros_of_both_signs_are_equal() -> None:
    values = np.array([0.0, np.nan, -0.0, 1.0, np.inf, np.nan, -np.inf, 0.0, -0.0, 1.0])
    for k in (1, 4, 10):
        _check(values, k)


def test_no_elements_and_no_rows() -> None:
    _check(np.zeros((2, 5)), 0)
    _check(np.zeros((0, 5)), 2)


def test_rows_that_partition_badly_are_finished_by_a_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    values, used = slow_to_partition(200, 190), []
    heap = introselect._select_by_heap
    monkeypatch.setattr(introselect, "_select_by_heap", lambda *args: used.append(args) or heap(*args))
    _check(values, 190)
    _check(-values, 190)
    assert used


@pytest.mark.parametrize("number", [1, 3, 50])
@pytest.mark.parametrize("length", [1, 2, 16, 17, 40, 1000])
def test_equal_elements_are_sorted_and_ranked_as_by_torch(length: int, number: int) -> None:
    values = np.random.default_rng(length).integers(0, number, (3, length)).astype(np.float32)
    values[0, : length // 8] = np.nan
    x, given = cnp.asarray(values), torch.from_numpy(values)
    for largest in (True, False):
        found = cnp.evaluate(apply(SortedPositions(1, largest, True), x))
        np.testing.assert_array_equal(found, torch.sort(given, 1, largest).indices.numpy(), strict=True)
    for k in sorted({1, length // 2 + 1, length}):
        found = cnp.evaluate(apply(RankedPosition(1, k), x))
        np.testing.assert_array_equal(found, torch.kthvalue(given, k, 1, True).indices.numpy(), strict=True)


def test_sorting_of_rows_that_partition_badly_is_finished_by_a_heap() -> None:
    values = np.floor(slow_to_partition(200, 200) / 2)
    found = cnp.evaluate(apply(SortedPositions(0, False, True), cnp.asarray(values)))
    np.testing.assert_array_equal(found, torch.sort(torch.from_numpy(values)).indices.numpy())


def test_no_elements_are_sorted_and_ranked() -> None:
    assert cnp.evaluate(apply(SortedPositions(1, False, True), cnp.zeros((2, 0)))).shape == (2, 0)
    assert cnp.evaluate(apply(RankedPosition(1, 2), cnp.zeros((0, 3)))).shape == (0, 1)
