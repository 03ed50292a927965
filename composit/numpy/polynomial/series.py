"""What the six kinds of series do with tensors: they are evaluated lazily at lazy points.

The coefficients of a series are numpy's arrays: its classes print, trim and compare them. Source: numpy's own functions,
which run on tensors as they stand. May import numpy_function, arguments, handle, apply.
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
from composit.numpy.calls.numpy_function import rule_for


def value_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the public function that evaluates a series: lazy at lazy points where the coefficients are known."""

    def at_points(x: Any, c: Any, tensor: bool = True) -> object:
        if not is_lazy_number(x) or isinstance(c, TensorHandle) or np.ndim(c) > 1:
            raise NoRuleError("series: points that are lazy and one row of known coefficients have a rule")
        return function(x, c)

    at_points.__name__ = at_points.__qualname__ = function.__name__
    return rule_for(function)(at_points)


class Series(ABCPolyBase):
    """A series that takes tensors and gives tensors."""

    def __call__(self, arg: Any) -> Any:
        """Return the values at points: lazy at lazy ones, else computed now."""
        if is_lazy_number(arg) and self.coef.dtype.kind in NUMBER_KINDS:
            offset, scale = polyutils.mapparms(self.domain, self.window)
            return self._val(offset + scale * arg, self.coef)  # type: ignore[attr-defined]  # each kind of series has it
        return _tensor(super().__call__(arg))

    def roots(self) -> Any:
        """Return where the series is zero."""
        return _tensor(super().roots())

    def linspace(self, n: SupportsIndex = 100, domain: Any = None) -> tuple[Any, Any]:
        """Return points of the domain at equal distances, and the values there."""
        points, values = super().linspace(n, domain)
        return _tensor(points), _tensor(values)


def _tensor(value: Any) -> object:
    is_array = isinstance(value, np.ndarray | np.generic) and value.dtype.kind in NUMBER_KINDS
    return as_tensor(value) if is_array else value
