"""Reductions by a ufunc (sum, prod, max, min, any, all), argmax and argmin, cumsum and cumprod.

mean and var are in statistics/averages.py, the formulas of the derivatives in derivatives.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from composit.apply import apply
from composit.errors import NoRuleError, ShapeError
from composit.handle import new_tensor
from composit.numpy.arguments.normalizing import AxesLike, AxisLike, TensorLike, handle_of, named_dtype, normalize_axis
from composit.numpy.calls.declarations import rule_for
from composit.numpy.calls.expressions import pulled_back
from composit.numpy.elementwise import table
from composit.numpy.elementwise.functions import ElementwiseFunction
from composit.numpy.manipulation.reshaping import reshape
from composit.numpy.reductions import derivatives
from composit.numpy.reductions.arguments import are_plain, axes_of, is_set, reduced_dtype, reduced_shape
from composit.numpy.reductions.masked import masked_reduce
from composit.numpy.reductions.running import EXTREMA, Accumulate, last_of_running
from composit.operation import (
    Array,
    Axes,
    Dtype,
    Operation,
    OperationKind,
    Results,
    TensorType,
    VjpContext,
    tensor_type,
)
from composit.source import Source, find_source

if TYPE_CHECKING:
    import numpy.typing as npt

    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "max",
    "min",
    "prod",
    "sum",
]

DtypeLike: TypeAlias = "npt.DTypeLike | None"

_BY_ADDITION, _BY_PRODUCT = table.add, table.multiply
_LOGARITHMS = {table.logaddexp: table.exp, table.logaddexp2: table.exp2}
_OF_TRUTH = (table.logical_and, table.logical_or)
# Objects, texts and records: numpy reduces them by methods of the elements, or not at all.
KINDS_OF_OBJECTS = "OSUVT"
_OBJECT = np.dtype(object)


@dataclass(frozen=True, slots=True)
class Reduce(Operation):
    """One ufunc such as add applied along axes: sum, prod, max, ...; `dtype` is that of the computation.

    Derivative:  of sums, products, extrema and logaddexp in closed form, of others that of the last of their running
                 results; nothing flows through all and any
    Reference:   numpy.ufunc.reduce
    """

    function: ElementwiseFunction
    axes: Axes
    keepdims: bool
    dtype: Dtype | None = None
    keeps_c_order = True
    kind = OperationKind.REDUCTION

    @property
    def name(self) -> str:
        return _REDUCTION_NAMES.get(self.function, f"{self.function.name}.reduce")

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        (operand,) = operand_types
        has_identity = self.function.ufunc.identity is not None
        if not has_identity and math.prod(operand.shape[axis] for axis in self.axes) == 0:
            raise ShapeError(
                f"zero-size array to reduction operation {self.function.name} which has no identity: axes {self.axes} "
                f"of shape {operand.shape} hold no element; pass initial=, the result where there is none"
            )
        shape = reduced_shape(operand.shape, self.axes, self.keepdims)
        return (tensor_type(shape, reduced_dtype(self.function, operand, self.dtype), is_scalar=not shape),)

    def evaluate(self, *operands: Array) -> Results:
        return self.evaluator()(*operands)

    def evaluator(self) -> Callable[..., Results]:
        reduce = self.function.ufunc.reduce
        return partial(reduce, axis=self.axes, dtype=self.dtype, keepdims=self.keepdims)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,), (x,), (result,) = context.xp, context.cotangents, context.operands, context.results
        if self.function is _BY_ADDITION:
            return [derivatives.spread(xp, g, x, self.axes, self.keepdims)]
        if self.function is _BY_PRODUCT:
            others = derivatives.product_of_others(xp, x, self.axes)
            return [derivatives.kept(xp, g, self.axes, self.keepdims) * others]
        if self.function in EXTREMA:
            return [derivatives.share_among_extrema(xp, g, result, x, self.axes, self.keepdims)]
        if not math.prod(xp.shape(x)):
            return [xp.zeros_like(x)]
        if self.function in _LOGARITHMS:
            exponential = getattr(xp, _LOGARITHMS[self.function].name)
            return [derivatives.log_sum(xp, g, result, x, self.axes, self.keepdims, exponential)]
        return [None] if self.function in _OF_TRUTH else pulled_back(context, self._last_of_running)

    def _last_of_running(self, x: LazyTensor) -> LazyTensor:
        return last_of_running(self.function, x, self.axes, self.keepdims, self.dtype)


_REDUCTION_NAMES = {
    table.add: "sum",
    table.multiply: "prod",
    table.maximum: "max",
    table.minimum: "min",
    table.logical_and: "all",
    table.logical_or: "any",
}


@dataclass(frozen=True, slots=True)
class ArgReduce(Operation):
    """The position of the first extremum along one axis, or among all elements if axis is None.

    Reference:   numpy.argmax, numpy.argmin
    """

    function: Literal["argmax", "argmin"]
    axis: int | None
    keepdims: bool
    keeps_c_order = True
    kind = OperationKind.REDUCTION
    no_derivative = "a position is an integer"

    @property
    def name(self) -> str:
        return self.function

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        shape = operand_types[0].shape
        axes = tuple(range(len(shape))) if self.axis is None else (self.axis,)
        if math.prod(shape[axis] for axis in axes) == 0:
            raise ShapeError(
                f"attempt to get {self.function} of an empty sequence: axis {self.axis} of shape {shape} holds no "
                "element; there is no position to return"
            )
        result = reduced_shape(shape, axes, self.keepdims)
        return (tensor_type(result, np.intp, is_scalar=not result),)

    def evaluate(self, *operands: Array) -> Results:
        return self.evaluator()(*operands)

    def evaluator(self) -> Callable[..., Results]:
        return partial(_POSITION_FUNCTIONS[self.function], axis=self.axis, keepdims=self.keepdims)


_POSITION_FUNCTIONS: dict[str, Callable[..., Any]] = {"argmax": np.argmax, "argmin": np.argmin}


def _reduce(
    source: Source | None,
    function: ElementwiseFunction,
    a: TensorLike,
    axis: AxesLike | None,
    dtype: DtypeLike,
    keepdims: object,
    initial: Any = np._NoValue,
    where: Any = np._NoValue,
) -> LazyTensor:
    handle = handle_of(a)
    is_kept: Any = keepdims if keepdims.__class__ is bool else keepdims is not np._NoValue and is_set(keepdims)
    if initial is np._NoValue and (where is np._NoValue or where is True) and are_plain(axis):
        # A dtype that cannot be hashed raises TypeError, and numpy decides.
        operation, types = _planned(function, axis, is_kept, dtype, handle.type)  # type: ignore[arg-type]
        return new_tensor(operation, (handle.node, handle.output_index), types, source)
    dtype = None if dtype is None else named_dtype(dtype)
    _refuse_objects(function, handle.type, dtype)
    axes = axes_of(axis, handle.ndim)
    return masked_reduce(function, handle, axes, is_kept, dtype, initial, where)


# A program repeats few distinct reductions, so most calls find their operation and result type here.
@lru_cache(maxsize=4096, typed=True)
def _planned(
    function: ElementwiseFunction, axis: Any, is_kept: bool, dtype: DtypeLike, operand: TensorType
) -> tuple[Reduce, tuple[TensorType, ...]]:
    dtype = None if dtype is None else named_dtype(dtype)
    _refuse_objects(function, operand, dtype)
    operation = Reduce(function, axes_of(axis, operand.ndim), is_kept, dtype)
    return operation, operation.result_types(operand)


def _refuse_objects(function: ElementwiseFunction, operand: TensorType, dtype: Dtype | None) -> None:
    if operand.dtype.kind in KINDS_OF_OBJECTS or dtype == _OBJECT:
        raise NoRuleError(f"{function.name}.reduce: elements that are objects or texts")


def reduce_by(
    function: ElementwiseFunction,
    a: TensorLike,
    axis: AxesLike | None = 0,
    dtype: DtypeLike = None,
    keepdims: object = False,
    initial: Any = np._NoValue,
    where: Any = np._NoValue,
) -> LazyTensor:
    """Return the reduction along axes by a function of two operands. See np.ufunc.reduce.

    Raises:  NoRuleError: numpy refuses these axes, or means something else by these arguments
    """
    handle = handle_of(a)
    if initial is None or (len(axes_of(axis, handle.ndim)) != 1 and not _is_reorderable(function)):
        raise NoRuleError(f"{function.name}.reduce: several axes, or no initial value where numpy has one")
    return _reduce(find_source(), function, handle, axis, dtype, keepdims, initial, where)


@lru_cache(maxsize=256)
def _is_reorderable(function: ElementwiseFunction) -> bool:
    """Return whether numpy reduces several axes, whose elements it visits in any order."""
    try:
        function.ufunc.reduce(np.ones((1, 1), int), axis=(0, 1))
    except (TypeError, ValueError):
        return False
    return True


def accumulate_by(
    function: ElementwiseFunction, a: TensorLike, axis: AxisLike | None = 0, dtype: DtypeLike = None
) -> LazyTensor:
    """Return the running results along an axis of a function of two operands. See np.ufunc.accumulate."""
    handle = handle_of(a)
    if axis is None or not handle.ndim:
        raise NoRuleError(f"{function.name}.accumulate: no axis")
    return _accumulate(function, handle, axis, dtype)


@rule_for(np.sum)
def sum(
    a: TensorLike,
    axis: AxesLike | None = None,
    dtype: DtypeLike = None,
    out: None = None,
    keepdims: object = np._NoValue,
    initial: Any = np._NoValue,
    where: Any = np._NoValue,
) -> LazyTensor:
    """Return the sum along axes, plus `initial`. See np.sum.

    Derivative:  g at every element
    """
    return _reduce(find_source(), table.add, a, axis, dtype, keepdims, initial, where)


@rule_for(np.prod)
def prod(
    a: TensorLike,
    axis: AxesLike | None = None,
    dtype: DtypeLike = None,
    out: None = None,
    keepdims: object = np._NoValue,
    initial: Any = np._NoValue,
    where: Any = np._NoValue,
) -> LazyTensor:
    """Return the product along axes, times `initial`. See np.prod.

    Derivative:  g times the product of the other elements, right at zeros
    """
    return _reduce(find_source(), table.multiply, a, axis, dtype, keepdims, initial, where)


@rule_for(np.max)
def max(
    a: TensorLike,
    axis: AxesLike | None = None,
    out: None = None,
    keepdims: object = np._NoValue,
    initial: Any = np._NoValue,
    where: Any = np._NoValue,
) -> LazyTensor:
    """Return the largest element along axes. See np.max.

    Derivative:  g at the largest element, shared evenly by equal ones
    Raises:      ShapeError: no elements and no `initial`
    """
    return _reduce(find_source(), table.maximum, a, axis, None, keepdims, initial, where)


@rule_for(np.min)
def min(
    a: TensorLike,
    axis: AxesLike | None = None,
    out: None = None,
    keepdims: object = np._NoValue,
    initial: Any = np._NoValue,
    where: Any = np._NoValue,
) -> LazyTensor:
    """Return the smallest element along axes; derivative and errors as for `max`. See np.min."""
    return _reduce(find_source(), table.minimum, a, axis, None, keepdims, initial, where)


amax = rule_for(np.amax)(max)
amin = rule_for(np.amin)(min)


@rule_for(np.all)
def all(
    a: TensorLike,
    axis: AxesLike | None = None,
    out: None = None,
    keepdims: object = np._NoValue,
    *,
    where: Any = np._NoValue,
) -> LazyTensor:
    """Return whether all elements along axes are true. See np.all."""
    return _reduce(find_source(), table.logical_and, a, axis, None, keepdims, where=where)


@rule_for(np.any)
def any(
    a: TensorLike,
    axis: AxesLike | None = None,
    out: None = None,
    keepdims: object = np._NoValue,
    *,
    where: Any = np._NoValue,
) -> LazyTensor:
    """Return whether any element along axes is true. See np.any."""
    return _reduce(find_source(), table.logical_or, a, axis, None, keepdims, where=where)


@rule_for(np.count_nonzero)
def count_nonzero(a: TensorLike, axis: AxesLike | None = None, *, keepdims: bool = False) -> LazyTensor:
    """Return the number of elements along axes that are not zero. See np.count_nonzero."""
    handle = handle_of(a)
    if handle.dtype.kind not in "biufc":
        raise NoRuleError("count_nonzero: elements that are no numbers")
    return _reduce(find_source(), table.add, table.not_equal(handle, 0), axis, np.intp, keepdims)


def _arg_reduce(function: Literal["argmax", "argmin"], a: TensorLike, axis: Any, keepdims: object) -> LazyTensor:
    handle = handle_of(a)
    position = None if axis is None else normalize_axis(axis, handle.ndim or 1)
    if handle.ndim == 0:
        position = None
    return apply(ArgReduce(function, position, keepdims is not np._NoValue and is_set(keepdims)), handle)


@rule_for(np.argmax)
def argmax(a: TensorLike, axis: int | None = None, out: None = None, *, keepdims: object = np._NoValue) -> LazyTensor:
    """Return the position of the first largest element. See np.argmax."""
    return _arg_reduce("argmax", a, axis, keepdims)


@rule_for(np.argmin)
def argmin(a: TensorLike, axis: int | None = None, out: None = None, *, keepdims: object = np._NoValue) -> LazyTensor:
    """Return the position of the first smallest element. See np.argmin."""
    return _arg_reduce("argmin", a, axis, keepdims)


def _accumulate(function: ElementwiseFunction, a: TensorLike, axis: AxisLike | None, dtype: DtypeLike) -> LazyTensor:
    handle = handle_of(a)
    if handle.dtype.kind in KINDS_OF_OBJECTS or dtype == _OBJECT:
        raise NoRuleError(f"{function.name}.accumulate: elements that are objects or texts")
    if axis is None or handle.ndim == 0:
        normalize_axis(0 if axis is None else axis, 1)
        handle = reshape(handle, (-1,)) if handle.ndim != 1 else handle
        axis = 0
    dtype = None if dtype is None else named_dtype(dtype)
    return apply(Accumulate(function, normalize_axis(axis, handle.ndim), dtype), handle)


@rule_for(np.cumsum)
def cumsum(a: TensorLike, axis: AxisLike | None = None, dtype: DtypeLike = None, out: None = None) -> LazyTensor:
    """Return the running sums along an axis, or of all elements in order. See np.cumsum.

    Derivative:  the running sum of g from the end
    """
    return _accumulate(table.add, a, axis, dtype)


@rule_for(np.cumprod)
def cumprod(a: TensorLike, axis: AxisLike | None = None, dtype: DtypeLike = None, out: None = None) -> LazyTensor:
    """Return the running products along an axis, or of all elements in order. See np.cumprod.

    Derivative:  computed without division, so right at zeros
    """
    return _accumulate(table.multiply, a, axis, dtype)
