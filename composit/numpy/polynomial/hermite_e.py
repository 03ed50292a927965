"""numpy.polynomial.hermite_e (probabilists' Hermite): hermeval at lazy points is lazy; others compute at the call."""

import numpy as np
from numpy.polynomial import hermite_e as _numpys
from numpy.polynomial.hermite_e import hermedomain, hermeone, hermex, hermezero

from composit.numpy.calls.declarations import without_rule
from composit.numpy.polynomial.series import Series, value_function

__all__ = [
    "hermezero",
    "hermeone",
    "hermex",
    "hermedomain",
    "hermeline",
    "hermeadd",
    "hermesub",
    "hermemulx",
    "hermemul",
    "hermediv",
    "hermepow",
    "hermeval",
    "hermeder",
    "hermeint",
    "herme2poly",
    "poly2herme",
    "hermefromroots",
    "hermevander",
    "hermefit",
    "hermetrim",
    "hermeroots",
    "HermiteE",
    "hermeval2d",
    "hermeval3d",
    "hermegrid2d",
    "hermegrid3d",
    "hermevander2d",
    "hermevander3d",
    "hermecompanion",
    "hermegauss",
    "hermeweight",
]

hermeline = without_rule(_numpys.hermeline)
hermeadd = without_rule(_numpys.hermeadd)
hermesub = without_rule(_numpys.hermesub)
hermemulx = without_rule(_numpys.hermemulx)
hermemul = without_rule(_numpys.hermemul)
hermediv = without_rule(_numpys.hermediv)
hermepow = without_rule(_numpys.hermepow)
hermeval = value_function(_numpys.hermeval)
hermeder = without_rule(_numpys.hermeder)
hermeint = without_rule(_numpys.hermeint)
herme2poly = without_rule(_numpys.herme2poly)
poly2herme = without_rule(_numpys.poly2herme)
hermefromroots = without_rule(_numpys.hermefromroots)
hermevander = without_rule(_numpys.hermevander)
hermefit = without_rule(_numpys.hermefit)
hermetrim = without_rule(_numpys.hermetrim)
hermeroots = without_rule(_numpys.hermeroots)
hermeval2d = without_rule(_numpys.hermeval2d)
hermeval3d = without_rule(_numpys.hermeval3d)
hermegrid2d = without_rule(_numpys.hermegrid2d)
hermegrid3d = without_rule(_numpys.hermegrid3d)
hermevander2d = without_rule(_numpys.hermevander2d)
hermevander3d = without_rule(_numpys.hermevander3d)
hermecompanion = without_rule(_numpys.hermecompanion)
hermegauss = without_rule(_numpys.hermegauss)
hermeweight = without_rule(_numpys.hermeweight)


class HermiteE(Series, np.polynomial.HermiteE):
    """A Hermite series (probabilists'), called on tensors. See numpy.polynomial.HermiteE."""
