"""numpy.polynomial on tensors: the six kinds of series, as functions and as classes."""

from numpy.polynomial import set_default_printstyle

from composit.numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre, polynomial, polyutils
from composit.numpy.polynomial.chebyshev import Chebyshev
from composit.numpy.polynomial.hermite import Hermite
from composit.numpy.polynomial.hermite_e import HermiteE
from composit.numpy.polynomial.laguerre import Laguerre
from composit.numpy.polynomial.legendre import Legendre
from composit.numpy.polynomial.polynomial import Polynomial

__all__ = [
    "Chebyshev",
    "Hermite",
    "HermiteE",
    "Laguerre",
    "Legendre",
    "Polynomial",
    "chebyshev",
    "hermite",
    "hermite_e",
    "laguerre",
    "legendre",
    "polynomial",
    "polyutils",
    "set_default_printstyle",
]
