"""The error function against the C library's, which is within 1 ulp (glibc manual, errors in math functions)."""

import math

import numpy as np
import pytest

import composit as cnp
from composit.errors import DtypeError
from composit.numpy.elementwise.erf import erf_of_arrays


def _points() -> np.ndarray:
    generator = np.random.default_rng(0)
    borders = [0.84375, 1.25, 1 / 0.35, 6.0, 5.9215871957945083]
    neighbours = [np.nextafter(border, side) for border in borders for side in (-np.inf, np.inf)]
    tiny = np.geomspace(1e-300, 1e-2, 2000)
    return np.concatenate(
        [np.linspace(-6.5, 6.5, 60001), generator.normal(size=20000), tiny, -tiny, borders, neighbours]
    )


def test_float64_is_within_two_ulp():
    x = _points()
    exact = np.array([math.erf(value) for value in x])
    # One ulp from the C library, which itself is within one: two in all.
    assert np.max(np.abs(erf_of_arrays(x) - exact) / np.spacing(np.abs(exact))) <= 1


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_narrower_dtypes_are_rounded_once(dtype):
    x = _points().astype(dtype)
    exact = np.array([math.erf(value) for value in x]).astype(dtype)
    # An exact value near the middle of two neighbours may be rounded to either: 0.04 ulp is 4 % of them in float32.
    assert np.max(np.abs(erf_of_arrays(x) - exact) / np.spacing(np.abs(exact))) <= 1
    assert np.mean(erf_of_arrays(x) == exact) > 0.96


def test_special_values_are_kept():
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e308, -1e308])
    values = erf_of_arrays(x)
    np.testing.assert_array_equal(values, [1.0, -1.0, np.nan, 0.0, -0.0, 1.0, -1.0])
    assert list(np.signbit(values)) == [False, True, False, False, True, False, True]


def test_it_is_odd_to_the_last_bit():
    x = _points()
    np.testing.assert_array_equal(erf_of_arrays(-x), -erf_of_arrays(x))


def test_arrays_of_any_layout_are_taken():
    x = np.linspace(-2, 2, 24).reshape(2, 3, 4)
    np.testing.assert_array_equal(erf_of_arrays(x.T), erf_of_arrays(x).T)
    assert erf_of_arrays(np.zeros((0, 3))).shape == (0, 3)


def test_integers_and_scalars_are_promoted_as_by_numpys_functions():
    for operand in (np.arange(3), np.int8(1), np.float32(1), 1, np.bool(True)):
        expected = np.cbrt(operand)
        value = cnp.evaluate(cnp.erf(operand))
        assert type(value) is type(expected)
        assert value.dtype == expected.dtype


def test_the_dtype_argument_is_taken():
    assert cnp.evaluate(cnp.erf(np.float32([1]), dtype=np.float64)).dtype == np.float64


def test_longdouble_is_refused():
    with pytest.raises(DtypeError, match=r"erf: the operand has dtype .* float64.* astype"):
        cnp.erf(np.longdouble(1))


def test_complex_numbers_are_refused_as_by_numpys_real_functions():
    with pytest.raises(TypeError, match="not supported for the input types"):
        cnp.erf(np.complex128(1))
