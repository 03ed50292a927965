"""Window functions, and the Bessel function that one of them is made of. May import computations, errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from composit.errors import NoRuleError
from composit.numpy.arguments import TensorLike, handle_of
from composit.numpy.computations import Computation, Parameters
from composit.numpy.numpy_function import rule_for, without_rule
from composit.operation import TensorType, tensor_type

__all__ = ["bartlett", "blackman", "hamming", "hanning", "i0", "kaiser"]

bartlett = without_rule(np.bartlett)
blackman = without_rule(np.blackman)
hamming = without_rule(np.hamming)
hanning = without_rule(np.hanning)
kaiser = without_rule(np.kaiser)


def _floating(parameters: Parameters, operand: TensorType) -> TensorType:
    return tensor_type(operand.shape, operand.dtype if operand.dtype.kind == "f" else np.float64)


_i0 = Computation(np.i0, _floating)


@rule_for(np.i0)
def i0(x: TensorLike) -> Any:
    """Return the modified Bessel function of the first kind and order 0. See np.i0."""
    tensor = handle_of(x)
    if not tensor.ndim or tensor.dtype.kind not in "biuf":
        raise NoRuleError("i0: no axis, or elements that are no real numbers")
    return _i0(tensor)
