"""Sigmoids and pieces of lines and exponentials as operations: elementwise operations with a derivative in closed form.

A composition would be wrong or slow: |x| has no derivative at 0 where the sigmoid has one, and numpy would compute seven
temporaries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from composit.derivative_types import Namespace
from composit.nn.blocks_of_arrays import in_blocks
from composit.nn.composition import ElementwiseComposition, Value
from composit.operation import Array, Results, VjpContext


@dataclass(frozen=True, slots=True)
class Sigmoid(ElementwiseComposition):
    """1 / (1 + exp(-x)), which neither overflows nor loses digits of small results.

    Derivative:  g y (1 - y)
    Reference:   torch.sigmoid
    """

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        (x,) = operands
        small = xp.exp(-xp.absolute(x))
        return xp.where(x >= 0, 1, small) / (1 + small)

    def evaluate(self, *operands: Array) -> Results:
        (x,) = operands
        result = _like(x)
        with np.errstate(over="ignore"):  # exp(-x) is inf where the result is 0
            in_blocks(_sigmoid, (), np.asarray(x), result)
        return result if result.ndim else result[()]

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        (g,), (y,) = context.cotangents, context.results
        return [g * (y * (1 - y))]


@dataclass(frozen=True, slots=True)
class Softplus(ElementwiseComposition):
    """log(1 + exp(x)), computed as max(x, 0) + log1p(exp(-|x|)).

    Derivative:  g sigmoid(x)
    Reference:   torch.nn.functional.softplus
    """

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        (x,) = operands
        return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.absolute(x)))

    def evaluate(self, *operands: Array) -> Results:
        (x,) = operands
        result = np.absolute(x, out=_like(x))
        for function in (np.negative, np.exp, np.log1p):
            function(result, out=result)
        result += np.maximum(x, 0)
        return result if result.ndim else result[()]

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        return [g * xp.apply(Sigmoid(), x)]


@dataclass(frozen=True, slots=True)
class Silu(ElementwiseComposition):
    """x sigmoid(x).

    Derivative:  g s (1 + x (1 - s)) with s = sigmoid(x)
    Reference:   torch.nn.functional.silu
    """

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        (x,) = operands
        return x * Sigmoid().compose(xp, x)

    def evaluate(self, *operands: Array) -> Results:
        (x,) = operands
        result = _like(x)
        with np.errstate(over="ignore"):
            in_blocks(_silu, (), np.asarray(x), result)
        return result if result.ndim else result[()]

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        s = xp.apply(Sigmoid(), x)
        return [g * (s * (1 + x * (1 - s)))]


@dataclass(frozen=True, slots=True)
class HardSwish(ElementwiseComposition):
    """x min(max(x + 3, 0), 6) / 6.

    Derivative:  g (x / 3 + 1 / 2) where -3 < x < 3, g above, 0 below
    Reference:   torch.nn.functional.hardswish
    """

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        (x,) = operands
        # In torch's order: 6 x overflows where x does not.
        return x * xp.minimum(xp.maximum(x + 3, 0), 6) / 6

    def evaluate(self, *operands: Array) -> Results:
        (x,) = operands
        result = np.add(x, 3, out=_like(x))
        np.clip(result, 0, 6, out=result)
        with np.errstate(over="ignore"):
            result *= x
        result /= 6
        return result if result.ndim else result[()]

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        return [xp.where(x >= 3, g, xp.where(x <= -3, 0, g * (x / 3 + 0.5)))]


@dataclass(frozen=True, slots=True)
class LeakyRelu(ElementwiseComposition):
    """x where x > 0, else slope * x.

    Derivative:  g where x > 0, else slope * g
    Reference:   torch.nn.functional.leaky_relu
    """

    slope: float

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        (x,) = operands
        return xp.where(x > 0, x, x * self.slope)

    def evaluate(self, *operands: Array) -> Results:
        (x,) = operands
        if not 0 < self.slope <= 1:
            return super(LeakyRelu, self).evaluate(x)
        # The larger of both, for such a slope: without a choice for each element. 0 times infinity would be NaN.
        result = np.multiply(x, self.slope, out=_like(x))
        np.maximum(x, result, out=result)
        return result if result.ndim else result[()]

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        return [xp.where(x > 0, g, g * self.slope)]


@dataclass(frozen=True, slots=True)
class Elu(ElementwiseComposition):
    """x where x > 0, else alpha * (exp(x / width) - 1).

    Derivative:  g where x > 0, else g alpha exp(x / width) / width
    Reference:   torch.nn.functional.elu, torch.nn.functional.celu
    """

    alpha: float
    width: float

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        (x,) = operands
        # -0.0 stays.
        return xp.where(x >= 0, x, self.alpha * xp.expm1(xp.minimum(x, 0) / self.width))

    def evaluate(self, *operands: Array) -> Results:
        (x,) = operands
        result = np.minimum(x, 0, out=_like(x))
        if self.width != 1:
            result /= self.width
        np.expm1(result, out=result)
        result *= self.alpha
        np.copyto(result, x, where=np.greater_equal(x, 0))
        return result if result.ndim else result[()]

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        slope = self.alpha / self.width
        return [xp.where(x > 0, g, g * (slope * xp.exp(xp.minimum(x, 0) / self.width)))]


@dataclass(frozen=True, slots=True)
class Relu(ElementwiseComposition):
    """max(x, 0), and -0.0 stays, as in torch.

    Derivative:  g where x > 0 or NaN, and 0 at x = 0 as in torch; numpy's maximum shares g there
    Reference:   torch.nn.functional.relu
    """

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        (x,) = operands
        return xp.where(x < 0, 0, x)

    def evaluate(self, *operands: Array) -> Results:
        (x,) = operands
        if x.dtype == np.float16:
            # Of zeros of both signs, numpy's maximum gives the first here, the second for other dtypes.
            return super(Relu, self).evaluate(x)
        result = _like(x)
        in_blocks(_at_least_zero, (), np.asarray(x), result)
        return result if result.ndim else result[()]

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        return [xp.where(x <= 0, 0, g)]


@dataclass(frozen=True, slots=True)
class Clamp(ElementwiseComposition):
    """min(max(x, low), high), where a zero of x keeps its sign, as in torch.

    Derivative:  g where low < x < high, and 0 at the limits as in torch; numpy's clip shares g there
    Reference:   torch.nn.functional.hardtanh
    """

    low: float
    high: float

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        (x,) = operands
        return xp.where(x < self.low, self.low, xp.where(x > self.high, self.high, x))

    def evaluate(self, *operands: Array) -> Results:
        (x,) = operands
        if 0 in (self.low, self.high):
            return super(Clamp, self).evaluate(x)
        result = np.maximum(x, self.low, out=_like(x))
        np.minimum(result, self.high, out=result)
        return result if result.ndim else result[()]

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        xp, (g,), (x,) = context.xp, context.cotangents, context.operands
        return [xp.where((x > self.low) & (x < self.high), g, 0)]


def _at_least_zero(x: Array, result: Array) -> None:
    # With a number in place of the array of zeros, numpy takes three times as long.
    # It gives the second of two zeros, so that -0.0 stays.
    np.maximum(np.zeros_like(x), x, out=result)


def _sigmoid(x: Array, result: Array) -> None:
    _fill_inverse_of_sigmoid(x, result)
    np.divide(1, result, out=result)  # np.reciprocal of float32 takes twice as long


def _silu(x: Array, result: Array) -> None:
    _fill_inverse_of_sigmoid(x, result)
    np.divide(x, result, out=result)


def _fill_inverse_of_sigmoid(x: Array, result: Array) -> None:
    np.negative(x, out=result)
    np.exp(result, out=result)
    result += 1


def _like(x: Any) -> Array:
    """Return an array for a result in place: an array of rank 0 where x is a scalar."""
    return np.empty_like(x, subok=False)
