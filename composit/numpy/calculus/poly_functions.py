"""Polynomials of numpy's older interface: poly1d, polyval, polyfit, roots. Coefficients start at the highest power.

The coefficients are a numpy array; polyval at lazy points is lazy. The newer interface is composit/numpy/polynomial.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from composit.apply import as_tensor
from composit.errors import NoRuleError
from composit.handle import TensorHandle
from composit.numpy.arguments.normalizing import is_lazy_number
from composit.numpy.calculus import poly_expressions  # noqa: F401  # registers what these are differentiated as
from composit.numpy.calls.declarations import rule_for, without_rule
from composit.numpy.calls.expressions import expressed, expression_of
from composit.numpy.creation.from_nothing import zeros_like

__all__ = [
    "poly",
    "poly1d",
    "polyadd",
    "polyder",
    "polydiv",
    "polyfit",
    "polyint",
    "polymul",
    "polysub",
    "polyval",
    "roots",
]

# Any, everywhere here: coefficients are tensors, arrays, sequences or polynomials.
Function = Callable[..., Any]


def _ours(value: Any) -> object:
    if isinstance(value, tuple):
        return tuple(map(_ours, value))
    return poly1d(value) if type(value) is np.poly1d else value


def _of_polynomials(function: Function) -> Function:
    """Wrap a numpy function so that the np.poly1d it returns becomes our poly1d."""

    @wraps(function)
    def computed(*args: Any, **kwargs: Any) -> object:
        return _ours(function(*args, **kwargs))

    return computed


def _returning_polynomials(function: Function) -> Function:
    """Return the public function for one of numpy's that may return an np.poly1d."""
    computed = _of_polynomials(function)
    expression = expression_of(function)
    assert expression is not None, f"{function.__name__} is differentiable"
    expressed(computed)(expression)
    return without_rule(computed)


poly = without_rule(np.poly)
roots = without_rule(np.roots)
polyfit = without_rule(np.polyfit)
polyadd = _returning_polynomials(np.polyadd)
polysub = _returning_polynomials(np.polysub)
polymul = _returning_polynomials(np.polymul)
polydiv = _returning_polynomials(np.polydiv)
polyder = _returning_polynomials(np.polyder)
polyint = _returning_polynomials(np.polyint)


@rule_for(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """Return the polynomial's values at points, by Horner's rule: lazy if the points are. See np.polyval.

    Raises:  NoRuleError: points or coefficients are not numbers, such as another polynomial; numpy answers then
    """
    if isinstance(x, np.poly1d) or (isinstance(p, TensorHandle) and not is_lazy_number(p)):
        raise NoRuleError("polyval: a polynomial of a polynomial, or one of objects")
    points = x if isinstance(x, TensorHandle) else as_tensor(_plain(x))
    if not is_lazy_number(points):
        raise NoRuleError(f"polyval: points of dtype {points.dtype}")
    result = zeros_like(points)
    coefficients: Any = p if isinstance(p, TensorHandle) else np.asarray(p)
    for coefficient in coefficients:
        result = result * points + coefficient
    return result


def _plain(x: Any) -> object:
    array = np.asanyarray(x)
    if type(array) is not np.ndarray:
        raise NoRuleError(f"polyval: points of class {type(array).__name__} are numpy's")
    return array


class poly1d(np.poly1d):  # numpy's name
    """A polynomial in one variable whose values at points are lazy. See numpy.poly1d."""

    def __init__(self, c_or_r: Any, r: bool = False, variable: str | None = None) -> None:
        given = c_or_r if isinstance(c_or_r, np.poly1d) else np.asarray(c_or_r)
        super().__init__(given, r, variable)

    def __call__(self, val: Any) -> Any:
        """Return the values at points."""
        return polyval(self.coeffs, val)

    @property
    def roots(self) -> Any:
        """The zeros of the polynomial."""
        return roots(self.coeffs)

    r = roots
    __hash__ = None  # as numpy's, which compares by value

    # numpy's methods return np.poly1d; these return this class.
    __neg__ = _of_polynomials(np.poly1d.__neg__)
    __mul__ = _of_polynomials(np.poly1d.__mul__)
    __rmul__ = _of_polynomials(np.poly1d.__rmul__)
    __add__ = _of_polynomials(np.poly1d.__add__)
    __radd__ = _of_polynomials(np.poly1d.__radd__)
    __sub__ = _of_polynomials(np.poly1d.__sub__)
    __rsub__ = _of_polynomials(np.poly1d.__rsub__)
    __truediv__ = _of_polynomials(np.poly1d.__truediv__)
    __rtruediv__ = _of_polynomials(np.poly1d.__rtruediv__)
    __pow__ = _of_polynomials(np.poly1d.__pow__)
    deriv = _of_polynomials(np.poly1d.deriv)
    integ = _of_polynomials(np.poly1d.integ)
