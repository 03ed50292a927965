"""Orthogonal polynomials of float64 arrays, by their recurrences; the degree is an array, too.

Reference: Abramowitz and Stegun, Handbook of Mathematical Functions, 22.7. A negative degree gives 0, as in torch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from composit.operation import Array

# The polynomial of degree k + 1, from x, k, and those of degrees k and k - 1.
Recurrence = Callable[[Array, int, Array, Array], Array]


def _chebyshev(x: Array, k: int, last: Array, before: Array) -> Array:
    return np.asarray(2 * x * last - before)


def _hermite(x: Array, k: int, last: Array, before: Array) -> Array:
    return np.asarray(2 * (x * last - k * before))


def _hermite_e(x: Array, k: int, last: Array, before: Array) -> Array:
    return np.asarray(x * last - k * before)


def _laguerre(x: Array, k: int, last: Array, before: Array) -> Array:
    return np.asarray(((2 * k + 1 - x) * last - k * before) / (k + 1))


def _legendre(x: Array, k: int, last: Array, before: Array) -> Array:
    return np.asarray(((2 * k + 1) * x * last - k * before) / (k + 1))


# The polynomial of degree 1, and the recurrence.
_FAMILIES: dict[str, tuple[Callable[[Array], Array], Recurrence]] = {
    "chebyshev_t": (lambda x: x, _chebyshev),
    "chebyshev_u": (lambda x: 2 * x, _chebyshev),
    "chebyshev_v": (lambda x: 2 * x - 1, _chebyshev),
    "chebyshev_w": (lambda x: 2 * x + 1, _chebyshev),
    "hermite": (lambda x: 2 * x, _hermite),
    "hermite_e": (lambda x: x, _hermite_e),
    "laguerre": (lambda x: 1 - x, _laguerre),
    "legendre": (lambda x: x, _legendre),
}


def polynomial(family: str, *, is_shifted: bool = False) -> Callable[[Array, Array], Array]:
    """Return the function of x and the degree; shifted, of 2 x - 1."""
    first, recurrence = _FAMILIES[family]

    def of_arrays(x: Array, degree: Array) -> Array:
        point, degrees = np.broadcast_arrays(2 * x - 1 if is_shifted else x, np.trunc(degree))
        # torch makes integers of degrees, where these are no numbers or too large: negative ones.
        degrees = np.where(np.abs(degrees) < 2.0**63, degrees, -1)
        before, last = np.ones(point.shape), first(point)
        result = np.where(degrees == 0, before, np.where(degrees == 1, last, 0.0))
        largest = int(degrees.max(initial=0))
        for k in range(1, largest):
            before, last = last, recurrence(point, k, last, before)
            result = np.where(degrees == k + 1, last, result)
        return result

    return of_arrays
