"""numpy.polynomial.polynomial: polyval at lazy points is lazy; all other functions compute at the call."""

import numpy as np
from numpy.polynomial import polynomial as _numpys
from numpy.polynomial.polynomial import polydomain, polyone, polyx, polyzero

from composit.numpy.calls.declarations import without_rule
from composit.numpy.polynomial.series import Series, value_function

__all__ = [
    "polyzero",
    "polyone",
    "polyx",
    "polydomain",
    "polyline",
    "polyadd",
    "polysub",
    "polymulx",
    "polymul",
    "polydiv",
    "polypow",
    "polyval",
    "polyvalfromroots",
    "polyder",
    "polyint",
    "polyfromroots",
    "polyvander",
    "polyfit",
    "polytrim",
    "polyroots",
    "Polynomial",
    "polyval2d",
    "polyval3d",
    "polygrid2d",
    "polygrid3d",
    "polyvander2d",
    "polyvander3d",
    "polycompanion",
]

polyline = without_rule(_numpys.polyline)
polyadd = without_rule(_numpys.polyadd)
polysub = without_rule(_numpys.polysub)
polymulx = without_rule(_numpys.polymulx)
polymul = without_rule(_numpys.polymul)
polydiv = without_rule(_numpys.polydiv)
polypow = without_rule(_numpys.polypow)
polyval = value_function(_numpys.polyval)
polyvalfromroots = without_rule(_numpys.polyvalfromroots)
polyder = without_rule(_numpys.polyder)
polyint = without_rule(_numpys.polyint)
polyfromroots = without_rule(_numpys.polyfromroots)
polyvander = without_rule(_numpys.polyvander)
polyfit = without_rule(_numpys.polyfit)
polytrim = without_rule(_numpys.polytrim)
polyroots = without_rule(_numpys.polyroots)
polyval2d = without_rule(_numpys.polyval2d)
polyval3d = without_rule(_numpys.polyval3d)
polygrid2d = without_rule(_numpys.polygrid2d)
polygrid3d = without_rule(_numpys.polygrid3d)
polyvander2d = without_rule(_numpys.polyvander2d)
polyvander3d = without_rule(_numpys.polyvander3d)
polycompanion = without_rule(_numpys.polycompanion)


class Polynomial(Series, np.polynomial.Polynomial):
    """A power series, called on tensors. See numpy.polynomial.Polynomial."""
