"""The base class of the six series classes, and the functions that evaluate a series (polyval, chebval, ...).

Values at lazy points are lazy: numpy's own evaluation runs on tensors unchanged. Coefficients are numpy arrays,
because numpy's classes print, trim and compare them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, SupportsIndex

import numpy as np
from numpy.polynomial import polyutils
from numpy.polynomial._polybase import ABCPolyBase

from composit.apply import as_tensor
from composit.errors import NoRuleError
from composit.handle import TensorHandle
from composit.numpy.arguments.normalizing import NUMBER_KINDS, is_lazy_number
from composit.numpy.calls.declarations import rule_for
from composit.numpy.polynomial import expressions  # noqa: F401  # registers what series are differentiated as


def value_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the public function for numpy's chebval, polyval, ...: lazy at lazy points for known coefficients."""

    def at_points(x: Any, c: Any, tensor: bool = True) -> object:
        """Return the values at x of the series with the coefficients c; lazy if x is lazy and c is known."""
        if not is_lazy_number(x) or isinstance(c, TensorHandle) or np.ndim(c) > 1:
            raise NoRuleError("series: points that are lazy and one row of known coefficients have a rule")
        return function(x, c)

    at_points.__name__ = at_points.__qualname__ = function.__name__
    return rule_for(function)(at_points)


class Series(ABCPolyBase):
    """Base of the series classes: values, roots and points are tensors."""

    def __call__(self, arg: Any) -> Any:
        """Return the values at points: lazy at lazy points, else computed now."""
        if is_lazy_number(arg) and self.coef.dtype.kind in NUMBER_KINDS:
            offset, scale = polyutils.mapparms(self.domain, self.window)
            return self._val(offset + scale * arg, self.coef)  # type: ignore[attr-defined]  # each kind of series has it
        return _tensor(super().__call__(arg))

    def roots(self) -> Any:
        """Return where the series is zero."""
        return _tensor(super().roots())

    def linspace(self, n: SupportsIndex = 100, domain: Any = None) -> tuple[Any, Any]:
        """Return evenly spaced points of the domain, and the values there."""
        points, values = super().linspace(n, domain)
        return _tensor(points), _tensor(values)


def _tensor(value: Any) -> object:
    is_array = isinstance(value, np.ndarray | np.generic) and value.dtype.kind in NUMBER_KINDS
    return as_tensor(value) if is_array else value
