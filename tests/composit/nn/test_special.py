"""Special functions at the ends of their range: the first term of each series, far out the first term of each expansion."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import composit as cnp
from composit.nn.special import special

TINY = np.array([1e-310, 1e-200, 1e-30, 1e-12])
HUGE = np.array([1e18, 1e30, 1e100, 1e300])
Values = Callable[[np.ndarray], np.ndarray]

NEAR_ZERO: dict[str, Values] = {
    "bessel_j0": np.ones_like,
    "bessel_j1": lambda x: x / 2,
    "bessel_y0": lambda x: 2 / np.pi * (np.log(x) - np.log(2) + np.euler_gamma),
    "modified_k0": lambda x: np.log(2) - np.log(x) - np.euler_gamma,
    "scaled_modified_k0": lambda x: np.log(2) - np.log(x) - np.euler_gamma,
    "modified_k1": lambda x: 1 / x,
    "bessel_y1": lambda x: -2 / (np.pi * x),
    "modified_i1": lambda x: x / 2,
    "airy_ai": lambda x: np.full_like(x, 0.355028053887817239),
}
FAR_OUT: dict[str, Values] = {
    "scaled_modified_i0": lambda x: 1 / np.sqrt(2 * np.pi * x),
    "scaled_modified_i1": lambda x: 1 / np.sqrt(2 * np.pi * x),
    "scaled_modified_k0": lambda x: np.sqrt(np.pi / (2 * x)),
    "scaled_modified_k1": lambda x: np.sqrt(np.pi / (2 * x)),
    "modified_i0": lambda x: np.full_like(x, np.inf),
    "digamma": np.log,
}


def value_of(name: str, x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(cnp.evaluate(special(name, cnp.asarray(x))))


@pytest.mark.parametrize("name", NEAR_ZERO)
def test_the_first_term_of_the_series_is_the_value_near_0(name: str) -> None:
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(value_of(name, TINY), NEAR_ZERO[name](TINY), rtol=1e-10)


@pytest.mark.parametrize("name", FAR_OUT)
def test_the_first_term_of_the_expansion_is_the_value_far_out(name: str) -> None:
    np.testing.assert_allclose(value_of(name, HUGE), FAR_OUT[name](HUGE), rtol=1e-12)


def test_waves_far_out_keep_their_amplitude() -> None:
    amplitude = np.hypot(value_of("bessel_j0", HUGE), value_of("bessel_y0", HUGE))
    np.testing.assert_allclose(amplitude, np.sqrt(2 / (np.pi * HUGE)), rtol=1e-12)


def test_formulas_for_small_and_other_arguments_meet() -> None:
    """Beside the threshold of each series, both sides give the same line."""
    for name, place in (("bessel_y0", 1e-8), ("scaled_modified_k1", 1e-8), ("modified_i1", 1e-4), ("airy_ai", 1e-5)):
        below, above = value_of(name, np.array([place * 0.999, place * 1.001]))
        slope = (value_of(name, np.array([place * 1.01])) - value_of(name, np.array([place * 1.009]))) / (place * 0.001)
        np.testing.assert_allclose(above - below, slope[0] * place * 0.002, rtol=0.02, atol=1e-12)


def test_digamma_has_its_poles_on_both_sides_of_0() -> None:
    np.testing.assert_allclose(value_of("digamma", -TINY[1:]), 1 / TINY[1:], rtol=1e-10)
    np.testing.assert_allclose(value_of("digamma", TINY[1:]), -1 / TINY[1:], rtol=1e-10)
