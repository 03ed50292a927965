"""The namespace of values that derivative rules compute in: numpy, and composit's own functions on arrays.

`Operation.vjp` takes `xp`: composit.numpy itself builds graph, `values` computes. May import composit.numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from composit.numpy.erf import erf_of_arrays
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
        if name in np.__dict__:
            return np.__dict__[name]
        return _evaluated(name)


def _evaluated(name: str) -> Callable[..., Any]:
    """Return composit's function of this name as one from arrays to arrays."""
    import composit.numpy as cnp
    from composit.evaluation import evaluate

    if name not in cnp.__dict__:
        raise AttributeError(f"neither numpy nor composit.numpy has {name!r}; a derivative rule can use what both have")

    def compute(*args: Any, **kwargs: Any) -> Any:
        return evaluate(cnp.__dict__[name](*args, **kwargs))

    return compute


values = ValueNamespace()
