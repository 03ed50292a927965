"""`NormalizeAffine`: normalised elements times weight plus bias as one operation, and its derivative by all three as one.

Two nodes, `Normalize` and `Scaled`, would write the normalised elements to memory and read them again, for the backward pass too:
on arrays larger than the caches that is half of the time. Here the backward pass normalises x again, as torch's does. What numpy
computes is in `affine_arrays`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from composit.derivative_types import Namespace
from composit.nn.composition import Composition, Value
from composit.nn.layers.affine_arrays import affine_gradient, normalize_affine
from composit.nn.layers.normalized import Normalize
from composit.nn.row_sums import count_along
from composit.operation import Array, Axes, OperationKind, Results, Shape, TensorType, VjpContext, tensor_type


@dataclass(frozen=True, slots=True)
class NormalizeAffine(Composition):
    """y weight + bias, with y = (x - mean) f and f = 1 / sqrt(variance + epsilon); mean and variance along axes.

    Shapes:      x, and weight and bias that broadcast to it -> the shape of x; mean, variance and f: x with the axes of length 1
    Dtype:       one for all
    Derivative:  that of the first result is one node: `NormalizeAffineGradient`; of the others as in `Normalize`
    """

    axes: Axes
    epsilon: float
    num_results_of_class = 4
    kind = OperationKind.REDUCTION

    @property
    def aliases(self) -> tuple[str, ...]:
        return ("layer_norm",)

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        types = Normalize(self.axes, self.epsilon).result_types(operand_types[0])
        return (*types, types[-1])

    def compose(self, xp: Namespace, *operands: Value) -> tuple[Value, Value, Value, Value]:
        x, weight, bias = operands
        y, mean, variance, factor = Normalize(self.axes, self.epsilon).parts(xp, x)
        return y * weight + bias, mean, variance, factor

    def evaluate(self, *operands: Array) -> Results:
        return _own(normalize_affine(self.axes, self.epsilon, *map(np.asarray, operands)))

    def vjp(self, context: VjpContext) -> Sequence[Value | None]:
        xp, (x, weight, bias), (_, mean, _, factor) = context.xp, context.operands, context.results
        of_result, of_mean, of_variance, of_factor = context.cotangents
        if of_factor is not None:
            through = -0.5 * (of_factor * (factor * factor * factor))
            of_variance = through if of_variance is None else of_variance + through
        by_x = Normalize(self.axes, self.epsilon).of_moments(context, x, mean, (of_mean, of_variance))
        by_weight: Value | None = None
        by_bias: Value | None = None
        if of_result is not None:
            gradient = NormalizeAffineGradient(self.axes, xp.shape(bias))
            results: Sequence[Value] = xp.apply(gradient, of_result, x, mean, factor, weight)
            first, by_weight, by_bias = results
            by_x.insert(0, first)
        return [sum(by_x[1:], by_x[0]), by_weight, by_bias]


@dataclass(frozen=True, slots=True)
class NormalizeAffineGradient(Composition):
    """The cotangents of x, weight and bias, from that of the result, x, its mean, f = 1 / sqrt(variance + epsilon) and weight.

    With y = (x - mean) f and means along axes: f (g w - mean(g w) - y mean(g w y)), and the sums of g y and of g over the axes
    along which weight and bias were broadcast.

    Derivative:  see `vjp`, where h, k and b are the cotangents of the three results
    """

    axes: Axes
    bias_shape: Shape
    num_results_of_class = 3
    kind = OperationKind.REDUCTION

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        _, x, _, _, weight = operand_types
        shapes = (x.shape, weight.shape, self.bias_shape)
        return tuple(tensor_type(shape, x.dtype, is_scalar=not shape) for shape in shapes)

    def compose(self, xp: Namespace, *operands: Value) -> tuple[Value, Value, Value]:
        g, x, mean, factor, weight = operands
        shared = self._shared_axes(xp.ndim(x), xp.shape(weight))
        if shared:
            return self._of_sums(xp, shared, *operands)
        scaled, negated = g * weight, -mean
        # x - mean is written in three ways: of one node with three users a compiler would store the result, as large as x.
        slope = factor * factor * factor * self._mean(xp, scaled * (x - mean))
        by_x = factor * (scaled - self._mean(xp, scaled)) + (mean - x) * slope
        by_weight = _summed_to(xp, (x + negated) * (g * factor), xp.shape(weight))
        return by_x, by_weight, _summed_to(xp, g, self.bias_shape)

    def _shared_axes(self, ndim: int, weight_shape: Shape) -> Axes:
        """Return the axes along which the mean is taken and one weight and one bias belong to all elements."""
        lengths = [(1,) * (ndim - len(shape)) + tuple(shape) for shape in (weight_shape, self.bias_shape)]
        return tuple(axis for axis in self.axes if all(each[axis] == 1 for each in lengths))

    def _of_sums(
        self, xp: Namespace, shared: Axes, g: Value, x: Value, mean: Value, factor: Value, weight: Value
    ) -> tuple[Value, Value, Value]:
        """Return the results from two sums along the axes that share a weight: all other sums are sums of these.

        In group norm these are sums of channels: x and g are read once for them, and once for the cotangent of x.
        """
        others, count = tuple(axis for axis in self.axes if axis not in shared), count_along(xp.shape(x), self.axes)
        of_g, of_products = (xp.sum(each, axis=shared, keepdims=True) for each in (g, g * (x - mean)))
        along_g, along_products = (
            (xp.sum(each, axis=others, keepdims=True) if others else each) / count
            for each in (of_g * weight, of_products * weight)
        )
        by_x = factor * (g * weight - along_g) + (mean - x) * (factor * factor * factor * along_products)
        by_weight = _summed_to(xp, of_products * factor, xp.shape(weight))
        return by_x, by_weight, _summed_to(xp, of_g, self.bias_shape)

    def _centred(self, xp: Namespace, g: Value, y: Value) -> Value:
        return g - self._mean(xp, g) - y * self._mean(xp, g * y)

    def _mean(self, xp: Namespace, x: Value) -> Value:
        return xp.sum(x, axis=self.axes, keepdims=True) / count_along(xp.shape(x), self.axes)

    def evaluate(self, *operands: Array) -> Results:
        return _own(affine_gradient(self.axes, self.bias_shape, *map(np.asarray, operands)))

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        xp, (g, x, mean, factor, weight) = context.xp, context.operands
        h, k, b = (
            xp.zeros(each.shape, each.dtype) if cotangent is None else cotangent
            for cotangent, each in zip(context.cotangents, context.results, strict=True)
        )
        scaled, deviation = g * weight, x - mean
        y = deviation * factor
        along_h = factor * self._centred(xp, h, y)
        by_y = k * g - factor * (h * self._mean(xp, scaled * y) + scaled * self._mean(xp, h * y))
        by_factor = xp.sum(h * self._centred(xp, scaled, y) + by_y * deviation, axis=self.axes, keepdims=True)
        by_x = by_y * factor
        by_mean = -xp.sum(by_x, axis=self.axes, keepdims=True)
        return [along_h * weight + k * y + b, by_x, by_mean, by_factor, along_h * g]


def _summed_to(xp: Namespace, x: Value, shape: Shape) -> Value:
    """Return x summed over the axes along which an array of that shape broadcasts to it."""
    extra = xp.ndim(x) - len(shape)
    axes = (*range(extra), *(extra + place for place, length in enumerate(shape) if length == 1))
    return xp.reshape(xp.sum(x, axis=axes, keepdims=True), shape)


def _own(results: tuple[Array, ...]) -> Results:
    return tuple(part if part.ndim else part[()] for part in results)
