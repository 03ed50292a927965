"""Bessel functions and Airy's, of float64 arrays, by their integrals.

Along the right path each integrand falls off at both ends faster than any power, so the trapezoidal rule is exact with a few
hundred points. Reference: Trefethen and Weideman, The Exponentially Convergent Trapezoidal Rule, 2014; the integrals are
10.9.15, 10.32.9 and 10.32.3 of the NIST Digital Library of Mathematical Functions. Weakness: slower than a polynomial.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from composit.operation import Array

_POINTS = 320
_FALL = 50.0  # exp(-50) is nothing beside 1
_CHUNK = 4096  # elements at a time, so that the table of points stays small
_SMALL = 1e-8  # below, x * x is nothing beside 1: the first terms of the series are exact


def _in_chunks(function: Callable[[Array], Array], x: Array, dtype: type = np.float64) -> Array:
    flat = x.reshape(-1)
    result: Array = np.empty(flat.shape, dtype)
    for start in range(0, flat.size, _CHUNK):
        result[start : start + _CHUNK] = function(flat[start : start + _CHUNK])
    return result.reshape(x.shape)


def _hankel(order: float, x: Array) -> Array:
    """Return J + iY of positive x, along the path of steepest descent sinh(w) = i - sinh(u) ** 2 / cosh(u)."""

    def of_chunk(x: Array) -> Array:
        # sinh(end) ** 2 / cosh(end) = fall; no difference of numbers near 1, which would end the path at 0 for large x.
        fall = _FALL / x
        end = np.arcsinh(np.sqrt(fall * (fall + np.sqrt(fall * fall + 4)) / 2))
        u = end[:, None] * np.linspace(-1, 1, _POINTS + 1)
        cosh = np.cosh(u)
        w = u + 1j * (np.pi / 2 + 2 * np.arctan(np.tanh(u / 2)))
        values = np.exp(-x[:, None] * (np.sinh(u) ** 2 / cosh) - order * w) * (1 + 1j / cosh)
        integral: Array = values.sum(axis=1) * (end * 2 / _POINTS)
        return np.exp(1j * x) / (1j * np.pi) * integral

    return _in_chunks(of_chunk, x, np.complex128)


def _positive(x: Array) -> Array:
    """Return |x|, and 1 in place of what has no value, or one from the series of small x."""
    return np.where(np.isfinite(x) & (np.abs(x) >= _SMALL), np.abs(x), 1.0)


def _logarithm_of_half(x: Array) -> Array:
    """Return log(x / 2) + Euler's constant, for positive x."""
    logarithm: Array = np.log(np.where(x > 0, x, 1.0)) - np.log(2) + np.euler_gamma
    return logarithm


def bessel_j0(x: Array) -> Array:
    """Return J0(x); NaN at infinity, as in torch."""
    value = _hankel(0, _positive(x)).real
    return np.where(np.abs(x) < _SMALL, 1.0, np.where(np.isfinite(x), value, np.nan))


def bessel_j1(x: Array) -> Array:
    """Return J1(x); NaN at infinity, as in torch."""
    value = np.copysign(1, x) * _hankel(1, _positive(x)).real
    # The small value is a difference of large ones; x / 2 - x ** 3 / 16 is exact there.
    small = x / 2 * (1 - x * x / 8)
    value = np.where(np.abs(x) < 1e-4, small, value)
    return np.where(np.isfinite(x), value, np.nan)


def _second_kind(order: int, x: Array) -> Array:
    value = _hankel(order, _positive(x)).imag
    small = _logarithm_of_half(x) if order == 0 else -1 / x
    value = np.where(np.abs(x) < _SMALL, 2 / np.pi * small, value)
    return np.where(x == 0, -np.inf, np.where((x > 0) & np.isfinite(x), value, np.nan))


def bessel_y0(x: Array) -> Array:
    """Return Y0(x), NaN for negative x."""
    return _second_kind(0, x)


def bessel_y1(x: Array) -> Array:
    """Return Y1(x), NaN for negative x."""
    return _second_kind(1, x)


def _scaled_i(order: int, x: Array) -> Array:
    def of_chunk(x: Array) -> Array:
        # 1 - cos(angle) = 2 sin(angle / 2) ** 2, which keeps its digits for the small angles of large x.
        end = 2 * np.arcsin(np.sqrt(np.minimum(_FALL / 2 / np.maximum(x, 1e-3), 1)))
        angle = end[:, None] * np.linspace(0, 1, _POINTS + 1)
        values = np.exp(-2 * x[:, None] * np.sin(angle / 2) ** 2) * np.cos(order * angle)
        values[:, [0, -1]] /= 2
        integral: Array = values.sum(axis=1) * (end / (_POINTS * np.pi))
        return integral

    return _in_chunks(of_chunk, np.where(np.isfinite(x), np.abs(x), 1.0))


def scaled_modified_i0(x: Array) -> Array:
    """Return exp(-|x|) I0(x)."""
    return np.where(np.isinf(x), 0.0, np.where(np.isnan(x), x, _scaled_i(0, x)))


def scaled_modified_i1(x: Array) -> Array:
    """Return exp(-|x|) I1(x)."""
    small = np.abs(x) / 2 * (1 + x * x / 8) * np.exp(-np.abs(x))
    value = np.where(np.abs(x) < 1e-4, small, _scaled_i(1, x))
    return np.where(np.isinf(x), 0.0, np.where(np.isnan(x), x, np.copysign(value, x)))


def modified_i0(x: Array) -> Array:
    """Return I0(x)."""
    return np.where(np.isinf(x), np.inf, np.exp(np.abs(x)) * scaled_modified_i0(x))


def modified_i1(x: Array) -> Array:
    """Return I1(x)."""
    return np.where(np.isinf(x), x, np.exp(np.abs(x)) * scaled_modified_i1(x))


def _scaled_k(order: float, x: Array) -> Array:
    def of_chunk(x: Array) -> Array:
        # cosh(t) - 1 = 2 sinh(t / 2) ** 2, which keeps its digits for the small t of large x.
        end = 2 * np.arcsinh(np.sqrt(_FALL / 2 / x))
        t = end[:, None] * np.linspace(0, 1, _POINTS + 1)
        values = np.exp(-2 * x[:, None] * np.sinh(t / 2) ** 2) * np.cosh(order * t)
        values[:, [0, -1]] /= 2
        integral: Array = values.sum(axis=1) * (end / _POINTS)
        return integral

    return _in_chunks(of_chunk, _positive(x))


def _scaled_second_kind(order: int, x: Array) -> Array:
    small = -_logarithm_of_half(x) if order == 0 else 1 / x
    value = np.where(np.isinf(x), 0.0, np.where(np.abs(x) < _SMALL, small, _scaled_k(order, x)))
    return np.where(x == 0, np.inf, np.where((x < 0) | np.isnan(x), np.nan, value))


def scaled_modified_k0(x: Array) -> Array:
    """Return exp(x) K0(x), NaN for negative x."""
    return _scaled_second_kind(0, x)


def scaled_modified_k1(x: Array) -> Array:
    """Return exp(x) K1(x), NaN for negative x."""
    return _scaled_second_kind(1, x)


def modified_k0(x: Array) -> Array:
    """Return K0(x), NaN for negative x."""
    return np.exp(-x) * scaled_modified_k0(x)


def modified_k1(x: Array) -> Array:
    """Return K1(x), NaN for negative x."""
    return np.exp(-x) * scaled_modified_k1(x)


def airy_ai(x: Array) -> Array:
    """Return Ai(x), by Bessel functions of the order 1/3."""
    size = _positive(x)
    z = 2 / 3 * size**1.5
    falling = np.sqrt(size / 3) / np.pi * np.exp(-z) * _scaled_k(1 / 3, z)
    hankel = _hankel(1 / 3, z)
    waving = np.sqrt(size) / 3 * (hankel.real + (np.exp(1j * np.pi / 3) * hankel).real)
    value = np.where(x > 0, falling, waving)
    near_zero = 0.355028053887817239 - 0.258819403792806798 * x
    # Beyond the first terms nothing is left: the next is x ** 3 / 6 of the first.
    return np.where(np.abs(x) < 1e-5, near_zero, np.where(np.isfinite(x), value, np.nan))


def spherical_bessel_j0(x: Array) -> Array:
    """Return sin(x) / x."""
    return np.where(np.isinf(x), 0.0, np.sinc(np.where(np.isinf(x), 0.0, x) / np.pi))
