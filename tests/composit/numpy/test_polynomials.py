"""Polynomials: numpy's results, lazy at lazy points, with their derivatives there."""

import pickle

import numpy as np
import pytest

import composit as cnp
from composit.numpy.calculus import poly_functions
from composit.program import count_evaluations
from tests.composit.numpy.comparison import assert_derivative, assert_same

X = np.linspace(-1.0, 1.0, 5)
KINDS = ["Polynomial", "Chebyshev", "Legendre", "Hermite", "HermiteE", "Laguerre"]
VALUES = {
    "polynomial": "polyval",
    "chebyshev": "chebval",
    "legendre": "legval",
    "hermite": "hermval",
    "hermite_e": "hermeval",
    "laguerre": "lagval",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_series_is_lazy_at_lazy_points(kind):
    def values(xp, dtype):
        return getattr(xp.polynomial, kind)([1, 2.5, 3], domain=[-2, 2])(xp.asarray(X.astype(dtype)))

    for dtype in ("float64", "float32", "int64", "complex64"):
        assert_same(lambda xp, dtype=dtype: values(xp, dtype))
    with count_evaluations() as counted:
        values(cnp, "float64")
    assert counted.runs == 0


@pytest.mark.parametrize("module", VALUES)
def test_values_of_a_series_are_numpys(module):
    def value(xp, *options, **named):
        return getattr(getattr(xp.polynomial, module), VALUES[module])(*options, **named)

    for coefficients in ([1], [1, 2], [1, 2.5, 3], [1, 2, 3, 4, 5]):
        assert_same(lambda xp, c=coefficients: value(xp, xp.asarray(X), c))
    assert_same(lambda xp: value(xp, xp.asarray(X), xp.asarray([1, 2.5, 3])))
    assert_same(lambda xp: value(xp, xp.asarray(X), np.ones((3, 2))))
    assert_same(lambda xp: value(xp, xp.asarray(X), np.ones((3, 5)), tensor=False))
    assert_same(lambda xp: value(xp, [1, 2], [1, 2.5, 3]))
    assert_derivative(lambda x: value(cnp, x, [1, 2.5, 3, 1]), X)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_series_gives_are_tensors_or_series_of_our_class(kind):
    series, numpys = getattr(cnp.polynomial, kind)([1, 2, 3]), getattr(np.polynomial, kind)([1, 2, 3])
    assert_same(lambda xp: getattr(xp.polynomial, kind)([1, 2, 3]).roots())
    assert_same(lambda xp: getattr(xp.polynomial, kind)([1, 2, 3]).linspace(4))
    assert_same(lambda xp: getattr(xp.polynomial, kind)([1, 2, 3])(0.5))
    assert repr(series) == repr(numpys)
    assert str(series(series)) == str(numpys(numpys))
    for result in (series + 1, series * series, series.deriv(), series.integ(), series // 2, series(series)):
        assert type(result) is type(series)
    fitted = type(series).fit(cnp.asarray(X), cnp.asarray(X) ** 2, 2)
    assert np.allclose(fitted.coef, type(numpys).fit(X, X**2, 2).coef)
    assert pickle.loads(pickle.dumps(series)) == series


def test_functions_of_coefficients_are_numpys():
    assert_same(lambda xp: xp.polynomial.polynomial.polymul(xp.asarray([1.0, 2]), [3, 4]))
    assert_same(lambda xp: xp.polynomial.chebyshev.chebroots(xp.asarray([1.0, 2, 3])))
    assert_same(lambda xp: xp.polynomial.legendre.legvander(xp.asarray(X), 2))
    assert_same(lambda xp: xp.polynomial.polynomial.polydiv(xp.asarray([1.0, 2, 3]), [1.0, 2]))
    assert_same(lambda xp: xp.polynomial.polyutils.mapdomain(xp.asarray(X), [0, 1], [1, 2]))


OLD = {
    "polyval": lambda xp: xp.polyval(xp.asarray([1.0, 2, 3]), xp.asarray(X)),
    "polyval of a list": lambda xp: xp.polyval([1, 2, 3], [1, 2]),
    "polyval of booleans": lambda xp: xp.polyval([1, 2, 3], xp.asarray([True, False])),
    "polyval of a polynomial": lambda xp: xp.polyval(xp.poly1d([1, 2]), xp.asarray(X)),
    "poly": lambda xp: xp.poly(xp.asarray([1.0, 2])),
    "roots": lambda xp: xp.roots(xp.asarray([1.0, 2, 3])),
    "polyfit": lambda xp: xp.polyfit(xp.asarray(X), X**2, 2),
    "polyadd": lambda xp: xp.polyadd(xp.asarray([1.0, 2]), [1]),
    "polysub": lambda xp: xp.polysub(xp.asarray([1.0, 2]), [1]),
    "polymul": lambda xp: xp.polymul(xp.asarray([1.0, 2]), [1, 3]),
    "polydiv": lambda xp: xp.polydiv(xp.asarray([1.0, 2]), [1, 3]),
    "polyder": lambda xp: xp.polyder(xp.asarray([1.0, 2, 5])),
    "polyint": lambda xp: xp.polyint(xp.asarray([1.0, 2, 5])),
    "poly1d": lambda xp: xp.poly1d([1, 2, 3])(xp.asarray(X)),
    "roots of poly1d": lambda xp: xp.poly1d([1, 2, 3]).r,
}


@pytest.mark.parametrize("name", OLD)
def test_the_first_polynomials_give_what_numpys_do(name):
    assert_same(OLD[name])


def test_polyval_is_lazy_and_has_its_derivative():
    with count_evaluations() as counted:
        cnp.polyval(cnp.asarray([1.0, 2, 3]), cnp.asarray(X))
        cnp.poly1d([1, 2])(cnp.asarray(X))
    assert counted.runs == 0
    assert_derivative(cnp.polyval, np.array([1.0, 2, 3]), X)


def test_polynomials_of_polynomials_stay_of_our_class():
    p, q = cnp.poly1d([1, 2, 3]), np.poly1d([1, 2, 3])
    pairs = [(-p, -q), (p * p, q * q), (2 * p, 2 * q), (p + 1, q + 1), (1 - p, 1 - q), (p / 2, q / 2), (p**2, q**2)]
    pairs += [(p.deriv(), q.deriv()), (p.integ(), q.integ()), (cnp.polyadd(p, 1), np.polyadd(q, 1)), (p(p), q(q))]
    pairs += [*zip(p / cnp.poly1d([1, 1]), q / np.poly1d([1, 1]), strict=True)]
    for ours, numpys in pairs:
        assert type(ours) is poly_functions.poly1d
        assert repr(ours) == repr(numpys)
        assert ours == numpys
    assert repr(cnp.poly1d(cnp.asarray([1, 2]))) == "poly1d([1, 2])"
    assert str(p) == str(q)
