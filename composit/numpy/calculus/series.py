"""Functions of series in tensors, from which derivatives come: quotients, values, roots, fits. Coefficients are on the first axis.

Those of numpy's that these belong to are in `poly_expressions.py` and in `composit/numpy/polynomial/expressions.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.numpy.calculus.recurrences import KINDS, Kind, at_points, multiplication_by_x, product
from composit.numpy.calls.expressions import Expressed, KnownResults
from composit.operation import VjpContext

# Any, everywhere here: tensors, their namespace, and numpy's arguments.


def series_of(xp: Any, c: Any) -> Expressed:
    """Return coefficients as a vector of floating numbers."""
    given = xp.atleast_1d(xp.asarray(c))
    return given if given.dtype.kind in "fc" else xp.astype(given, float)


def of_length(xp: Any, c: Any, length: int) -> Expressed:
    """Return a series cut off or filled up with zeros: numpy trims what is zero."""
    size = c.shape[0]
    return c[:length] if size >= length else xp.pad(c, [(0, length - size), *[(0, 0)] * (c.ndim - 1)])


def quotient_and_rest(xp: Any, kind: Kind, c1: Any, c2: Any, num_rest: int) -> tuple[Any, Any]:
    """Return the quotient and the remainder of c1 = quotient * c2 + remainder, a system of linear equations."""
    size, count = c1.shape[0], c1.shape[0] - c2.shape[0] + 1
    if count < 1:
        return 0 * c1[:1], c1
    multiples = product(xp, kind, c2, xp.eye(count))
    equations = xp.concatenate([multiples, xp.eye(size, c2.shape[0] - 1)], axis=1)
    solution = xp.linalg.solve(equations, c1)
    return solution[:count], of_length(xp, solution[count:], num_rest)


def values_at(kind: Kind, xp: Any, x: Any, c: Any, tensor: bool = True) -> Expressed:
    """Return the values at x of the series along the first axis of c; the other axes come first, or broadcast with x."""
    points, series = xp.asarray(x), series_of(xp, c)
    points = points if points.dtype.kind in "fc" else xp.astype(points, float)
    basis = xp.moveaxis(at_points(xp, kind, points, series.shape[0]), -1, 0)
    if tensor:
        return xp.tensordot(series, basis, axes=([0], [0]))
    basis = xp.reshape(basis, (basis.shape[0], *[1] * (series.ndim - basis.ndim), *basis.shape[1:]))
    return xp.sum(series * basis, axis=0)


def derived(xp: Any, kind: Kind, series: Any, times: int = 1, scale: Any = 1) -> Expressed:
    """Return the coefficients of the derivative, along the first axis."""
    for _ in range(times):
        matrix = kind.function("der")(np.eye(series.shape[0]))
        series = xp.tensordot(matrix, series * scale, axes=([1], [0]))
    return series


def from_roots(xp: Any, kind: Kind, roots: Any) -> Expressed:
    """Return the coefficients of the product of all x - root."""
    result = xp.ones(1, roots.dtype)
    for place in range(roots.shape[0]):
        longer = xp.pad(result, [(0, 1)])
        result = xp.matmul(multiplication_by_x(kind, longer.shape[0]), longer) - roots[place] * longer
    return result


@dataclass(frozen=True, slots=True)
class Roots(KnownResults):
    """Known roots of a series. Operands: both.

    index:       the kind of series, by its place in KINDS
    Derivative:  -P[n](root) / p'(root) of coefficient n; infinite or NaN at a root that is one twice
    """

    index: int

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (_, c), (roots,) = context.xp, context.cotangents, context.operands, context.results
        kind = KINDS[self.index]
        slopes = values_at(kind, xp, roots, derived(xp, kind, c))
        return [None, -xp.matmul(g / slopes, at_points(xp, kind, roots, c.shape[0]))]


def fitted(xp: Any, basis: Any, values: Any, weights: Any, rcond: float) -> tuple[Any, ...]:
    """Return what lstsq returns for the columns of a basis, scaled to length 1 as numpy scales them."""
    if weights is not None:
        given = xp.expand_dims(xp.asarray(weights), -1)
        basis, values = basis * given, values * (given if values.ndim == 2 else given[:, 0])
    lengths = xp.sqrt(xp.sum(xp.real(basis * xp.conjugate(basis)), axis=0))
    lengths = xp.where(lengths == 0, 1, lengths)
    found, residuals, rank, singular_values = xp.linalg.lstsq(basis / lengths, values, rcond)
    return found / (lengths if found.ndim == 1 else xp.expand_dims(lengths, -1)), residuals, rank, singular_values
