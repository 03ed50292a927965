"""What functions of series are differentiated as: sums of products by the recurrence of their kind, or equations with such."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.polynomial import polyutils

from composit.guards import read_value
from composit.numpy.calculus.recurrences import (
    KINDS,
    POWERS,
    Kind,
    at_points,
    in_other_kind,
    multiplication_by_x,
    product,
)
from composit.numpy.calculus.series import (
    Roots,
    derived,
    fitted,
    from_roots,
    of_length,
    quotient_and_rest,
    series_of,
    values_at,
)
from composit.numpy.calls.expressions import Expressed, expressed

# Any, everywhere here: tensors, their namespace, and numpy's arguments.
Results = Sequence[Any]


def _sum(sign: int, kind: Kind, xp: Any, results: Results, c1: Any, c2: Any) -> Expressed:
    length = results[0].shape[0]
    return of_length(xp, series_of(xp, c1), length) + sign * of_length(xp, series_of(xp, c2), length)


def _product(kind: Kind, xp: Any, results: Results, c1: Any, c2: Any) -> Expressed:
    return of_length(xp, product(xp, kind, series_of(xp, c1), series_of(xp, c2)), results[0].shape[0])


def _times_x(kind: Kind, xp: Any, results: Results, c: Any) -> Expressed:
    longer = xp.pad(series_of(xp, c), [(0, 1)])
    return of_length(xp, xp.matmul(multiplication_by_x(kind, longer.shape[0]), longer), results[0].shape[0])


def _power(kind: Kind, xp: Any, results: Results, c: Any, pow: Any, maxpower: Any = 16) -> Expressed:
    series = series_of(xp, c)
    result = xp.ones(1, series.dtype)
    for _ in range(int(pow)):
        result = product(xp, kind, series, result)
    return of_length(xp, result, results[0].shape[0])


def _division(kind: Kind, xp: Any, results: Results, c1: Any, c2: Any) -> Expressed:
    first, second = (_trimmed(xp, series_of(xp, c)) for c in (c1, c2))
    return quotient_and_rest(xp, kind, first, second, results[1].shape[0])


def _trimmed(xp: Any, c: Any) -> Expressed:
    """Return a series without zeros at its end, as numpy trims it; the length is read."""
    last = xp.max(xp.where(c != 0, np.arange(1, c.shape[0] + 1), 1))
    return c[: int(read_value(last, "length"))]


def _value(kind: Kind, xp: Any, results: Results, x: Any, c: Any, tensor: bool = True) -> Expressed:
    return values_at(kind, xp, x, c, tensor)


def _values_of_several(is_grid: bool, kind: Kind, xp: Any, results: Results, *given: Any, **named: Any) -> Expressed:
    arguments = [*given, *(named[name] for name in ("x", "y", "z", "c") if name in named)]
    *points, c = arguments
    for place, x in enumerate(points):
        c = values_at(kind, xp, x, c, is_grid or place == 0)
    return c


def _vander(kind: Kind, xp: Any, results: Results, *given: Any, **named: Any) -> Expressed:
    *points, degrees = [*given, *(named[name] for name in ("x", "y", "z", "deg") if name in named)]
    degrees = [int(each) for each in np.atleast_1d(np.asarray(degrees))]
    matrices = [at_points(xp, kind, xp.asarray(x) * 1.0, degree + 1) for x, degree in zip(points, degrees, strict=True)]
    result = matrices[0]
    for matrix in matrices[1:]:
        pairs = xp.expand_dims(result, -1) * xp.expand_dims(matrix, -2)
        result = xp.reshape(pairs, (*pairs.shape[:-2], -1))
    return xp.reshape(result, results[0].shape)


def _derivative(kind: Kind, xp: Any, results: Results, c: Any, m: Any = 1, scl: Any = 1, axis: int = 0) -> Expressed:
    return xp.moveaxis(derived(xp, kind, xp.moveaxis(series_of(xp, c), axis, 0), int(m), scl), 0, axis)


def _integral(
    kind: Kind, xp: Any, results: Results, c: Any, m: Any = 1, k: Any = (), lbnd: Any = 0, scl: Any = 1, axis: int = 0
) -> Expressed:
    series = xp.moveaxis(series_of(xp, c), axis, 0)
    constants = list(k) if isinstance(k, list | tuple) or np.ndim(k) else [k]
    constants += [0] * (int(m) - len(constants))
    for constant in constants[: int(m)]:
        matrix = kind.function("int")(np.eye(series.shape[0]))
        series = xp.tensordot(matrix, series * scl, axes=([1], [0]))
        # The value at lbnd is the constant of integration.
        shift = xp.expand_dims(constant - values_at(kind, xp, lbnd, series), 0)
        series = xp.concatenate([series[:1] + shift, series[1:]], axis=0)
    return xp.moveaxis(series, 0, axis)


def _from_roots(kind: Kind, xp: Any, results: Results, roots: Any) -> Expressed:
    return of_length(xp, from_roots(xp, kind, series_of(xp, roots)), results[0].shape[0])


def _roots(kind: Kind, xp: Any, results: Results, c: Any) -> Expressed:
    return xp.apply(Roots(KINDS.index(kind)), results[0], series_of(xp, c)) if results[0].size else results[0]


def _companion(kind: Kind, xp: Any, results: Results, c: Any) -> Expressed:
    # Only the last column depends on the coefficients, each element on its own quotient.
    size = results[0].shape[0] + 1
    series = series_of(xp, c)[:size]
    empty, ones = (
        np.asarray(kind.function("companion")(each)) for each in (np.eye(1, size, size - 1)[0], np.ones(size))
    )
    last = (series[:-1] / series[-1]) * (ones - empty)[:, -1]
    return empty + xp.expand_dims(last, -1) * np.eye(1, size - 1, size - 2)


def _fit(
    kind: Kind,
    xp: Any,
    results: Results,
    x: Any,
    y: Any,
    deg: Any,
    rcond: Any = None,
    full: bool = False,
    w: Any = None,
) -> Expressed:
    degrees = np.sort(np.atleast_1d(np.asarray(deg)))
    degrees = np.arange(degrees[0] + 1) if np.ndim(deg) == 0 else degrees
    points, values = xp.asarray(x) * 1.0, xp.asarray(y) * 1.0
    basis = xp.take(at_points(xp, kind, points, int(degrees[-1]) + 1), degrees, axis=-1)
    found, *others = fitted(xp, basis, values, w, len(points) * np.finfo(points.dtype).eps if rcond is None else rcond)
    if np.ndim(deg):
        # Coefficients of the degrees that are left out are 0.
        found = xp.matmul(np.eye(int(degrees[-1]) + 1)[degrees].T, found)
    return (found, *others, *results[4:]) if full else found


def _line(kind: Kind, xp: Any, results: Results, off: Any, scl: Any) -> Expressed:
    powers = xp.stack([xp.asarray(off) * 1.0, xp.asarray(scl) * 1.0])
    return in_other_kind(xp, powers, POWERS, kind)[: results[0].shape[0]]


def _to_powers(kind: Kind, xp: Any, results: Results, c: Any) -> Expressed:
    return of_length(xp, in_other_kind(xp, series_of(xp, c), kind, POWERS), results[0].shape[0])


def _from_powers(kind: Kind, xp: Any, results: Results, pol: Any) -> Expressed:
    return of_length(xp, in_other_kind(xp, series_of(xp, pol), POWERS, kind), results[0].shape[0])


_EXPRESSIONS: dict[str, Callable[..., Any]] = {
    "add": partial(_sum, 1),
    "sub": partial(_sum, -1),
    "mul": _product,
    "mulx": _times_x,
    "pow": _power,
    "div": _division,
    "val": _value,
    "val2d": partial(_values_of_several, False),
    "val3d": partial(_values_of_several, False),
    "grid2d": partial(_values_of_several, True),
    "grid3d": partial(_values_of_several, True),
    "vander": _vander,
    "vander2d": _vander,
    "vander3d": _vander,
    "der": _derivative,
    "int": _integral,
    "fromroots": _from_roots,
    "roots": _roots,
    "companion": _companion,
    "fit": _fit,
    "line": _line,
}
for _kind in KINDS:
    for _name, _expression in _EXPRESSIONS.items():
        expressed(_kind.function(_name))(partial(_expression, _kind))
    if _kind is not POWERS:
        expressed(_kind.function("2poly"))(partial(_to_powers, _kind))
        expressed(vars(_kind.module)[f"poly2{_kind.prefix}"])(partial(_from_powers, _kind))

_WEIGHTS: dict[str, Callable[[Any, Any], Any]] = {
    "cheb": lambda xp, x: 1 / (xp.sqrt(1 + x) * xp.sqrt(1 - x)),
    "herm": lambda xp, x: xp.exp(-(x**2)),
    "herme": lambda xp, x: xp.exp(-0.5 * x**2),
    "lag": lambda xp, x: xp.exp(-x),
    "leg": lambda xp, x: xp.ones_like(x),
}


def _weight(formula: Callable[[Any, Any], Any], xp: Any, results: Results, x: Any) -> Expressed:
    return formula(xp, xp.asarray(x))


for _kind in KINDS[1:]:
    expressed(_kind.function("weight"))(partial(_weight, _WEIGHTS[_kind.prefix]))


@expressed(np.polynomial.polynomial.polyvalfromroots)
def _value_from_roots(xp: Any, results: Results, x: Any, r: Any, tensor: bool = True) -> Expressed:
    points, roots = xp.asarray(x), xp.atleast_1d(xp.asarray(r))
    if tensor:
        roots = xp.reshape(roots, roots.shape + (1,) * points.ndim)
    return xp.prod(points - roots, axis=0)


@expressed(polyutils.as_series)
def _as_series(xp: Any, results: Results, alist: Any, trim: bool = True) -> Expressed:
    return [series_of(xp, c)[: result.shape[0]] for c, result in zip(alist, results, strict=True)]


@expressed(polyutils.trimseq, polyutils.trimcoef)
def _trimmed_series(xp: Any, results: Results, seq: Any, tol: Any = 0) -> Expressed:
    return series_of(xp, seq)[: results[0].shape[0]]


@expressed(polyutils.getdomain)
def _domain(xp: Any, results: Results, x: Any) -> Expressed:
    points = series_of(xp, x)
    if points.dtype.kind != "c":
        return xp.stack([xp.min(points), xp.max(points)])
    parts = xp.real(points), xp.imag(points)
    return xp.stack([find(parts[0]) + 1j * find(parts[1]) for find in (xp.min, xp.max)])


@expressed(polyutils.mapparms)
def _map_parameters(xp: Any, results: Results, old: Any, new: Any) -> Expressed:
    length = old[1] - old[0]
    return (old[1] * new[0] - old[0] * new[1]) / length, (new[1] - new[0]) / length


@expressed(polyutils.mapdomain)
def _mapped(xp: Any, results: Results, x: Any, old: Any, new: Any) -> Expressed:
    offset, scale = _map_parameters(xp, results, old, new)
    return offset + scale * xp.asarray(x)
