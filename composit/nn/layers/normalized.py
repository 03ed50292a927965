"""`Normalize`: elements minus their mean, divided by their standard deviation, along axes; and its derivative.

One operation each, since a derivative through the parts would take three times as many passes over memory. Layers with
weights and biases are in normalization.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from composit.derivative_types import Namespace
from composit.nn.blocks_of_arrays import in_blocks
from composit.nn.composition import Composition, Value
from composit.nn.row_sums import count_along, sum_along, sum_along_unread, sum_of_products
from composit.numpy.reductions.arguments import reduced_shape
from composit.operation import Array, Axes, OperationKind, Results, TensorType, VjpContext, tensor_type


@dataclass(frozen=True, slots=True)
class Normalize(Composition):
    """y = (x - mean) / sqrt(variance + epsilon), mean and variance along axes; the variance is divided by the count.

    Shapes:      x -> the shape of x, and twice x with the axes of length 1
    Derivative:  with r = 1 / sqrt(variance + epsilon): r (g - mean(g) - y mean(g y)), one node: `NormalizeGradient`
    Reference:   Ioffe and Szegedy, Batch Normalization, 2015; Ba et al., Layer Normalization, 2016
    """

    axes: Axes
    epsilon: float
    num_results_of_class = 3
    kind = OperationKind.REDUCTION

    @property
    def aliases(self) -> tuple[str, ...]:
        return ("layer_norm",)

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        shape = reduced_shape(x.shape, self.axes, True)
        moment = tensor_type(shape, x.dtype, is_scalar=not shape)
        return tensor_type(x.shape, x.dtype, is_scalar=not x.shape), moment, moment

    def compose(self, xp: Namespace, *operands: Value) -> tuple[Value, Value, Value]:
        (x,) = operands
        return self.parts(xp, x)[:3]

    def parts(self, xp: Namespace, x: Value) -> tuple[Value, Value, Value, Value]:
        """Return the results, and 1 / sqrt(variance + epsilon)."""
        count = count_along(x.shape, self.axes)
        mean = xp.sum(x, axis=self.axes, keepdims=True) / count
        deviation = x - mean
        variance = xp.sum(deviation * deviation, axis=self.axes, keepdims=True) / count
        factor = 1 / xp.sqrt(variance + self.epsilon)
        return deviation * factor, mean, variance, factor

    def evaluate(self, *operands: Array) -> Results:
        results = _moments_and(operands[0], self.axes)
        in_blocks(partial(normalize, self.axes, self.epsilon), self.axes, np.asarray(operands[0]), *results)
        return tuple(part if part.ndim else part[()] for part in reversed(results))

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        xp, (x,), (y, mean, variance) = context.xp, context.operands, context.results
        of_y, *of_moments = context.cotangents
        terms = self.of_moments(context, x, mean, of_moments)
        if of_y is not None:
            factor = 1 / xp.sqrt(variance + self.epsilon)
            terms.insert(0, xp.apply(NormalizeGradient(self.axes), of_y, y, factor))
        return [sum(terms[1:], terms[0])]

    def of_moments(self, context: VjpContext, x: Value, mean: Value, cotangents: Sequence[Value | None]) -> list[Value]:
        """Return the terms of the cotangent of x that come from those of its mean and its variance."""
        (of_mean, of_variance), count, terms = cotangents, count_along(x.shape, self.axes), []
        if of_mean is not None:
            terms.append(context.xp.broadcast_to(of_mean / count, x.shape))
        if of_variance is not None:
            terms.append((x - mean) * (of_variance * (2 / count)))
        return terms


def _moments_and(x: Array, axes: Axes) -> tuple[Array, Array, Array]:
    """Return arrays for the variance, the mean and the normalised elements of x."""
    shape = reduced_shape(x.shape, axes, True)
    return np.empty(shape, x.dtype), np.empty(shape, x.dtype), np.empty_like(x, subok=False)


def normalize(axes: Axes, epsilon: float, x: Array, variance: Array, mean: Array, y: Array) -> None:
    """Fill mean and variance of x along axes, and y = (x - mean) / sqrt(variance + epsilon)."""
    y *= deviate(axes, epsilon, x, variance, mean, y)


def deviate(axes: Axes, epsilon: float, x: Array, variance: Array, mean: Array, y: Array) -> Array:
    """Fill mean and variance of x along axes, and y = x - mean; return 1 / sqrt(variance + epsilon)."""
    count = x.dtype.type(count_along(x.shape, axes))
    np.divide(sum_along_unread(x, axes), count, out=mean)
    np.subtract(x, mean, out=y)
    np.divide(sum_of_products(y, y, axes), count, out=variance)
    return np.asarray(1 / np.sqrt(variance + x.dtype.type(epsilon)))


@dataclass(frozen=True, slots=True)
class NormalizeGradient(Composition):
    """r (g - mean(g) - y mean(g y)) along axes: the cotangent of `Normalize`'s operand from g, its result y and r.

    Derivative:  with h: by g the same function of h; by y, -r (h mean(g y) + g mean(h y)); by r, sum(h f) / r
    """

    axes: Axes
    kind = OperationKind.REDUCTION

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (operand_types[1],)

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        g, y, factor = operands
        return factor * self._centred(xp, g, y)

    def _centred(self, xp: Namespace, g: Value, y: Value) -> Value:
        return g - self._mean(xp, g) - y * self._mean(xp, g * y)

    def _mean(self, xp: Namespace, x: Value) -> Value:
        return xp.sum(x, axis=self.axes, keepdims=True) / count_along(xp.shape(x), self.axes)

    def evaluate(self, *operands: Array) -> Results:
        result = np.empty_like(operands[1], subok=False)
        in_blocks(self._fill, self.axes, *map(np.asarray, operands), result)
        return result if result.ndim else result[()]

    def _fill(self, g: Array, y: Array, factor: Array, result: Array) -> None:
        count = y.dtype.type(count_along(y.shape, self.axes))
        np.multiply(y, sum_of_products(g, y, self.axes) / count, out=result)
        np.subtract(g, result, out=result)
        result -= sum_along(g, self.axes) / count
        result *= factor

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        xp, (h,), (g, y, factor) = context.xp, context.cotangents, context.operands
        by_y = -factor * (h * self._mean(xp, g * y) + g * self._mean(xp, h * y))
        by_factor = xp.sum(h * self._centred(xp, g, y), axis=self.axes, keepdims=True)
        return [xp.apply(self, h, y, factor), by_y, by_factor]


@dataclass(frozen=True, slots=True)
class Scaled(Composition):
    """y w + b, with one temporary. Operands: y, and w and b that broadcast to it.

    Derivative:  by y: g w; by w: g y; by b: g
    """

    kind = OperationKind.ELEMENTWISE

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        y, weight, bias = operand_types
        shape = y.shape
        return (tensor_type(shape, np.result_type(y.dtype, weight.dtype, bias.dtype), is_scalar=not shape),)

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        y, weight, bias = operands
        return y * weight + bias

    def evaluate(self, *operands: Array) -> Results:
        y, weight, bias = operands
        result = np.empty_like(y, np.result_type(y, weight, bias), subok=False)
        in_blocks(_scale, (), *map(np.asarray, operands), result)
        return result if result.ndim else result[()]

    def vjp(self, context: VjpContext) -> Sequence[Value | None]:
        (g,), (y, weight, _), needs = context.cotangents, context.operands, context.needs
        return [g * weight if needs[0] else None, g * y if needs[1] else None, g if needs[2] else None]


def _scale(y: Array, weight: Array, bias: Array, result: Array) -> None:
    np.multiply(y, weight, out=result)
    result += bias
