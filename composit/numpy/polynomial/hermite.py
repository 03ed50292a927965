"""numpy.polynomial.hermite (physicists' Hermite): hermval at lazy points is lazy; others compute at the call."""

import numpy as np
from numpy.polynomial import hermite as _numpys
from numpy.polynomial.hermite import hermdomain, hermone, hermx, hermzero

from composit.numpy.calls.declarations import without_rule
from composit.numpy.polynomial.series import Series, value_function

__all__ = [
    "hermzero",
    "hermone",
    "hermx",
    "hermdomain",
    "hermline",
    "hermadd",
    "hermsub",
    "hermmulx",
    "hermmul",
    "hermdiv",
    "hermpow",
    "hermval",
    "hermder",
    "hermint",
    "herm2poly",
    "poly2herm",
    "hermfromroots",
    "hermvander",
    "hermfit",
    "hermtrim",
    "hermroots",
    "Hermite",
    "hermval2d",
    "hermval3d",
    "hermgrid2d",
    "hermgrid3d",
    "hermvander2d",
    "hermvander3d",
    "hermcompanion",
    "hermgauss",
    "hermweight",
]

hermline = without_rule(_numpys.hermline)
hermadd = without_rule(_numpys.hermadd)
hermsub = without_rule(_numpys.hermsub)
hermmulx = without_rule(_numpys.hermmulx)
hermmul = without_rule(_numpys.hermmul)
hermdiv = without_rule(_numpys.hermdiv)
hermpow = without_rule(_numpys.hermpow)
hermval = value_function(_numpys.hermval)
hermder = without_rule(_numpys.hermder)
hermint = without_rule(_numpys.hermint)
herm2poly = without_rule(_numpys.herm2poly)
poly2herm = without_rule(_numpys.poly2herm)
hermfromroots = without_rule(_numpys.hermfromroots)
hermvander = without_rule(_numpys.hermvander)
hermfit = without_rule(_numpys.hermfit)
hermtrim = without_rule(_numpys.hermtrim)
hermroots = without_rule(_numpys.hermroots)
hermval2d = without_rule(_numpys.hermval2d)
hermval3d = without_rule(_numpys.hermval3d)
hermgrid2d = without_rule(_numpys.hermgrid2d)
hermgrid3d = without_rule(_numpys.hermgrid3d)
hermvander2d = without_rule(_numpys.hermvander2d)
hermvander3d = without_rule(_numpys.hermvander3d)
hermcompanion = without_rule(_numpys.hermcompanion)
hermgauss = without_rule(_numpys.hermgauss)
hermweight = without_rule(_numpys.hermweight)


class Hermite(Series, np.polynomial.Hermite):
    """A Hermite series (physicists'), called on tensors. See numpy.polynomial.Hermite."""
