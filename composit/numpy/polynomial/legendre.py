"""numpy.polynomial.legendre: legval at lazy points is lazy; all other functions compute at the call."""

import numpy as np
from numpy.polynomial import legendre as _numpys
from numpy.polynomial.legendre import legdomain, legone, legx, legzero

from composit.numpy.calls.declarations import without_rule
from composit.numpy.polynomial.series import Series, value_function

__all__ = [
    "legzero",
    "legone",
    "legx",
    "legdomain",
    "legline",
    "legadd",
    "legsub",
    "legmulx",
    "legmul",
    "legdiv",
    "legpow",
    "legval",
    "legder",
    "legint",
    "leg2poly",
    "poly2leg",
    "legfromroots",
    "legvander",
    "legfit",
    "legtrim",
    "legroots",
    "Legendre",
    "legval2d",
    "legval3d",
    "leggrid2d",
    "leggrid3d",
    "legvander2d",
    "legvander3d",
    "legcompanion",
    "leggauss",
    "legweight",
]

legline = without_rule(_numpys.legline)
legadd = without_rule(_numpys.legadd)
legsub = without_rule(_numpys.legsub)
legmulx = without_rule(_numpys.legmulx)
legmul = without_rule(_numpys.legmul)
legdiv = without_rule(_numpys.legdiv)
legpow = without_rule(_numpys.legpow)
legval = value_function(_numpys.legval)
legder = without_rule(_numpys.legder)
legint = without_rule(_numpys.legint)
leg2poly = without_rule(_numpys.leg2poly)
poly2leg = without_rule(_numpys.poly2leg)
legfromroots = without_rule(_numpys.legfromroots)
legvander = without_rule(_numpys.legvander)
legfit = without_rule(_numpys.legfit)
legtrim = without_rule(_numpys.legtrim)
legroots = without_rule(_numpys.legroots)
legval2d = without_rule(_numpys.legval2d)
legval3d = without_rule(_numpys.legval3d)
leggrid2d = without_rule(_numpys.leggrid2d)
leggrid3d = without_rule(_numpys.leggrid3d)
legvander2d = without_rule(_numpys.legvander2d)
legvander3d = without_rule(_numpys.legvander3d)
legcompanion = without_rule(_numpys.legcompanion)
leggauss = without_rule(_numpys.leggauss)
legweight = without_rule(_numpys.legweight)


class Legendre(Series, np.polynomial.Legendre):
    """A Legendre series, called on tensors. See numpy.polynomial.Legendre."""
