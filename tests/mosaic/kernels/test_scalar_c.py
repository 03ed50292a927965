"""Functions of numbers in C where Python or numpy mean something else than C's operators: signs, zeros, NaN, divisors of 0."""

import math

import numpy as np
import pytest

import composit.numpy as cnp
from composit.kernels import register


@register
def exact(x: float, n: int, y: float, m: int):
    k = 0
    for _ in range(1):  # a loop, so that the C function is called
        k = n // m - n % m
    signs = np.sign(x), np.maximum(x, y), np.minimum(x, y), math.copysign(x, y)
    return k, x % y, x // y, signs, n // m, n % m, abs(n), n**5, math.fmod(x, y), int(x % 7), x**3


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_scalar_functions_are_numpys_to_the_last_bit(dtype: str) -> None:
    rng = np.random.default_rng(1)
    special = [[0.0, -0.0, 3.0, -3.0, 6.0, -6.0, 1e30], [2.0, 2.0, 1.5, 1.5, -1.5, 1.5, 1e-3]]
    x, y = (np.append(rng.normal(size=500) * 5, each).astype(dtype) for each in special)
    n, m = rng.integers(-9, 9, x.size), rng.integers(-4, 5, x.size)
    with np.errstate(all="ignore"):
        k, remainder, quotient, signs, *others = exact(x, n, y, m)
        results = [k, remainder, quotient, *signs, *others]
        expected = cnp.evaluate(*results)
    for one, other in zip(cnp.evaluate(*results, backend="mosaic"), expected, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
        np.testing.assert_array_equal(np.signbit(one.astype(float)), np.signbit(other.astype(float)))


def test_nan_is_kept_where_numpy_keeps_it() -> None:
    @register
    def extrema(x: float, y: float):
        for _ in range(1):
            x = x + 0
        return np.maximum(x, y), np.minimum(x, y), np.sign(x), max(x, y)

    x, y = np.array([math.nan, 1.0, -0.0]), np.array([1.0, math.nan, -1.0])
    results = extrema(x, y)
    for one, other in zip(cnp.evaluate(*results, backend="mosaic"), cnp.evaluate(*results), strict=True):
        np.testing.assert_array_equal(one, other)
