"""Selection and sorting of n elements as torch does it: std::nth_element, std::sort, std::partial_sort, and its own quickselect.

torch.topk, sort and mode call these functions of the C++ library, kthvalue the last one. They decide which of equal elements
is chosen, and in which order. The algorithms are those of libstdc++ (bits/stl_algo.h, bits/stl_heap.h): introselect,
introsort and heap select; and that of aten/src/ATen/native/Sorting.cpp. Elements are given by their ranks (equal elements
have equal ranks), or as floats among which NaN has no order; `places` is the list of positions that the functions rearrange.
Known weaknesses: a torch that is built with another C++ library chooses others of the equal elements; the loops are Python's.
Imports nothing.
"""

from __future__ import annotations

from typing import TypeAlias

Ranks: TypeAlias = "list[int] | list[float]"

# The length above which torch.topk partitions, as a multiple of k, and that below which std::sort sorts by insertion.
HEAP_FACTOR = 64
INSERTION_LENGTH = 16


def is_by_heap(k: int, length: int) -> bool:
    """Return whether torch.topk selects k of so many elements by a heap, which also sorts them."""
    return k * HEAP_FACTOR <= length


def depth_limit(length: int) -> int:
    """Return how many partitions introselect and introsort make before they use a heap."""
    return 2 * (length.bit_length() - 1)


def first_positions(ranks: list[int], k: int, is_sorted: bool) -> list[int]:
    """Return the positions of the k smallest ranks, as torch.topk orders them."""
    length = len(ranks)
    places = list(range(length))
    if not k:
        return []
    if is_by_heap(k, length):
        _sort_first(ranks, places, 0, k, length)
        return places[:k]
    _select(ranks, places, k - 1)
    if is_sorted:
        _partition_long_parts(ranks, places, 0, k - 1, depth_limit(max(k - 1, 1)))
        _insert(ranks, places, 0, k - 1)
    return places[:k]


def sorted_positions(ranks: Ranks) -> list[int]:
    """Return the positions of all elements in order, as std::sort leaves them."""
    places = list(range(len(ranks)))
    _partition_long_parts(ranks, places, 0, len(ranks), depth_limit(max(len(ranks), 1)))
    _insert(ranks, places, 0, len(ranks))
    return places


def position_of_rank(ranks: list[int], target: int) -> int:
    """Return the position of the element that stands at the target in order, as torch.kthvalue chooses it."""
    places, first, last = list(range(len(ranks))), 0, len(ranks) - 1

    def order(smaller: int, larger: int) -> None:
        if ranks[places[smaller]] > ranks[places[larger]]:
            places[smaller], places[larger] = places[larger], places[smaller]

    while last > first + 1:
        middle = first + (last - first) // 2
        places[middle], places[first + 1] = places[first + 1], places[middle]
        # The median of three becomes the first, with one that is not larger behind it.
        order(first + 1, last)
        order(first, last)
        order(first + 1, first)
        pivot, low, high = ranks[places[first]], first + 1, last
        while True:
            low += 1
            while pivot > ranks[places[low]]:
                low += 1
            high -= 1
            while ranks[places[high]] > pivot:
                high -= 1
            if high < low:
                break
            places[low], places[high] = places[high], places[low]
        places[first], places[high] = places[high], places[first]
        first, last = low if high <= target else first, high - 1 if high >= target else last
    if last == first + 1:
        order(first, last)
    return places[target]


def _select(ranks: list[int], places: list[int], target: int) -> None:
    """Put at the target the position that belongs there in order, and smaller ones before it."""
    first, last, depth = 0, len(places), depth_limit(len(places))
    while last - first > 3:
        if not depth:
            _select_by_heap(ranks, places, first, target + 1, last)
            places[first], places[target] = places[target], places[first]
            return
        depth -= 1
        cut = _partition(ranks, places, first, last)
        first, last = (cut, last) if cut <= target else (first, cut)
    _insert(ranks, places, first, last)


def _partition_long_parts(ranks: Ranks, places: list[int], first: int, last: int, depth: int) -> None:
    while last - first > INSERTION_LENGTH:
        if not depth:
            _sort_first(ranks, places, first, last, last)
            return
        depth -= 1
        cut = _partition(ranks, places, first, last)
        _partition_long_parts(ranks, places, cut, last, depth)
        last = cut


def _partition(ranks: Ranks, places: list[int], first: int, last: int) -> int:
    """Put elements below the median of three before those above it; return where the second part begins."""
    median = _median(ranks, places, (first + 1, first + (last - first) // 2, last - 1))
    places[first], places[median] = places[median], places[first]
    pivot, low, high = ranks[places[first]], first + 1, last
    while True:
        while ranks[places[low]] < pivot:
            low += 1
        high -= 1
        while pivot < ranks[places[high]]:
            high -= 1
        if low >= high:
            return low
        places[low], places[high] = places[high], places[low]
        low += 1


def _median(ranks: Ranks, places: list[int], three: tuple[int, int, int]) -> int:
    one, other, third = three
    a, b, c = (ranks[places[each]] for each in three)
    if a < b:
        return other if b < c else third if a < c else one
    return one if a < c else third if b < c else other


def _insert(ranks: Ranks, places: list[int], first: int, last: int) -> None:
    """Sort by insertion. Of the first elements one that is smaller than the first goes there at once, past NaN, which has no order."""
    for start in range(first + 1, last):
        inserted, place = places[start], start
        if start - first < INSERTION_LENGTH and ranks[inserted] < ranks[places[first]]:
            places[first : start + 1] = [inserted, *places[first:start]]
            continue
        while place > first and ranks[inserted] < ranks[places[place - 1]]:
            places[place] = places[place - 1]
            place -= 1
        places[place] = inserted


def _sort_first(ranks: Ranks, places: list[int], first: int, middle: int, last: int) -> None:
    """Put the smallest of [first, last) sorted into [first, middle)."""
    _select_by_heap(ranks, places, first, middle, last)
    for end in range(middle - 1, first, -1):
        largest = places[end]
        places[end] = places[first]
        _sift(ranks, places, first, 0, end - first, largest)


def _select_by_heap(ranks: Ranks, places: list[int], first: int, middle: int, last: int) -> None:
    """Put the smallest of [first, last) as a heap into [first, middle)."""
    length = middle - first
    for parent in range(length // 2 - 1, -1, -1):
        _sift(ranks, places, first, parent, length, places[first + parent])
    for place in range(middle, last):
        if ranks[places[place]] < ranks[places[first]]:
            smaller = places[place]
            places[place] = places[first]
            _sift(ranks, places, first, 0, length, smaller)


def _sift(ranks: Ranks, places: list[int], first: int, hole: int, length: int, value: int) -> None:
    """Move the hole down to a leaf, and the value from there up to its place in the heap."""
    top = child = hole
    while child < (length - 1) // 2:
        child = 2 * child + 2
        child -= ranks[places[first + child]] < ranks[places[first + child - 1]]
        places[first + hole] = places[first + child]
        hole = child
    if length % 2 == 0 and child == (length - 2) // 2:
        places[first + hole] = places[first + 2 * child + 1]
        hole = 2 * child + 1
    while hole > top and ranks[places[first + (hole - 1) // 2]] < ranks[value]:
        places[first + hole] = places[first + (hole - 1) // 2]
        hole = (hole - 1) // 2
    places[first + hole] = value
