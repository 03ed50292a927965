"""`composit.nn.evaluate`: `composit.evaluate` with one more keyword, always_return_tuple."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from composit.evaluation import evaluate as evaluate_tensors


def evaluate(
    *tensors: Any,  # Any: tensors and containers of them; the values come back in the same containers
    inputs: Mapping[Any, Any] | None = None,
    backend: Any = "numpy",
    guards: str = "check",
    always_return_tuple: bool = False,
) -> Any:
    """Return the values of tensors, as `composit.evaluate` does.

    always_return_tuple: return a tuple for a single tensor, too

    Example:
        >>> import composit.numpy as cnp
        >>> cnp.nn.evaluate(cnp.ones(2), always_return_tuple=True)
        (array([1., 1.]),)
    """
    values = evaluate_tensors(*tensors, inputs=inputs, backend=backend, guards=guards)
    return (values,) if always_return_tuple and len(tensors) == 1 else values
