"""Special functions of elements that numpy lacks: gamma functions, Bessel functions, orthogonal polynomials. numpy runs them."""

from composit.nn.special.table import SPECIAL as SPECIAL
from composit.nn.special.table import special as special
