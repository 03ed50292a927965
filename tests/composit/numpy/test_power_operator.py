"""`x ** exponent` of arrays calls what numpy's operator calls: square, reciprocal, sqrt or power, bit by bit."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import composit.numpy as cnp
from composit.nn import chain_rule

INFINITE, NAN = float("inf"), float("nan")
REAL = [0.0, -0.0, 1.0, -1.0, INFINITE, -INFINITE, NAN, 0.1, 3.7, -2.3, 1234.5]
DTYPES = "efdgFDGbBhHiIlLqQ?"
EXPONENTS: list[Any] = [
    -1,
    0,
    1,
    2,
    3,
    0.5,
    2.0,
    -1.0,
    True,
    np.float64(2),
    np.float64(0.5),
    np.int64(2),
    np.int8(-1),
    np.array(2),
    np.array(0.5),
    2 + 0j,
]


def _array(dtype: str) -> Any:
    if dtype in "FDG":
        return np.array([complex(a, b) for a in REAL for b in REAL], dtype)
    return np.array(REAL if dtype in "efdg" else [0, 1, 2, 3, 100], dtype)


def _bits(make: Any) -> Any:
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(make())
    except (TypeError, ValueError, OverflowError) as error:
        return [kind for kind in (TypeError, ValueError, OverflowError) if isinstance(error, kind)]
    # Long doubles are padded with bytes that mean nothing.
    wide = {"g": "d", "G": "D"}.get(result.dtype.char, result.dtype.char)
    return result.dtype, result.shape, result.astype(wide).tobytes()


@pytest.mark.parametrize("exponent", EXPONENTS, ids=repr)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_power_has_the_bits_of_numpys_operator(dtype: str, exponent: Any) -> None:
    array = _array(dtype)
    assert _bits(lambda: cnp.asarray(array) ** exponent) == _bits(lambda: array**exponent)


def _in_place(array: Any, exponent: Any) -> Any:
    array **= exponent
    return array


@pytest.mark.parametrize("exponent", EXPONENTS, ids=repr)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_power_in_place_has_the_bits_of_numpys_operator(dtype: str, exponent: Any) -> None:
    array = _array(dtype)
    assert _bits(lambda: _in_place(cnp.array(array), exponent)) == _bits(lambda: _in_place(array.copy(), exponent))


@pytest.mark.parametrize("exponent", [-1, 2, 0.5], ids=repr)
def test_a_power_of_a_scalar_is_that_of_numpys_scalars(exponent: Any) -> None:
    lazy, real = cnp.asarray(_array("D")), _array("D")
    for i in range(len(real)):
        assert _bits(partial(pow, lazy[i], exponent)) == _bits(partial(pow, real[i], exponent))


def test_a_reciprocal_of_infinity_is_not_a_number_where_numpys_is_none() -> None:
    x = np.array([INFINITE + 1j])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(cnp.evaluate(cnp.asarray(x) ** -1), x**-1)


def test_the_function_called_is_the_node_and_has_a_derivative() -> None:
    x = cnp.asarray(np.array([1.0, 4.0]))
    for exponent, name, slope in (
        (2, "square", [2.0, 8.0]),
        (-1, "reciprocal", [-1.0, -1 / 16]),
        (3, "power", [3, 48]),
    ):
        y = x**exponent
        assert y.name == name
        loss = y.sum()
        np.testing.assert_allclose(cnp.evaluate(chain_rule({loss: loss}, [x])[0]), slope)


def test_arrays_of_texts_and_objects_raise_what_numpys_raise() -> None:
    with pytest.raises(TypeError):
        cnp.asarray(["a"]) ** 2
    made = cnp.asarray(np.array([2, 3], object)) ** 2
    np.testing.assert_array_equal(np.asarray(made), np.array([4, 9], object))
