"""`where` of large arrays, chosen by bits: the same as numpy's to the last bit, whatever the operands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp

SHAPE = (7, 6000)
rng = np.random.default_rng(0)
CONDITION = rng.integers(0, 2, SHAPE).astype(bool)
SPECIAL = np.array([0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1.5])


def _array(dtype: str) -> np.ndarray:
    return rng.choice(SPECIAL, SHAPE).astype(dtype) if dtype[0] == "f" else rng.integers(-9, 9, SHAPE).astype(dtype)


def _check(condition: Any, x: Any, y: Any) -> None:
    expected = np.where(condition, x, y)
    value = cnp.evaluate(
        cnp.where(*(cnp.asarray(each) if isinstance(each, np.ndarray) else each for each in (condition, x, y)))
    )
    assert (value.dtype, value.shape, value.strides) == (expected.dtype, expected.shape, expected.strides)
    assert value.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8", "i2", "f2", ">f4"])
def test_where_of_two_large_arrays_is_numpys(dtype: str) -> None:
    _check(CONDITION, _array(dtype), _array(dtype))


@pytest.mark.parametrize("number", [0, 0.0, -0.0, 1.5, np.nan, np.float32(2), np.array(3.0, "f4")])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_where_with_a_number_on_either_side_is_numpys(dtype: str, number: Any) -> None:
    x = _array(dtype)
    _check(CONDITION, x, number)
    _check(CONDITION, number, x)
    _check(CONDITION, number, number)


def test_where_of_other_operands_is_numpys() -> None:
    x, y = _array("f4"), _array("f8")
    _check(CONDITION, x, y)
    _check(CONDITION, x[:, :1], y)
    _check(CONDITION, x[0], 0)
    _check(CONDITION[0], x, 0)
    _check(CONDITION.T, x.T, 0.0)
    _check(CONDITION[:, ::2], x[:, ::2], 1.0)
    _check(_array("i4"), x, 0)
    _check(CONDITION, x + 1j, 0)
