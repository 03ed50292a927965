"""The namespace of values that derivative rules compute in: numpy, and composit's own functions on arrays.

`Operation.vjp` takes `xp`: composit.numpy itself builds graph, `values` computes. May import erf, operation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from composit.numpy.elementwise.erf import erf_of_arrays
from composit.operation import Operation


class ValueNamespace:
    """numpy's functions by their names, and those that only composit has, computed at once."""

    __slots__ = ()

    erf = staticmethod(erf_of_arrays)

    @staticmethod
    def apply(operation: Operation, *operands: Any) -> Any:
        """Return what the operation computes, as `apply` in the namespace of graphs builds its node."""
        return operation.evaluate(*operands)

    def __getattr__(self, name: str) -> Any:
        try:
            return np.__dict__[name]
        except KeyError:
            raise AttributeError(
                f"values: numpy has no {name!r}, nor is it one of composit's own; a derivative rule can use what numpy "
                "and composit.numpy both have; add the function to composit/numpy/namespaces.py"
            ) from None


values = ValueNamespace()
