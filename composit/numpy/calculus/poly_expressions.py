"""What numpy's first polynomials (np.polymul, np.roots) are differentiated as. Coefficients start at the highest power."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from composit.numpy.calculus.recurrences import POWERS, at_points
from composit.numpy.calculus.series import Roots, derived, fitted, from_roots, of_length, quotient_and_rest, series_of
from composit.numpy.calls.expressions import Expressed, expressed

# Any, everywhere here: tensors, their namespace, and numpy's arguments.
Results = Sequence[Any]


def _rising(xp: Any, c: Any) -> Expressed:
    """Return the coefficients from the lowest power on."""
    return series_of(xp, c.coeffs if isinstance(c, np.poly1d) else c)[::-1]


@expressed(np.polyadd)
def _polyadd(xp: Any, results: Results, a1: Any, a2: Any) -> Expressed:
    length = results[0].shape[0]
    return (of_length(xp, _rising(xp, a1), length) + of_length(xp, _rising(xp, a2), length))[::-1]


@expressed(np.polysub)
def _polysub(xp: Any, results: Results, a1: Any, a2: Any) -> Expressed:
    length = results[0].shape[0]
    return (of_length(xp, _rising(xp, a1), length) - of_length(xp, _rising(xp, a2), length))[::-1]


@expressed(np.polymul)
def _polymul(xp: Any, results: Results, a1: Any, a2: Any) -> Expressed:
    return of_length(xp, xp.convolve(_rising(xp, a1), _rising(xp, a2)), results[0].shape[0])[::-1]


@expressed(np.polydiv)
def _polydiv(xp: Any, results: Results, u: Any, v: Any) -> Expressed:
    first, second = _rising(xp, u), _rising(xp, v)
    quotient, rest = quotient_and_rest(xp, POWERS, first, second, results[1].shape[0])
    return quotient[::-1], rest[::-1]


@expressed(np.polyder)
def _polyder(xp: Any, results: Results, p: Any, m: Any = 1) -> Expressed:
    return of_length(xp, derived(xp, POWERS, _rising(xp, p), int(m)), results[0].shape[0])[::-1]


@expressed(np.polyint)
def _polyint(xp: Any, results: Results, p: Any, m: Any = 1, k: Any = None) -> Expressed:
    series, times = _rising(xp, p), int(m)
    is_row = isinstance(k, list | tuple) or np.ndim(k)
    constants = [0] * times if k is None else list(k) if is_row else [k]
    constants = constants * times if len(constants) == 1 else constants
    for constant in constants[:times]:
        lowest = xp.reshape(xp.asarray(constant) * 1.0, (1,))
        series = xp.concatenate([lowest, series / np.arange(1, series.shape[0] + 1)])
    return series[::-1]


@expressed(np.poly)
def _poly(xp: Any, results: Results, seq_of_zeros: Any) -> Expressed:
    zeros = series_of(xp, seq_of_zeros)
    return from_roots(xp, POWERS, xp.linalg.eigvals(zeros) if zeros.ndim == 2 else zeros)[::-1]


@expressed(np.roots)
def _roots(xp: Any, results: Results, p: Any) -> Expressed:
    # POWERS is the first of the kinds.
    return xp.apply(Roots(0), results[0], _rising(xp, p)) if results[0].size else results[0]


@expressed(np.polyfit)
def _polyfit(
    xp: Any,
    results: Results,
    x: Any,
    y: Any,
    deg: Any,
    rcond: Any = None,
    full: bool = False,
    w: Any = None,
    cov: Any = False,
) -> Expressed:
    points, values = xp.asarray(x) * 1.0, xp.asarray(y) * 1.0
    order, count = int(deg) + 1, points.shape[0]
    basis = at_points(xp, POWERS, points, order)[:, ::-1]
    limit = count * np.finfo(points.dtype).eps if rcond is None else rcond
    found, residuals, rank, singular_values = fitted(xp, basis, values, w, limit)
    if full:
        return found, residuals, rank, singular_values, *results[4:]
    if not cov:
        return found
    weighted = basis if w is None else basis * xp.expand_dims(xp.asarray(w), -1)
    inverse = xp.linalg.inv(xp.matmul(xp.transpose(weighted), weighted))
    factor = 1 if isinstance(cov, str) else residuals / (count - order)
    return found, inverse * factor if values.ndim == 1 else xp.expand_dims(inverse, -1) * factor
