"""numpy.polynomial.laguerre: lagval at lazy points is lazy; all other functions compute at the call."""

import numpy as np
from numpy.polynomial import laguerre as _numpys
from numpy.polynomial.laguerre import lagdomain, lagone, lagx, lagzero

from composit.numpy.calls.declarations import without_rule
from composit.numpy.polynomial.series import Series, value_function

__all__ = [
    "lagzero",
    "lagone",
    "lagx",
    "lagdomain",
    "lagline",
    "lagadd",
    "lagsub",
    "lagmulx",
    "lagmul",
    "lagdiv",
    "lagpow",
    "lagval",
    "lagder",
    "lagint",
    "lag2poly",
    "poly2lag",
    "lagfromroots",
    "lagvander",
    "lagfit",
    "lagtrim",
    "lagroots",
    "Laguerre",
    "lagval2d",
    "lagval3d",
    "laggrid2d",
    "laggrid3d",
    "lagvander2d",
    "lagvander3d",
    "lagcompanion",
    "laggauss",
    "lagweight",
]

lagline = without_rule(_numpys.lagline)
lagadd = without_rule(_numpys.lagadd)
lagsub = without_rule(_numpys.lagsub)
lagmulx = without_rule(_numpys.lagmulx)
lagmul = without_rule(_numpys.lagmul)
lagdiv = without_rule(_numpys.lagdiv)
lagpow = without_rule(_numpys.lagpow)
lagval = value_function(_numpys.lagval)
lagder = without_rule(_numpys.lagder)
lagint = without_rule(_numpys.lagint)
lag2poly = without_rule(_numpys.lag2poly)
poly2lag = without_rule(_numpys.poly2lag)
lagfromroots = without_rule(_numpys.lagfromroots)
lagvander = without_rule(_numpys.lagvander)
lagfit = without_rule(_numpys.lagfit)
lagtrim = without_rule(_numpys.lagtrim)
lagroots = without_rule(_numpys.lagroots)
lagval2d = without_rule(_numpys.lagval2d)
lagval3d = without_rule(_numpys.lagval3d)
laggrid2d = without_rule(_numpys.laggrid2d)
laggrid3d = without_rule(_numpys.laggrid3d)
lagvander2d = without_rule(_numpys.lagvander2d)
lagvander3d = without_rule(_numpys.lagvander3d)
lagcompanion = without_rule(_numpys.lagcompanion)
laggauss = without_rule(_numpys.laggauss)
lagweight = without_rule(_numpys.lagweight)


class Laguerre(Series, np.polynomial.Laguerre):
    """A Laguerre series, called on tensors. See numpy.polynomial.Laguerre."""
