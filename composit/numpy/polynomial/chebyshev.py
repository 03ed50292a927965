"""numpy.polynomial.chebyshev: chebval at lazy points is lazy; all other functions compute at the call."""

import numpy as np
from numpy.polynomial import chebyshev as _numpys
from numpy.polynomial.chebyshev import chebdomain, chebone, chebx, chebzero

from composit.numpy.calls.declarations import without_rule
from composit.numpy.polynomial.series import Series, value_function

__all__ = [
    "chebzero",
    "chebone",
    "chebx",
    "chebdomain",
    "chebline",
    "chebadd",
    "chebsub",
    "chebmulx",
    "chebmul",
    "chebdiv",
    "chebpow",
    "chebval",
    "chebder",
    "chebint",
    "cheb2poly",
    "poly2cheb",
    "chebfromroots",
    "chebvander",
    "chebfit",
    "chebtrim",
    "chebroots",
    "chebpts1",
    "chebpts2",
    "Chebyshev",
    "chebval2d",
    "chebval3d",
    "chebgrid2d",
    "chebgrid3d",
    "chebvander2d",
    "chebvander3d",
    "chebcompanion",
    "chebgauss",
    "chebweight",
    "chebinterpolate",
]

chebline = without_rule(_numpys.chebline)
chebadd = without_rule(_numpys.chebadd)
chebsub = without_rule(_numpys.chebsub)
chebmulx = without_rule(_numpys.chebmulx)
chebmul = without_rule(_numpys.chebmul)
chebdiv = without_rule(_numpys.chebdiv)
chebpow = without_rule(_numpys.chebpow)
chebval = value_function(_numpys.chebval)
chebder = without_rule(_numpys.chebder)
chebint = without_rule(_numpys.chebint)
cheb2poly = without_rule(_numpys.cheb2poly)
poly2cheb = without_rule(_numpys.poly2cheb)
chebfromroots = without_rule(_numpys.chebfromroots)
chebvander = without_rule(_numpys.chebvander)
chebfit = without_rule(_numpys.chebfit)
chebtrim = without_rule(_numpys.chebtrim)
chebroots = without_rule(_numpys.chebroots)
chebpts1 = without_rule(_numpys.chebpts1)
chebpts2 = without_rule(_numpys.chebpts2)
chebval2d = without_rule(_numpys.chebval2d)
chebval3d = without_rule(_numpys.chebval3d)
chebgrid2d = without_rule(_numpys.chebgrid2d)
chebgrid3d = without_rule(_numpys.chebgrid3d)
chebvander2d = without_rule(_numpys.chebvander2d)
chebvander3d = without_rule(_numpys.chebvander3d)
chebcompanion = without_rule(_numpys.chebcompanion)
chebgauss = without_rule(_numpys.chebgauss)
chebweight = without_rule(_numpys.chebweight)
chebinterpolate = without_rule(_numpys.chebinterpolate)


class Chebyshev(Series, np.polynomial.Chebyshev):
    """A Chebyshev series, called on tensors. See numpy.polynomial.Chebyshev."""
