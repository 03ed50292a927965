"""`sinc`: sin(pi x) / (pi x) and its derivatives of every order, each one operation.

The derivative of the quotient would lose all digits near 0, where the function is smooth. Let f be sinc and f[n] its
nth derivative. Then x f = sin(pi x) / pi gives x f[n] + n f[n - 1] = pi ** (n - 1) sin(pi x + n pi / 2). This
recurrence is used where |x| is at least 1, and the power series of f elsewhere. Weakness: near x = 1 errors grow with
n, to about 100 ulp at n = 4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError
from composit.numpy.arguments.normalizing import TensorLike, handle_of
from composit.numpy.calls.declarations import rule_for
from composit.operation import Array, Operation, OperationKind, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["sinc"]

# All further terms are below 1e-20: (pi ** 2) ** k / (2 k + 1)!
_NUM_TERMS = 18


@dataclass(frozen=True, slots=True)
class Sinc(Operation):
    """The derivative of sin(pi x) / (pi x) of a given order; order 0 is the function itself.

    Derivative:  g f[order + 1](x)
    Reference:   numpy.sinc
    """

    order: int = 0
    keeps_c_order = True
    kind = OperationKind.ELEMENTWISE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        dtype = x.dtype if x.dtype.kind in "fc" else np.dtype(np.float64)
        return (tensor_type(x.shape, dtype.newbyteorder("="), is_scalar=not x.shape),)

    def evaluate(self, *operands: Array) -> Results:
        return np.sinc(operands[0]) if not self.order else _derivative(np.asarray(operands[0]), self.order)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        return [context.cotangents[0] * context.xp.apply(Sinc(self.order + 1), context.operands[0])]


def _derivative(x: Array, order: int) -> Array:
    wide = x.astype(np.result_type(x.dtype, np.float64), copy=False)
    is_small = np.abs(wide) < 1
    result = np.where(is_small, _series(np.where(is_small, wide, 0), order), 0)
    result = np.where(is_small, result, _recurrence(np.where(is_small, 1, wide), order))
    return result.astype(x.dtype if x.dtype.kind in "fc" else np.float64, copy=False)[()]


def _series(x: Array, order: int) -> Array:
    # f = sum over k of (-1) ** k (pi x) ** (2 k) / (2 k + 1)!, differentiated term by term, by Horner's scheme in x ** 2.
    first = (order + 1) // 2
    squared, result = x * x, np.zeros_like(x)
    for k in reversed(range(first, first + _NUM_TERMS)):
        factor = math.pi ** (2 * k) * math.perm(2 * k, order) / math.factorial(2 * k + 1)
        result = result * squared + (-factor if k % 2 else factor)
    return result * x if order % 2 else result


def _recurrence(x: Array, order: int) -> Array:
    sine, cosine = np.sin(math.pi * x), np.cos(math.pi * x)
    turned = (sine, cosine, -sine, -cosine)
    result = sine / (math.pi * x)
    for n in range(1, order + 1):
        result = (math.pi ** (n - 1) * turned[n % 4] - n * result) / x
    return result


@rule_for(np.sinc)
def sinc(x: TensorLike) -> LazyTensor:
    """Return sin(pi x) / (pi x), and 1 at 0. Reference: numpy.sinc."""
    tensor = handle_of(x)
    if tensor.dtype.kind not in "biufc":
        raise NoRuleError("sinc: elements that are no numbers")
    return apply(Sinc(), tensor)
