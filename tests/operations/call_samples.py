"""Rows of calls beyond the common forms, for their derivatives: options, methods of ufuncs, and what numpy computes at the call.

Each row is differentiated to second order. Values and types are compared for the forms that have rows in other files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.operations.polynomial_samples import POLYNOMIALS
from tests.operations.sample import Maker, Sample, between, given, normal

_MASK = np.array([True, False, True])
_ROWS = np.array([True, False, True, True, True])[:, None]
_AT = np.array([0, 2, 0, 1, -1, 0])
_X, _POSITIVE = normal(5, 3), between(0.5, 2.0, 5, 3)


def _complex(*shape: int) -> Maker:
    return lambda generator: np.asarray(generator.normal(size=shape) + 1j * generator.normal(size=shape))


def _row(name: str, compute: Callable[..., Any], *makers: Maker) -> Sample:
    return Sample(f"calls.{name}", compute, makers, True)


def _written(write: Callable[..., object]) -> Callable[..., Any]:
    """Return a computation that writes to a copy of the first operand."""

    def compute(xp: Any, x: Any, *operands: Any) -> Any:
        target = xp.positive(x)
        write(xp, target, *operands)
        return target

    return compute


def _where(name: str, count: int) -> Callable[..., Any]:
    """Return a call with `where=` of a function with several results, with the second kept as it is for integers."""

    def compute(xp: Any, first: Any, second: Any, *operands: Any) -> Any:
        outs = xp.positive(first), xp.positive(second)
        getattr(xp, name)(*operands[:count], out=outs, where=_MASK)
        return outs

    return compute


UFUNCS = "add subtract multiply divide maximum minimum fmax fmin logaddexp logaddexp2 hypot float_power remainder fmod".split()


def _of_methods() -> Iterator[Sample]:
    for name in UFUNCS:
        # numpy's vectorised loops of some functions reduce a contiguous vector wrongly, so the last axis stays.
        yield _row(f"{name}.reduce", lambda xp, x, f=name: getattr(xp, f).reduce(x, axis=0), _POSITIVE)
        yield _row(f"{name}.accumulate", lambda xp, x, f=name: getattr(xp, f).accumulate(x, axis=-1), _POSITIVE)
        yield _row(f"{name}.reduceat", lambda xp, x, f=name: getattr(xp, f).reduceat(x, [0, 3, 1, 4]), _POSITIVE)
        yield _row(
            f"{name}.reduce where",
            lambda xp, x, first, f=name: getattr(xp, f).reduce(x, axis=0, where=_ROWS, initial=first),
            _POSITIVE,
            between(0.6, 0.9),
        )
        at = _written(lambda xp, target, y, f=name: getattr(xp, f).at(target, _AT, y))
        yield _row(f"{name}.at", at, between(1.0, 2.0, 4, 2), between(0.5, 0.9, 6, 2))
    for name in "negative sin exp sqrt square reciprocal tanh absolute".split():
        at = _written(lambda xp, target, f=name: getattr(xp, f).at(target, (_AT, slice(None))))
        yield _row(f"{name}.at", at, between(0.5, 1.5, 4, 2))
    for name in ("logaddexp", "hypot", "fmax", "multiply"):
        reduce = lambda xp, x, f=name: getattr(xp, f).reduce(x, axis=(0, 2), keepdims=True)  # noqa: E731
        yield _row(f"{name}.reduce of two axes", reduce, between(0.5, 2.0, 3, 2, 2))
    for name, count in (("modf", 1), ("divmod", 2)):
        operands = [between(2.1, 2.9, 2, 3)] * count
        yield _row(f"{name} where", _where(name, count), normal(2, 3), normal(2, 3), *operands)
    yield _row(
        "sqrt where without out", lambda xp, x: xp.where(_MASK, xp.sqrt(x, out=None, where=_MASK), 0), between(1, 2, 3)
    )
    yield _row("add in an order", lambda xp, x, y: xp.add(x, y, order="F"), _X, _X)
    yield _row(
        "matmul over axes",
        lambda xp, x, y: xp.matmul(x, y, axes=[(0, 1), (0, 1), (0, 1)]),
        normal(2, 3, 4),
        normal(3, 2, 4),
    )
    yield _row("vecdot that keeps its axis", lambda xp, x, y: xp.vecdot(x, y, axis=0, keepdims=True), _X, _X)


_METHODS = (
    "inverted_cdf averaged_inverted_cdf closest_observation interpolated_inverted_cdf hazen weibull linear median_unbiased "
    "normal_unbiased lower higher midpoint nearest"
).split()


def _with_nan(xp: Any, x: Any) -> Any:
    return xp.where(_ROWS, x, np.nan)


def _of_statistics() -> Iterator[Sample]:
    q = given(np.array([0.13, 0.57, 0.91]))
    for method in _METHODS:
        yield _row(f"quantile {method}", lambda xp, x, q, m=method: xp.quantile(x, q, axis=0, method=m), _X, q)
        yield _row(
            f"nanquantile {method}",
            lambda xp, x, q, m=method: xp.nanquantile(_with_nan(xp, x), q, axis=0, method=m),
            _X,
            q,
        )
    weights = between(0.5, 2.0, 5)
    yield _row(
        "quantile by weights",
        lambda xp, x, w: xp.quantile(x, [0.4, 0.7], axis=0, weights=w, method="inverted_cdf"),
        _X,
        weights,
    )
    yield _row("nanpercentile", lambda xp, x: xp.nanpercentile(_with_nan(xp, x), 30, keepdims=True), _X)
    yield _row("nanmedian", lambda xp, x: xp.nanmedian(_with_nan(xp, x), axis=-2), _X)
    yield _row("mean where", lambda xp, x: xp.mean(x, axis=0, where=_ROWS), _X)
    yield _row("var by a mean", lambda xp, x, m: xp.var(x, axis=0, where=_ROWS, mean=m), _X, normal(1, 3))
    yield _row("std of complex numbers where", lambda xp, x: xp.std(x, axis=0, where=_ROWS), _complex(5, 3))
    yield _row("nanvar where", lambda xp, x: xp.nanvar(x, axis=0, where=_ROWS, ddof=1), _X)
    yield _row("nanstd by a mean", lambda xp, x, m: xp.nanstd(_with_nan(xp, x), axis=0, mean=m), _X, normal(1, 3))
    yield _row("nanmax where", lambda xp, x: xp.nanmax(x, axis=0, where=_ROWS, initial=-5.0), _X)
    yield _row(
        "cov by weights", lambda xp, x, w: xp.cov(x, fweights=[1, 2, 1, 3, 1], aweights=w), normal(2, 5), weights
    )
    yield _row("cov of complex numbers", lambda xp, x, y: xp.cov(x, y, rowvar=False), _complex(5, 2), _complex(5))
    yield _row("corrcoef of complex numbers", lambda xp, x: xp.corrcoef(x), _complex(2, 5))
    yield _row("correlate of complex numbers", lambda xp, x, y: xp.correlate(x, y, "full"), _complex(3), _complex(5))
    places = np.array([0.1, 0.4, 0.4, 0.9, 0.2])
    yield _row("histogram", lambda xp, w: xp.histogram(places, 3, weights=w, density=True), weights)
    yield _row("histogram's edges", lambda xp, x: xp.histogram(x, 4)[1], normal(7))
    yield _row("histogram_bin_edges", lambda xp, x: xp.histogram_bin_edges(x, "sturges"), normal(7))
    yield _row("histogram2d", lambda xp, w: xp.histogram2d(places, places, [2, 3], weights=w), weights)
    yield _row("histogramdd", lambda xp, x, w: xp.histogramdd(x, 3, weights=w, density=True), normal(5, 2), weights)
    yield _row("bincount", lambda xp, w: xp.bincount([0, 2, 2, 1, 0], weights=w, minlength=5), weights)


def _of_matrices() -> Iterator[Sample]:
    square = normal(4, 4)
    for words, make in (("real", normal), ("complex", _complex)):
        yield _row(f"lstsq {words}", lambda xp, a, b: xp.linalg.lstsq(a, b), make(5, 3), make(5, 2))
        yield _row(f"lstsq {words} with more unknowns", lambda xp, a, b: xp.linalg.lstsq(a, b)[0], make(3, 5), make(3))
        yield _row(f"eig {words}", lambda xp, a: tuple(xp.linalg.eig(a)), make(2, 3, 3))
        yield _row(f"eigvals {words}", lambda xp, a: xp.linalg.eigvals(a), make(2, 3, 3))
        yield _row(f"qr {words} as LAPACK keeps it", lambda xp, a: xp.linalg.qr(a, "raw"), make(4, 3))
        yield _row(f"qr {words} as LAPACK keeps it, wide", lambda xp, a: xp.linalg.qr(a, "raw"), make(3, 4))
        yield _row(f"qr {words}, complete", _projections_of_qr, make(5, 3))
        yield _row(f"svd {words}, complete and tall", _projections_of_svd, make(5, 3))
        yield _row(f"svd {words}, complete and wide", _projections_of_svd, make(3, 5))
    yield _row("eig with real values", lambda xp, a: tuple(xp.linalg.eig(np.diag([1.0, 2, 3, 4]) + 0.1 * a)), square)
    yield _row("pinv by several tolerances", lambda xp, a: xp.linalg.pinv(a, np.array([1e-9] * 2)), normal(2, 3, 4))


def _projections_of_qr(xp: Any, a: Any) -> Any:
    q, r = xp.linalg.qr(a, "complete")
    return q[:, :3], r, xp.matmul(q[:, 3:], xp.conj(q[:, 3:]).T)


def _projections_of_svd(xp: Any, a: Any) -> Any:
    left, values, right = xp.linalg.svd(a)
    rest, others = left[:, 3:], right[3:]
    parts = [xp.matmul(left[:, :3] * values, right[:3]), xp.matmul(rest, xp.conj(rest).T)]
    return *parts, xp.matmul(xp.conj(others).T, others)


def _of_choices() -> Iterator[Sample]:
    x = normal(6)
    yield _row("piecewise", lambda xp, x: xp.piecewise(x, [x < 0, x > 1], [lambda t: -t, 2.0, lambda t: t**2]), x)
    yield _row("select of one element", lambda xp, x: xp.select([x < 0, x < 9], [x**2, x**3], 7.0), normal())
    yield _row("choose from an array", lambda xp, x: xp.choose(np.array([0, 1, 5]), x, mode="wrap"), normal(2, 3))
    yield _row("compress by a lazy condition", lambda xp, x: xp.compress(x[:, 0] > 0, x, axis=0), _X)
    yield _row("extract by a lazy condition", lambda xp, x: xp.extract(x > 0, x), _X)
    yield _row("unique", lambda xp, x: xp.unique(x, return_index=True)[0], given(np.array([2.0, 1.0, 3.0, 1.5])))
    yield _row("unique rows", lambda xp, x: xp.unique(x, axis=0), _X)
    yield _row("union1d", lambda xp, x, y: xp.union1d(x, y), x, normal(2, 2))
    yield _row("setdiff1d", lambda xp, x: xp.setdiff1d(x, [7.0]), x)
    yield _row("setxor1d", lambda xp, x, y: xp.setxor1d(x, y), x, normal(3))
    yield _row("apply_along_axis", lambda xp, x: xp.apply_along_axis(lambda v: v[:2] * v.sum(), 0, x), _X)
    yield _row("apply_over_axes", lambda xp, x: xp.apply_over_axes(xp.sum, x**2, [0, -1]), _X)
    yield _row("einsum by a path", lambda xp, x, y: xp.einsum("ij,kj", x, y, optimize=["einsum_path", (0, 1)]), _X, _X)
    yield _row("cross of length 2", lambda xp, x, y: xp.cross(x, y), normal(4, 2), normal(4, 3))


def _of_differences() -> Iterator[Sample]:
    x, places = normal(5, 4), given(np.array([0.0, 1.0, 1.5, 3.0]))
    for order in (1, 2):
        yield _row(
            f"gradient at places, edges of order {order}",
            lambda xp, x, at, order=order: xp.gradient(x, at, axis=1, edge_order=order),
            x,
            places,
        )
    yield _row("gradient by steps and places", lambda xp, x, at, h: xp.gradient(x, h, at), x, places, between(1, 2))
    yield _row("ediff1d with ends", lambda xp, x, a, b: xp.ediff1d(x, a, b), x, normal(2), normal())
    at, knots = given(np.array([0.5, 1.2, 2.7, -1.3, 5.4])), given(np.array([0.1, 1.3, 2.2, 3.1]))
    yield _row(
        "interp beyond",
        lambda xp, x, k, y, low, high: xp.interp(x, k, y, low, high),
        at,
        knots,
        normal(4),
        normal(),
        normal(),
    )
    yield _row("interp on a circle", lambda xp, x, k, y: xp.interp(x, k, y, period=4.0), at, knots, normal(4))
    for mode in ("linear_ramp", "maximum", "mean", "median", "minimum"):
        yield _row(f"pad {mode}", lambda xp, x, mode=mode: xp.pad(x, (1, 2), mode), normal(4, 3))
    yield _row("pad mean of two", lambda xp, x: xp.pad(x, 3, "mean", stat_length=((1, 2), (2, 3))), normal(4, 3))
    yield _row(
        "pad ramp", lambda xp, x, v: xp.pad(x, ((1, 0), (2, 3)), "linear_ramp", end_values=v), normal(4, 3), normal()
    )
    yield _row("pad lazy numbers", lambda xp, x, v: xp.pad(x, 2, constant_values=v), normal(4, 3), normal(2))
    for mode in ("reflect", "symmetric"):
        yield _row(f"pad odd {mode}", lambda xp, x, m=mode: xp.pad(x, (7, 5), m, reflect_type="odd"), normal(3, 2))


def _of_numbers() -> Iterator[Sample]:
    ends = between(0.5, 2.0, 2), between(2.5, 4.0, 2)
    yield _row("geomspace", lambda xp, a, b: xp.geomspace(a, b, 5, endpoint=False, axis=-1), *ends)
    yield _row("geomspace of complex numbers", lambda xp, a, b: xp.geomspace(a, b, 5), _complex(), _complex())
    yield _row("geomspace of negative numbers", lambda xp, a, b: xp.geomspace(-a, -b, 4), *ends)
    yield _row("logspace of bases", lambda xp, a, b, base: xp.logspace(a, b, 4, base=base), *ends, between(2, 3, 2))
    yield _row("arange", lambda xp, a, h: xp.arange(a, a + 4 * h + 0.01, h), normal(), between(0.4, 0.6))
    yield _row("i0", lambda xp, x: xp.i0(x), given(np.array([-40.0, -3.0, -0.1, 0.0, 0.5, 20.0])))
    yield _row("kaiser", lambda xp, beta: xp.kaiser(6, beta), between(2, 9))
    yield _row("nan_to_num of complex numbers", lambda xp, x: xp.nan_to_num(x), _complex(4))
    yield _row(
        "nan_to_num by numbers", lambda xp, x, y: xp.nan_to_num(xp.where(_MASK, x, np.nan), nan=y), normal(3), normal(3)
    )
    yield _row("view of parts", lambda xp, x: x.view(np.float64) ** 2, _complex(3))
    yield _row("view of pairs", lambda xp, x: x.view(np.complex128) ** 2, normal(2, 6))
    yield _row("getfield", lambda xp, x: x.getfield(np.float64, 8) ** 2, _complex(3))
    for name in ("sqrt", "log", "log2", "log10", "arccos", "arcsin", "arctanh"):
        values = given(np.array([-2.5, -0.3, 0.4, 1.7]))
        yield _row(f"emath.{name}", lambda xp, x, f=name: getattr(xp.emath, f)(x), values)
    yield _row("emath.power", lambda xp, x, y: xp.emath.power(x, y), normal(4), normal())
    yield _row("emath.logn", lambda xp, n, x: xp.emath.logn(n, x), between(2, 3), normal(4))


CALLS: tuple[Sample, ...] = (
    *_of_methods(),
    *_of_statistics(),
    *_of_matrices(),
    *_of_choices(),
    *_of_differences(),
    *_of_numbers(),
    *POLYNOMIALS,
)
