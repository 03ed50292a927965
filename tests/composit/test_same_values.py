"""The comparison behind guards: what Python can tell apart differs, everything else is the same."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from composit.same_values import look_the_same

PAIR = np.dtype([("x", "f8"), ("y", "i4")])


def objects(*elements: Any) -> np.ndarray:
    """An array of one axis with these elements."""
    result = np.empty(len(elements), object)
    result[:] = elements
    return result


DIFFERENT = {
    "float64": (np.float64(0.0), np.float64(-0.0)),
    "float32": (np.float32(0.0), np.float32(-0.0)),
    "float16": (np.float16(0.0), np.float16(-0.0)),
    "longdouble": (np.longdouble(0.0), np.longdouble(-0.0)),
    "real part": (np.complex128(complex(0.0, 1.0)), np.complex128(complex(-0.0, 1.0))),
    "imaginary part": (np.complex64(complex(1.0, 0.0)), np.complex64(complex(1.0, -0.0))),
    "imaginary part beside NaN": (np.complex128(complex(math.nan, 1.0)), np.complex128(complex(math.nan, 2.0))),
    "one element of many": (np.array([[1.0, 0.0]]), np.array([[1.0, -0.0]])),
    "field": (np.array((0.0, 1), PAIR), np.array((-0.0, 1), PAIR)),
    "object": (objects(0.0, "a"), objects(-0.0, "a")),
    "array inside an array": (objects(np.zeros(2)), objects(-np.zeros(2))),
    "shape": (np.zeros(2), np.zeros(3)),
    "shape inside an array": (objects(np.zeros(2)), objects(np.zeros(3))),
    "number": (np.int64(1), np.int64(2)),
    "NaN and a number": (np.float64(math.nan), np.float64(1.0)),
}
SAME = {
    "NaN": (np.array([math.nan, 0.0]), np.array([math.nan, 0.0])),
    "payload of NaN": (np.array([0x7FF8000000000001]).view("f8"), np.array([0x7FF8000000000000]).view("f8")),
    "sign of NaN": (np.float64(math.nan), -np.float64(math.nan)),
    "complex NaN": (np.complex128(complex(math.nan, 1.0)), np.complex128(complex(math.nan, 1.0))),
    "NaT": (np.array(["NaT", "2020"], "M8[Y]"), np.array(["NaT", "2020"], "M8[Y]")),
    "NaN in a field": (np.array((math.nan, 1), PAIR), np.array((math.nan, 1), PAIR)),
    "NaN in an array of objects": (objects(float("nan"), 1), objects(float("nan"), 1)),
    "NaN in an array inside an array": (objects(np.array([math.nan])), objects(np.array([math.nan]))),
    "text": (np.array(["a"]), np.array(["a"])),
    "empty": (np.zeros((0, 2)), np.zeros((0, 2))),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_python_can_tell_apart_differs(name: str) -> None:
    before, now = DIFFERENT[name]
    assert not look_the_same("item", before, now)
    assert not look_the_same("item", now, before)


@pytest.mark.parametrize("name", SAME)
def test_what_python_cannot_tell_apart_is_the_same(name: str) -> None:
    before, now = SAME[name]
    assert look_the_same("item", before, now)


@pytest.mark.parametrize("kind", ["bool", "int", "index", "round", "trunc", "hash"])
def test_reads_that_lose_the_sign_of_zero_do_not_compare_it(kind: str) -> None:
    assert look_the_same(kind, np.float64(0.0), np.float64(-0.0))


def test_a_condition_compares_truth_alone() -> None:
    assert look_the_same("bool", np.float64(1.0), np.float64(2.0))
    assert not look_the_same("bool", np.float64(1.0), np.float64(0.0))


def _float32(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (np.float32(0.99142545), np.float32(0.9914255)),
        (_float32(1.5, 1e-7, math.nan, math.inf), _float32(1.500001, -1e-7, math.nan, math.inf)),
        (np.complex64(1.5 + 0.5j), np.complex64(1.500001 + 0.5j)),
        (np.float64(0.1), np.float64(0.1) + 1e-15),
    ],
)
def test_what_two_libraries_computed_may_differ_by_rounding(before: Any, now: Any) -> None:
    assert look_the_same("item", before, now, is_rounded=True)
    assert not look_the_same("item", before, now)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (np.float32(1.5), np.float32(1.5001)),
        (np.float32(0.0), np.float32(-0.0)),
        (np.float32(0.0), np.float32(1e-9)),
        (np.float32(100001.0), np.float32(100002.0)),
        (np.float32(math.inf), np.float32(-math.inf)),
        (np.float32(math.inf), np.float32(1.0)),
        (np.float32(math.nan), np.float32(1.0)),
        (np.float32(1.5), np.float64(1.5000000001)),
        (np.int64(100001), np.int64(100002)),
        (np.bool_(True), np.bool_(False)),
        (_float32(1.5), _float32(1.5, 1.5)),
    ],
)
def test_other_values_are_no_rounding(before: Any, now: Any) -> None:
    assert not look_the_same("item", before, now, is_rounded=True)
