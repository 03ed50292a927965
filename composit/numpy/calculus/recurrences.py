"""The six kinds of polynomials by their recurrence: x P[n] = up[n] P[n + 1] + same[n] P[n] + down[n] P[n - 1].

Points, coefficients and matrices take the same recurrence: x is a point, or the matrix X that multiplies coefficients by x.
Source: Digital Library of Mathematical Functions, 18.9. The steps are numpy's own: one per degree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre, polynomial

from composit.numpy.calls.expressions import Expressed
from composit.operation import Array

# Any, everywhere here: tensors or arrays, and their namespace.
Factor = Callable[[int], float]


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of polynomials: numpy's module, the start of its functions' names, and the factors of the recurrence."""

    module: ModuleType
    prefix: str
    up: Factor
    same: Factor
    down: Factor

    def function(self, name: str) -> Callable[..., Any]:
        """Return numpy's function, such as `chebmul` for "mul"."""
        found: Callable[..., Any] = vars(self.module)[self.prefix + name]
        return found


POWERS = Kind(polynomial, "poly", lambda n: 1, lambda n: 0, lambda n: 0)
KINDS: Sequence[Kind] = (
    POWERS,
    Kind(chebyshev, "cheb", lambda n: 0.5 if n else 1, lambda n: 0, lambda n: 0.5),
    Kind(hermite, "herm", lambda n: 0.5, lambda n: 0, lambda n: n),
    Kind(hermite_e, "herme", lambda n: 1, lambda n: 0, lambda n: n),
    Kind(laguerre, "lag", lambda n: -(n + 1), lambda n: 2 * n + 1, lambda n: -n),
    Kind(legendre, "leg", lambda n: (n + 1) / (2 * n + 1), lambda n: 0, lambda n: n / (2 * n + 1)),
)


def members(kind: Kind, times_x: Callable[[Any], Any], first: Any, count: int) -> list[Any]:
    """Return P[0](x) first, P[1](x) first, ...: `count` of them."""
    found = [first][:count]
    for n in range(count - 1):
        following = times_x(found[n])
        if kind.same(n):
            following = following - kind.same(n) * found[n]
        if n and kind.down(n):
            following = following - kind.down(n) * found[n - 1]
        found.append(following / kind.up(n) if kind.up(n) != 1 else following)
    return found


@lru_cache(maxsize=256)
def multiplication_by_x(kind: Kind, size: int) -> Array:
    """Return the matrix X: its products with coefficients are those of x times the series, cut off to the same length."""
    result = np.zeros((size, size))
    for n in range(size):
        result[n, n] = kind.same(n)
        if n + 1 < size:
            result[n + 1, n], result[n, n + 1] = kind.up(n), kind.down(n + 1)
    result.flags.writeable = False
    return result


def combined(xp: Any, coefficients: Any, parts: Sequence[Any]) -> Expressed:
    """Return the sum of the parts, each times its coefficient."""
    return xp.tensordot(coefficients, xp.stack(parts), axes=([0], [0]))


def product(xp: Any, kind: Kind, first: Any, second: Any) -> Expressed:
    """Return the coefficients of the product of two series; the second may be a matrix, whose columns are series."""
    size = first.shape[0] + second.shape[0] - 1
    start = xp.pad(second, [(0, size - second.shape[0]), *[(0, 0)] * (second.ndim - 1)])
    matrix = multiplication_by_x(kind, size)
    return combined(xp, first, members(kind, lambda part: xp.matmul(matrix, part), start, first.shape[0]))


def in_other_kind(xp: Any, coefficients: Any, kind: Kind, other: Kind) -> Expressed:
    """Return the coefficients of the same polynomial in another kind."""
    size = coefficients.shape[0]
    start, matrix = np.eye(1, size)[0], multiplication_by_x(other, size)
    parts = np.stack(members(kind, lambda part: matrix @ part, start, size))
    return xp.matmul(coefficients, parts)


def at_points(xp: Any, kind: Kind, x: Any, count: int) -> Expressed:
    """Return the values of the first `count` polynomials at points, along a last axis."""
    return xp.stack(members(kind, lambda part: x * part, xp.ones_like(x), count), axis=-1)
