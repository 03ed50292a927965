"""softmax, log_softmax, softmin and logsumexp along one axis or several, without overflow.

Each is one operation, so that the derivative is one formula and not that of its five steps. Functions of one element
are in activations.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import composit.numpy as cnp
from composit.apply import apply
from composit.derivative_types import Namespace
from composit.nn.arguments import axes_or_all, floating
from composit.nn.blocks_of_arrays import in_blocks
from composit.nn.composition import Composition, ElementwiseComposition, Value
from composit.nn.row_sums import sum_along, sum_of_products
from composit.numpy.arguments.normalizing import AxesLike, TensorLike
from composit.numpy.reductions.arguments import reduced_shape
from composit.operation import Array, Axes, OperationKind, Results, TensorType, VjpContext, tensor_type

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "log_softmax",
    "logsumexp",
    "softmax",
    "softmin",
]


@dataclass(frozen=True, slots=True)
class Softmax(ElementwiseComposition):
    """exp(x) / sum(exp(x)) along axes.

    Derivative:  y (g - sum(g y)), one node: `SoftmaxGradient`
    Reference:   torch.softmax
    """

    axes: Axes
    kind = OperationKind.REDUCTION

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        (x,) = operands
        if 0 in x.shape:
            return x + 0
        exponentials = xp.exp(x - xp.max(x, axis=self.axes, keepdims=True))
        return exponentials / xp.sum(exponentials, axis=self.axes, keepdims=True)

    def evaluate(self, *operands: Array) -> Results:
        (x,) = operands
        if not x.size:
            return x.copy()
        result = np.empty_like(x, subok=False)
        in_blocks(self._fill, self.axes, np.asarray(x), result)
        return _own(result)

    def _fill(self, x: Array, result: Array) -> None:
        np.exp(x if _is_moderate(x, _FAR_FROM_OVERFLOW) else _shifted(x, self.axes, result), out=result)
        result *= np.reciprocal(sum_along(result, self.axes))

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        return [context.xp.apply(SoftmaxGradient(self.axes), context.cotangents[0], context.results[0])]


@dataclass(frozen=True, slots=True)
class MaskedSoftmax(ElementwiseComposition):
    """Softmax that is 0, not NaN, in rows that are all minus infinity: those that a mask hides.

    In other rows the maximum is finite and the sum at least exp(0) = 1, so neither bound changes them.

    Derivative:  that of Softmax
    Reference:   torch.nn.functional.scaled_dot_product_attention
    """

    axes: Axes
    kind = OperationKind.REDUCTION

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        (x,) = operands
        if 0 in x.shape:
            return x + 0
        largest = xp.maximum(xp.max(x, axis=self.axes, keepdims=True), float(np.finfo(x.dtype).min))
        exponentials = xp.exp(x - largest)
        return exponentials / xp.maximum(xp.sum(exponentials, axis=self.axes, keepdims=True), 1)

    def evaluate(self, *operands: Array) -> Results:
        (x,) = operands
        if not x.size:
            return x.copy()
        result = np.empty_like(x, subok=False)
        in_blocks(self._fill, self.axes, np.asarray(x), result)
        return _own(result)

    def _fill(self, x: Array, result: Array) -> None:
        largest = np.maximum(np.max(x, axis=self.axes, keepdims=True), np.finfo(x.dtype).min)
        np.exp(np.subtract(x, largest, out=result), out=result)
        result *= np.reciprocal(np.maximum(sum_along(result, self.axes), x.dtype.type(1)))

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        return [context.xp.apply(SoftmaxGradient(self.axes), context.cotangents[0], context.results[0])]


@dataclass(frozen=True, slots=True)
class SoftmaxGradient(Composition):
    """y (g - sum(g y)) along axes: the cotangent of softmax's operand, from that of its result and the result y.

    Derivative:  by g the same function of h; by y, h (g - sum(g y)) - g sum(h y)
    """

    axes: Axes
    kind = OperationKind.REDUCTION

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (operand_types[1],)

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        g, y = operands
        return y * (g - xp.sum(g * y, axis=self.axes, keepdims=True))

    def evaluate(self, *operands: Array) -> Results:
        result = np.empty_like(operands[1], subok=False)
        in_blocks(self._fill, self.axes, *map(np.asarray, operands), result)
        return _own(result)

    def _fill(self, g: Array, y: Array, result: Array) -> None:
        np.subtract(g, sum_of_products(g, y, self.axes), out=result)
        result *= y

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        xp, (h,), (g, y) = context.xp, context.cotangents, context.operands
        along_g = xp.sum(g * y, axis=self.axes, keepdims=True)
        along_h = xp.sum(h * y, axis=self.axes, keepdims=True)
        return [xp.apply(self, h, y), h * (g - along_g) - g * along_h]


@dataclass(frozen=True, slots=True)
class LogSoftmax(ElementwiseComposition):
    """x - log(sum(exp(x))) along axes, right where softmax is too small for its dtype.

    Derivative:  g - exp(y) sum(g)
    Reference:   torch.nn.functional.log_softmax
    """

    axes: Axes
    kind = OperationKind.REDUCTION

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        (x,) = operands
        if 0 in x.shape:
            return x + 0
        shifted = x - xp.max(x, axis=self.axes, keepdims=True)
        return shifted - xp.log(xp.sum(xp.exp(shifted), axis=self.axes, keepdims=True))

    def evaluate(self, *operands: Array) -> Results:
        (x,) = operands
        if not x.size:
            return x.copy()
        result = np.empty_like(x, subok=False)
        in_blocks(self._fill, self.axes, np.asarray(x), result)
        return _own(result)

    def _fill(self, x: Array, result: Array) -> None:
        # A rounding error of log(sum) is as large as one of x - max(x) while numbers are small.
        shifted = x if _is_moderate(x, _SMALL) else _shifted(x, self.axes, result)
        np.subtract(shifted, np.log(sum_along(np.exp(shifted), self.axes)), out=result)

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        xp, (g,), (y,) = context.xp, context.cotangents, context.results
        return [g - xp.exp(y) * xp.sum(g, axis=self.axes, keepdims=True)]


@dataclass(frozen=True, slots=True)
class LogSumExp(Composition):
    """log(sum(exp(x))) along axes, with the axes kept. A row of minus infinities gives minus infinity.

    Derivative:  g exp(x - y), 0 in rows of minus infinities, and NaN for an infinite element, as in torch
    Reference:   torch.logsumexp, scipy.special.logsumexp
    """

    axes: Axes
    kind = OperationKind.REDUCTION

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (x,) = operand_types
        shape = reduced_shape(x.shape, self.axes, True)
        return (tensor_type(shape, x.dtype, is_scalar=not shape),)

    def compose(self, xp: Namespace, *operands: Value) -> Value:
        (x,) = operands
        if any(x.shape[axis] == 0 for axis in self.axes):
            return xp.sum(x, axis=self.axes, keepdims=True) - np.inf
        largest = xp.max(x, axis=self.axes, keepdims=True)
        shift = _finite(xp, largest)
        return xp.log(xp.sum(xp.exp(x - shift), axis=self.axes, keepdims=True)) + shift

    def evaluate(self, *operands: Array) -> Results:
        with np.errstate(divide="ignore"):  # log(0) is meant to be minus infinity
            return Composition.evaluate(self, *operands)

    def vjp(self, context: VjpContext) -> Sequence[Value]:
        xp, (g,), (x,), (y,) = context.xp, context.cotangents, context.operands, context.results
        return [g * xp.exp(x - xp.where(y == -np.inf, 0, y))]


def _finite(xp: Namespace, shift: Value) -> Value:
    # inf - inf would be NaN; infinite rows are shifted by 0.
    return xp.where(xp.isfinite(shift), shift, 0)


def _shifted(x: Array, axes: Axes, out: Array) -> Array:
    """Return x minus its maximum along axes, in memory that is given."""
    return np.asarray(np.subtract(x, np.max(x, axis=axes, keepdims=True), out=out))


# Between minus such a number and itself, neither exp nor the sum of 1e20 of them, nor a quotient, leaves the normal numbers.
_FAR_FROM_OVERFLOW = {"f": 20.0, "d": 300.0}
_SMALL = {"f": 8.0, "d": 8.0}


def _is_moderate(x: Array, limits: Mapping[str, float]) -> bool:
    """Return whether exp of all elements can go without a shift; looking takes a third of the time of shifting rows."""
    limit = limits.get(x.dtype.char)
    # A NaN makes a comparison false: such rows are shifted, as large numbers are.
    return (
        limit is not None
        and bool(np.maximum.reduce(x, axis=None) <= limit)
        and bool(np.minimum.reduce(x, axis=None) >= -limit)
    )


def _own(result: Array) -> Results:
    return result if result.ndim else result[()]


def _along(function: str, operation: Callable[[Axes], Composition], x: TensorLike, axis: AxesLike | None) -> LazyTensor:
    tensor = floating(function, x)
    return apply(operation(axes_or_all(axis, tensor.ndim)), tensor)


def softmax(x: TensorLike, axis: AxesLike | None = -1) -> LazyTensor:
    """Return exp(x) / sum(exp(x)) along an axis, or along several together; None means all.

    Shapes:      the shape of x
    Dtype:       that of x; integers become float64
    Derivative:  y (g - sum(g y))
    Raises:      AxisError: an axis is out of range; DtypeError: x is complex
    Reference:   torch.softmax, which takes one axis
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(softmax([1e4, 1e4, -1e4]))
        array([0.5, 0.5, 0. ])
    """
    return _along("softmax", Softmax, x, axis)


def log_softmax(x: TensorLike, axis: AxesLike | None = -1) -> LazyTensor:
    """Return log(softmax(x)) along axes, right where softmax itself is 0; shapes, dtypes and errors as for `softmax`.

    Derivative:  g - exp(y) sum(g)
    Reference:   torch.nn.functional.log_softmax
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(log_softmax([0.0, 1e4]))
        array([-10000.,      0.])
    """
    return _along("log_softmax", LogSoftmax, x, axis)


def softmin(x: TensorLike, axis: AxesLike | None = -1) -> LazyTensor:
    """Return softmax(-x) along axes; shapes, dtypes and errors as for `softmax`.

    Derivative:  minus that of softmax at -x
    Reference:   torch.nn.functional.softmin
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(softmin([2.0, 2.0]))
        array([0.5, 0.5])
    """
    return softmax(cnp.negative(floating("softmin", x)), axis)


def logsumexp(x: TensorLike, axis: AxesLike | None = None, *, keepdims: bool = False) -> LazyTensor:
    """Return log(sum(exp(x))) along axes, None for all, without overflow. An empty or all -inf row gives -inf.

    Shapes:      x without the axes, or with length 1 in their places
    Dtype:       that of x; integers become float64
    Derivative:  g softmax(x), and 0 where the row is all -inf
    Raises:      AxisError: an axis is out of range; DtypeError: x is complex
    Reference:   scipy.special.logsumexp
    Example:
        >>> import composit.numpy as cnp
        >>> cnp.evaluate(logsumexp([[1000.0, 1000.0], [-np.inf, -np.inf]], axis=1))
        array([1000.69314718,          -inf])
    """
    tensor = floating("logsumexp", x)
    axes = axes_or_all(axis, tensor.ndim)
    kept = apply(LogSumExp(axes), tensor)
    return kept if keepdims or not axes else cnp.squeeze(kept, axes)
