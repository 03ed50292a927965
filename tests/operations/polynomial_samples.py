"""Rows for functions of polynomials: numpy's first ones, and each function of the six kinds of series."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.operations.sample import Maker, Sample, between, given, normal

_KINDS = {
    "polynomial": "poly",
    "chebyshev": "cheb",
    "hermite": "herm",
    "hermite_e": "herme",
    "laguerre": "lag",
    "legendre": "leg",
}
_A, _B, _SHORT = normal(5), normal(3), normal(2)
_ROOTS = given(np.array([1.0, -5.0, 2.0, 0.5]))
_POINTS = normal(4)


def _row(name: str, compute: Callable[..., Any], *makers: Maker) -> Sample:
    return Sample(f"polynomials.{name}", compute, makers, True)


# The function's name without the start of its kind, its arguments, and the makers of those that vary.
_CALLS: tuple[tuple[str, Callable[..., Any], tuple[Maker, ...]], ...] = (
    ("add", lambda f, a, b: f(a, b), (_A, _B)),
    ("sub", lambda f, a, b: f(b, a), (_A, _B)),
    ("mul", lambda f, a, b: f(a, b), (_A, _B)),
    ("div", lambda f, a, b: f(a, b), (_A, _B)),
    ("mulx", lambda f, a: f(a), (_A,)),
    ("pow", lambda f, a: f(a, 3), (_B,)),
    ("val", lambda f, x, a: f(x, a), (_POINTS, normal(4, 2))),
    ("val", lambda f, x, a: f(x, a, tensor=False), (normal(2), normal(4, 2))),
    ("val2d", lambda f, x, y, a: f(x, y, a), (_POINTS, _POINTS, normal(3, 2))),
    ("val3d", lambda f, x, y, z, a: f(x, y, z, a), (_SHORT, _SHORT, _SHORT, normal(3, 2, 2))),
    ("grid2d", lambda f, x, y, a: f(x, y, a), (_POINTS, _SHORT, normal(3, 2))),
    ("grid3d", lambda f, x, y, z, a: f(x, y, z, a), (_SHORT, _POINTS, _SHORT, normal(3, 2, 2))),
    ("vander", lambda f, x: f(x, 3), (_POINTS,)),
    ("vander2d", lambda f, x, y: f(x, y, [2, 1]), (_POINTS, _POINTS)),
    ("vander3d", lambda f, x, y, z: f(x, y, z, [2, 1, 1]), (_SHORT, _SHORT, _SHORT)),
    ("der", lambda f, a: f(a, 2, scl=1.5), (normal(5, 2),)),
    ("der", lambda f, a: f(a, axis=-1), (normal(2, 3),)),
    ("int", lambda f, a, k, start, scale: f(a, 2, [k, 2.0], start, scale), (_A, normal(), normal(), between(1, 2))),
    ("fromroots", lambda f, a: f(a), (_B,)),
    ("roots", lambda f, a: f(a), (_ROOTS,)),
    ("companion", lambda f, a: f(a), (_A,)),
    ("fit", lambda f, x, y, w: f(x, y, 2, w=w), (normal(7), normal(7), between(1, 2, 7))),
    ("fit", lambda f, x, y: f(x, y, [0, 2], full=True), (normal(7), normal(7, 2))),
    ("line", lambda f, a, b: f(a, b), (normal(), normal())),
)


def _rows() -> Iterator[Sample]:
    for module, prefix in _KINDS.items():
        for place, (name, call, makers) in enumerate(_CALLS):

            def compute(
                xp: Any, *operands: Any, module: str = module, name: str = prefix + name, call: Any = call
            ) -> Any:
                return call(getattr(getattr(xp.polynomial, module), name), *operands)

            yield _row(f"{prefix}{name} {place}", compute, *makers)
        if prefix != "poly":
            yield _row(f"{prefix}2poly", _of(module, f"{prefix}2poly"), _A)
            yield _row(f"poly2{prefix}", _of(module, f"poly2{prefix}"), _A)
            yield _row(f"{prefix}weight", _of(module, f"{prefix}weight"), between(0.2, 0.8, 4))


def _of(module: str, name: str) -> Callable[..., Any]:
    return lambda xp, *operands: getattr(getattr(xp.polynomial, module), name)(*operands)


POLYNOMIALS: tuple[Sample, ...] = (
    *_rows(),
    _row("polyvalfromroots", _of("polynomial", "polyvalfromroots"), _POINTS, _B),
    _row("mapdomain", lambda xp, x, a, b: xp.polynomial.polyutils.mapdomain(x, a, b), _POINTS, _SHORT, _SHORT),
    _row("getdomain", lambda xp, x: xp.polynomial.polyutils.getdomain(x), _POINTS),
    _row("np.polyadd", lambda xp, a, b: xp.polyadd(a, b), _A, _B),
    _row("np.polysub", lambda xp, a, b: xp.polysub(b, a), _A, _B),
    _row("np.polymul", lambda xp, a, b: xp.polymul(a, b), _A, _B),
    _row("np.polydiv", lambda xp, a, b: xp.polydiv(a, b), _A, _B),
    _row("np.polyder", lambda xp, a: xp.polyder(a, 2), _A),
    _row("np.polyint", lambda xp, a, k: xp.polyint(a, 2, k), _A, _SHORT),
    _row("np.polyint with one constant", lambda xp, a, k: xp.polyint(a, 2, k), _A, normal()),
    _row("np.poly", lambda xp, a: xp.poly(a), _B),
    _row("np.poly of a matrix", lambda xp, a: xp.poly(a), normal(3, 3)),
    _row("np.roots", lambda xp, a: xp.roots(a), _ROOTS),
    _row("np.polyfit", lambda xp, x, y, w: xp.polyfit(x, y, 2, w=w, cov=True), normal(7), normal(7), between(1, 2, 7)),
    _row("np.polyfit, all it knows", lambda xp, x, y: xp.polyfit(x, y, 2, full=True), normal(7), normal(7, 2)),
)
