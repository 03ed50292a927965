"""The gamma function's logarithm and derivatives, Hurwitz' zeta and incomplete gamma functions, of float64 arrays.

Sources: Abramowitz and Stegun, Handbook of Mathematical Functions, 6.1.41 and 6.3.18 (asymptotic series behind a shift of the
argument) and 6.5.29, 6.5.31 (series and continued fraction); Moshier, Cephes, for zeta. Weakness: near 1 and 2, where the
logarithm is 0, its error is absolute, 1e-15.
"""

from __future__ import annotations

import math

import numpy as np

from composit.operation import Array

# The Bernoulli numbers B2, B4, ...
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_SHIFT = 10  # from here on the series are exact in float64


def log_gamma(x: Array) -> Array:
    """Return log(|gamma(x)|): infinity at 0 and negative integers."""
    positive = _log_gamma_of_positive(np.where(x > 0, x, 1 - x))
    # gamma(x) gamma(1 - x) = pi / sin(pi x)
    reflected = math.log(math.pi) - np.log(np.abs(_sine_of_pi_times(x))) - positive
    # Beyond 1 / epsilon all numbers are integers, and their reflection loses all digits.
    return np.where(x > 0, positive, np.where(x < -1 / np.finfo(np.float64).eps, np.inf, reflected))


def _log_gamma_of_positive(x: Array) -> Array:
    product, z = np.ones_like(x), x.copy()
    for _ in range(_SHIFT):
        is_small = z < _SHIFT
        product = np.where(is_small, product * z, product)
        z = np.where(is_small, z + 1, z)
    inverse = 1 / (z * z)
    series = sum(b / (2 * k * (2 * k - 1)) * inverse ** (k - 1) for k, b in enumerate(_BERNOULLI, 1)) / z
    stirling = (z - 0.5) * np.log(z) - z + 0.5 * math.log(2 * math.pi) + series
    return np.where(np.isposinf(x), np.inf, stirling - np.log(product))


def _sine_of_pi_times(x: Array) -> Array:
    # The remainder first: pi times a large number has lost its digits.
    rest = x - 2 * np.round(x / 2)
    return np.where(np.abs(rest) == 1, 0.0, np.sin(np.pi * rest))


def digamma(x: Array) -> Array:
    """Return the derivative of log(gamma(x)): infinite at 0 with the other sign, NaN at negative integers."""
    z, total = np.where(x > 0, x, 1 - x), np.zeros_like(x)
    for _ in range(_SHIFT):
        is_small = z < _SHIFT
        total = np.where(is_small, total - 1 / z, total)
        z = np.where(is_small, z + 1, z)
    inverse = 1 / (z * z)
    series = sum(b / (2 * k) * inverse**k for k, b in enumerate(_BERNOULLI, 1))
    positive = total + np.log(z) - 0.5 / z - series
    # From the nearest integer, not the one below: 1 - 1e-30 is 1.
    rest = x - np.round(x)
    reflected = np.where(rest == 0, np.nan, positive - np.pi / np.tan(np.pi * rest))
    result = np.where(x > 0, positive, reflected)
    return np.where(x == 0, np.copysign(np.inf, -x), np.where(np.isposinf(x), np.inf, result))


_ZETA = (
    12.0,
    -720.0,
    30240.0,
    -1209600.0,
    47900160.0,
    -1.8924375803183791606e9,
    7.47242496e10,
    -2.950130727918164224e12,
    1.1646782814350067249e14,
    -4.5979787224074726105e15,
    1.8152105401943546773e17,
    -7.1661652561756670113e18,
)
_TERMS = 10
_MOST_TERMS = 100_000


def zeta(x: Array, q: Array) -> Array:
    """Return the sum of (k + q) ** -x over k = 0, 1, ...: by the formula of Euler and Maclaurin behind some terms."""
    x, q = np.broadcast_arrays(x, q)
    total, a = np.zeros(x.shape), q.astype(np.float64)
    for _ in range(_TERMS):
        total = total + a**-x
        a = a + 1
    # Negative q need more terms, until a is large.
    is_small = (a <= _TERMS) & (a > -_MOST_TERMS)
    while np.any(is_small):
        total = np.where(is_small, total + a**-x, total)
        a = np.where(is_small, a + 1, a)
        is_small = (a <= _TERMS) & is_small
    power = a**-x
    total = total + a * power / (x - 1) + 0.5 * power
    factor = x.astype(np.float64)
    for number, coefficient in enumerate(_ZETA):
        power = power / a
        total = total + factor * power / coefficient
        factor = factor * (x + 2 * number + 1) * (x + 2 * number + 2)
        power = power / a
    total = np.where(x == 1, np.inf, np.where(x < 1, np.nan, total))
    at_pole = (q <= 0) & (q == np.floor(q))
    outside = (q <= 0) & (q != np.floor(q)) & (x != np.floor(x))
    return np.where((x > 1) & at_pole, np.inf, np.where((x > 1) & outside, np.nan, total))


def polygamma(order: int, x: Array) -> Array:
    """Return the derivative of digamma of an order; 0 is digamma itself."""
    if order == 0:
        return digamma(x)
    if order == 1:
        return _trigamma(x)
    return np.asarray((-1) ** (order + 1) * math.factorial(order) * zeta(np.asarray(order + 1.0), x))


def _trigamma(x: Array) -> Array:
    # trigamma(1 - x) + trigamma(x) = (pi / sin(pi x)) ** 2
    positive = zeta(np.asarray(2.0), np.where(x < 0.5, 1 - x, x))
    result = np.where(x < 0.5, (np.pi / _sine_of_pi_times(x)) ** 2 - positive, positive)
    return np.where(np.isposinf(x), 0.0, result)


def lower_gamma(a: Array, x: Array) -> Array:
    """Return the regularized lower incomplete gamma function."""
    return _incomplete(a, x)[0]


def upper_gamma(a: Array, x: Array) -> Array:
    """Return 1 - lower_gamma(a, x), with all its digits."""
    return _incomplete(a, x)[1]


def _incomplete(a: Array, x: Array) -> tuple[Array, Array]:
    a, x = (np.asarray(each, np.float64) for each in np.broadcast_arrays(a, x))
    is_valid = (a >= 0) & (x >= 0) & ~((a == 0) & (x == 0)) & ~(np.isinf(a) & np.isinf(x))
    safe_a, safe_x = np.where(is_valid & (a > 0) & np.isfinite(a), a, 1), np.where(is_valid & np.isfinite(x), x, 1)
    factor = np.exp(safe_a * np.log(np.where(safe_x > 0, safe_x, 1)) - safe_x - log_gamma(safe_a))
    factor = np.where(safe_x > 0, factor, 0)
    by_series = safe_x < safe_a + 1
    below = factor * _series(np.where(by_series, safe_a, 2), np.where(by_series, safe_x, 1))
    above = factor * _fraction(np.where(by_series, 1, safe_a), np.where(by_series, 3, safe_x))
    lower, upper = np.where(by_series, below, 1 - above), np.where(by_series, 1 - below, above)
    all_below, all_above = (a == 0) | np.isinf(x), np.isinf(a) | (x == 0)
    lower = np.where(all_below, 1, np.where(all_above, 0, lower))
    upper = np.where(all_below, 0, np.where(all_above, 1, upper))
    return np.where(is_valid, lower, np.nan), np.where(is_valid, upper, np.nan)


def _series(a: Array, x: Array) -> Array:
    term = 1 / a
    total = term.copy()
    for number in range(1, 20_000):
        term = term * (x / (a + number))
        total = total + term
        if not np.any(term > total * 1e-17):
            break
    return total


def _fraction(a: Array, x: Array) -> Array:
    """Return the continued fraction of the upper function, from the front (Lentz)."""
    b = x + 1 - a
    c, d = np.full_like(x, 1e300), 1 / b
    result = d.copy()
    for number in range(1, 20_000):
        step = -number * (number - a)
        b = b + 2
        d = 1 / (step * d + b)
        c = b + step / c
        result = result * (c * d)
        if not np.any(np.abs(c * d - 1) > 1e-16):
            break
    return result
