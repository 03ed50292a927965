"""`erfc`: 1 - erf(x), with all digits where erf(x) is nearly 1; exp(x * x) erfc(x), and the log of the normal distribution.

Source: Press et al., Numerical Recipes, third edition, 6.2.2: erfc(x) = t exp(-x * x + P(t)) for x >= 0, with t = 2 / (2 + x) and P a
Chebyshev series, whose relative error is 1.2e-16. Weakness: exp(-x * x) multiplies the rounding error of x * x by x * x, which is
the last four digits of the smallest results.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import composit.numpy as cnp
from composit.apply import apply
from composit.derivative_types import Namespace
from composit.nn.arguments import floating
from composit.nn.composition import ElementwiseComposition, Value
from composit.numpy.arguments.normalizing import TensorLike
from composit.operation import VjpContext

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = ["erfc", "erfcx", "log_normal_distribution"]

_SERIES = (
    -1.3026537197817094,
    6.4196979235649026e-1,
    1.9476473204185836e-2,
    -9.561514786808631e-3,
    -9.46595344482036e-4,
    3.66839497852761e-4,
    4.2523324806907e-5,
    -2.0278578112534e-5,
    -1.624290004647e-6,
    1.303655835580e-6,
    1.5626441722e-8,
    -8.5238095915e-8,
    6.529054439e-9,
    5.059343495e-9,
    -9.91364156e-10,
    -2.27365122e-10,
    9.6467911e-11,
    2.394038e-12,
    -6.886027e-12,
    8.94487e-13,
    3.13092e-13,
    -1.12708e-13,
    3.81e-16,
    7.106e-15,
    -1.523e-15,
    -9.4e-17,
    1.21e-16,
    -2.8e-17,
)


@dataclass(frozen=True, slots=True)
class ComplementaryError(ElementwiseComposition):
    """1 - erf(x).

    Derivative:  -2 / sqrt(pi) exp(-x * x) g
    Reference:   torch.erfc, math.erfc
    """

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        (x,) = operands
        t, logarithm = _tail(xp, xp.absolute(x))
        tail = t * xp.exp(logarithm - x * x)
        return xp.where(x >= 0, tail, 2 - tail)

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        return [g * (xp.exp(-x * x) * (-2 / math.sqrt(math.pi)))]


@dataclass(frozen=True, slots=True)
class ScaledComplementaryError(ElementwiseComposition):
    """exp(x * x) erfc(x), which neither overflows nor becomes 0 for large x.

    Derivative:  g (2 x y - 2 / sqrt(pi))
    Reference:   torch.special.erfcx
    """

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        (x,) = operands
        t, logarithm = _tail(xp, xp.absolute(x))
        tail = t * xp.exp(logarithm)
        return xp.where(x >= 0, tail, 2 * xp.exp(xp.where(x < 0, x * x, 0)) - tail)

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        (g,), (x,), (y,) = context.cotangents, context.operands, context.results
        return [g * (2 * x * y - 2 / math.sqrt(math.pi))]


def _tail(xp: Namespace, size: Value) -> tuple[Value, Value]:
    """Return t and P(t), for which exp(size ** 2) erfc(size) = t exp(P(t))."""
    t = 2 / (2 + size)
    # Clenshaw's recurrence for the sum of the series.
    turned, last, before = 4 * t - 2, t * 0, t * 0
    for coefficient in reversed(_SERIES[1:]):
        last, before = turned * last - before + coefficient, last
    return t, 0.5 * (_SERIES[0] + turned * last) - before


def erfcx(x: TensorLike) -> LazyTensor:
    """Return exp(x * x) erfc(x).

    Shapes:      the shape of x
    Dtype:       that of x; integers become float64
    Derivative:  g (2 x y - 2 / sqrt(pi))
    Raises:      DtypeError: x is complex, or no numbers
    Reference:   torch.special.erfcx
    Example:
        >>> import composit.numpy as cnp
        >>> f"{cnp.evaluate(erfcx(100.0)):.4e}"
        '5.6416e-03'
    """
    return apply(ScaledComplementaryError(), floating("erfcx", x))


def log_normal_distribution(x: TensorLike) -> LazyTensor:
    """Return the log of the probability that a normally distributed number is smaller, right where that is 0.

    Shapes:      the shape of x
    Dtype:       that of x; integers become float64
    Derivative:  that of its parts
    Raises:      DtypeError: x is complex, or no numbers
    Reference:   torch.special.log_ndtr
    Example:
        >>> import composit.numpy as cnp
        >>> f"{cnp.evaluate(log_normal_distribution(-100.0)):.3f}"
        '-5005.524'
    """
    tensor = floating("log_normal_distribution", x)
    is_low = tensor < -1
    low = cnp.where(is_low, tensor, -1)
    high = cnp.where(is_low, -1, tensor)
    root = math.sqrt(0.5)
    return cnp.where(is_low, cnp.log(erfcx(-low * root) / 2) - low * low / 2, cnp.log1p(-erfc(high * root) / 2))


def erfc(x: TensorLike) -> LazyTensor:
    """Return 1 - erf(x), right where erf itself is 1.

    Shapes:      the shape of x
    Dtype:       that of x; integers become float64
    Derivative:  -2 / sqrt(pi) exp(-x * x) g
    Raises:      DtypeError: x is complex, or no numbers
    Reference:   torch.erfc
    Example:
        >>> import composit.numpy as cnp
        >>> f"{cnp.evaluate(erfc(10.0)):.4e}"
        '2.0885e-45'
    """
    return apply(ComplementaryError(), floating("erfc", x))
