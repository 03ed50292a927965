"""Arrays made from nothing: zeros, full, arange, linspace, eye, ...

Two calls make two arrays, even with equal arguments: the operations here carry a serial number, so that their nodes
differ. array and asarray are in from_values.py.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from composit.apply import apply, input_of, leaf
from composit.errors import NoRuleError, ParameterError, ShapeError
from composit.guards import read_value
from composit.handle import TensorHandle
from composit.keys import Key
from composit.numpy.arguments.normalizing import (
    ShapeLike,
    TensorLike,
    broadcast_shapes,
    dtype_or,
    handle_of,
    is_number,
    new_handle,
    normalize_axis,
    normalize_shape,
    truth,
    whole,
)
from composit.numpy.calls.array_function import ArrayFunction
from composit.numpy.calls.declarations import rule_for, without_rule
from composit.numpy.calls.expressions import KnownResults
from composit.numpy.creation import expressions  # noqa: F401  # registers what geomspace is differentiated as
from composit.numpy.creation.from_values import asarray
from composit.numpy.manipulation.broadcasting import broadcast_to
from composit.numpy.manipulation.reshaping import transpose
from composit.numpy.views.layout import InOrder, in_c_order, order_of_axes
from composit.operation import (
    Array,
    Dtype,
    Operation,
    OperationKind,
    Shape,
    TensorType,
    VjpContext,
    serial_field,
    tensor_type,
)

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "geomspace",
    "identity",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "tri",
    "zeros",
    "zeros_like",
]


# More than a process can address: such a shape is left to numpy, which raises its error at the call.
MAX_NUM_BYTES = 2**47

MOST_COPIED_BYTES = 1 << 16  # larger filled arrays that are only read stay one element with strides of 0


@dataclass(frozen=True, slots=True)
class Full(Operation):
    """An array of one value. Reference: https://numpy.org/doc/stable/reference/generated/numpy.full.html"""

    shape: Shape
    dtype: Dtype
    fill_value: Any  # a Python or numpy scalar
    serial: Key = serial_field()
    keeps_c_order = True
    kind = OperationKind.CREATION
    no_derivative = "no operands"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        if math.prod(self.shape) * self.dtype.itemsize > MAX_NUM_BYTES:
            raise NoRuleError(f"full: no machine holds an array of shape {self.shape}")
        return (tensor_type(self.shape, self.dtype),)

    def cost(self, operand_types: Sequence[TensorType], result_types: Sequence[TensorType]) -> int:
        # A single stored element stands for all.
        return 0

    def evaluate(self, *operands: Array) -> Array:
        return np.full(self.shape, self.fill_value, self.dtype)

    def evaluate_for_reading(self, *operands: Array) -> Array:
        # Strides of 0 cost no memory, but numpy may take another loop for them, with other results: clip then keeps the
        # sign of -0.0.
        array = np.broadcast_to(self.element(), self.shape)
        return array.copy() if array.nbytes <= MOST_COPIED_BYTES else array

    def element(self) -> Array:
        """Return one element, cast as np.full casts: full(3, -1.5, "uint32") is allowed, np.uint32(-1.5) raises."""
        with np.errstate(invalid="ignore"):
            return np.full((), self.fill_value, self.dtype)


@dataclass(frozen=True, slots=True)
class Arange(Operation):
    """Values a step apart. Reference: https://numpy.org/doc/stable/reference/generated/numpy.arange.html"""

    start: Any  # start, stop and step are Python or numpy scalars
    stop: Any
    step: Any
    dtype: Dtype
    serial: Key = serial_field()
    keeps_c_order = True
    kind = OperationKind.CREATION
    no_derivative = "no operands"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        # numpy divides as Python does, before any cast to dtype.
        length = max(math.ceil((self.stop - self.start) / self.step), 0)
        return (tensor_type((length,), self.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        bounds: Any = (self.start, self.stop, self.step)  # numpy declares an overload per combination
        return np.arange(*bounds, dtype=self.dtype)


@dataclass(frozen=True, slots=True)
class Linspace(Operation):
    """`num` evenly spaced values. Reference: https://numpy.org/doc/stable/reference/generated/numpy.linspace.html"""

    start: Any  # start and stop are Python or numpy scalars
    stop: Any
    num: int
    endpoint: bool
    dtype: Dtype
    serial: Key = serial_field()
    keeps_c_order = True
    kind = OperationKind.CREATION
    no_derivative = "no operands"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type((self.num,), self.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return np.linspace(self.start, self.stop, self.num, self.endpoint, dtype=self.dtype)


@dataclass(frozen=True, slots=True)
class Eye(Operation):
    """Ones on a diagonal. Reference: https://numpy.org/doc/stable/reference/generated/numpy.eye.html"""

    N: int
    M: int
    k: int
    dtype: Dtype
    serial: Key = serial_field()
    keeps_c_order = True
    kind = OperationKind.CREATION
    no_derivative = "no operands"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type((self.N, self.M), self.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return np.eye(self.N, self.M, self.k, self.dtype)


@dataclass(frozen=True, slots=True)
class Tri(Operation):
    """Ones on and below a diagonal. Reference: https://numpy.org/doc/stable/reference/generated/numpy.tri.html"""

    N: int
    M: int
    k: int
    dtype: Dtype
    serial: Key = serial_field()
    keeps_c_order = True
    kind = OperationKind.CREATION
    no_derivative = "no operands"

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        return (tensor_type((self.N, self.M), self.dtype),)

    def evaluate(self, *operands: Array) -> Array:
        return np.tri(self.N, self.M, self.k, self.dtype)


# Arguments of numpy with the values that change nothing for a lazy tensor, and so are accepted.
_TO_LEAVE_OUT: Mapping[str, tuple[object, ...]] = {
    "order": (None, "K", "A", "C"),
    "subok": (False, True),
    "like": (None,),
    "device": (None, "cpu"),
}


def _check_layout(function: str, others: dict[str, Any]) -> None:
    for name, value in others.items():
        if name not in _TO_LEAVE_OUT:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
        if not any(type(value) is type(known) and value == known for known in _TO_LEAVE_OUT[name]):
            raise ParameterError(
                f"{function}: {name}={value!r} was given; a lazy tensor has no memory layout, subclass or device of its"
                " own; leave the argument out"
            )


@rule_for(np.full)
def full(
    shape: ShapeLike, fill_value: TensorLike, dtype: Any = None, *, name: str | None = None, **others: Any
) -> LazyTensor:
    """Return a new array of one value; an array as fill value is broadcast. See np.full.

    name:  a label for the tensor, shown in pictures; numpy has no such argument
    """
    _check_layout("full", others)
    lengths = normalize_shape(shape)
    if hasattr(fill_value, "__lazy_tensor__") or np.ndim(fill_value):
        values = asarray(fill_value, dtype)
        if values.ndim > len(lengths):
            raise NoRuleError("full: values with more axes, which numpy leaves out where they have one element")
        return in_c_order(broadcast_to(values, lengths))
    chosen = dtype_or(dtype, np.asarray(fill_value).dtype)
    value = fill_value.item() if isinstance(fill_value, np.ndarray) else fill_value
    if type(value) is int and chosen.kind in "iu":
        np.empty((), chosen)[()] = value  # raises where it does not fit
    return leaf(Full(lengths, chosen, value))


@rule_for(np.zeros)
def zeros(shape: ShapeLike, dtype: Any = None, *, name: str | None = None, **others: Any) -> LazyTensor:
    """Return a new array of zeros. See np.zeros.

    name:  a label for the tensor, shown in pictures; numpy has no such argument

    Example:
        >>> zeros((2, 3), name="bias").name
        'bias'
    """
    _check_layout("zeros", others)
    return leaf(Full(normalize_shape(shape), _with_a_zero(dtype_or(dtype, np.dtype(float))), 0))


@rule_for(np.ones)
def ones(shape: ShapeLike, dtype: Any = None, *, name: str | None = None, **others: Any) -> LazyTensor:
    """Return a new array of ones; `name` labels it, as in `zeros`. See np.ones."""
    _check_layout("ones", others)
    return leaf(Full(normalize_shape(shape), dtype_or(dtype, np.dtype(float)), 1))


@rule_for(np.empty)
def empty(shape: ShapeLike, dtype: Any = None, **others: Any) -> LazyTensor:
    """Return a new array of zeros. See np.empty, whose elements are arbitrary: two evaluations would differ."""
    _check_no_objects(dtype)
    return zeros(shape, dtype, **others)


def _with_a_zero(dtype: Dtype) -> Dtype:
    if dtype.kind in "SUVT":
        raise NoRuleError("zeros: texts are empty, not 0")
    return dtype


def _check_no_objects(dtype: Any) -> None:
    if np.dtype(dtype).hasobject:
        raise NoRuleError("empty: elements that are objects are None, not zero")


@rule_for(np.full_like)
def full_like(
    a: TensorLike, fill_value: TensorLike, dtype: Any = None, *, shape: Any = None, **others: Any
) -> LazyTensor:
    """Return a new array of one value with another's shape and dtype. See np.full_like."""
    tensor = handle_of(a)
    # full has no `subok`, so it is checked and dropped here.
    _check_layout("full_like", {"subok": others.pop("subok", True)})
    wanted = others.get("order", "K")
    if wanted in ("K", "A"):
        others.pop("order", None)
    result = full(tensor.shape if shape is None else shape, fill_value, dtype_or(dtype, tensor.dtype), **others)
    order = order_of_axes(tensor) if wanted in ("K", "A") else None
    if order is not None and shape is not None:
        raise NoRuleError("full_like: another shape in the order of an array that does not lie in C order")
    if order is None or (wanted == "A" and order != tuple(reversed(range(tensor.ndim)))):
        return result
    # Make the result in C order with the axes permuted as they lie in the other array's memory, then permute them back.
    packed = apply(InOrder("C"), transpose(result, order))
    return new_handle(transpose(packed, tuple(sorted(range(len(order)), key=order.__getitem__))))


@rule_for(np.zeros_like)
def zeros_like(a: TensorLike, dtype: Any = None, *, shape: Any = None, **others: Any) -> LazyTensor:
    """Return a new array of zeros with another's shape and dtype. See np.zeros_like."""
    _with_a_zero(dtype_or(dtype, handle_of(a).dtype))
    return full_like(a, 0, dtype, shape=shape, **others)


@rule_for(np.ones_like)
def ones_like(a: TensorLike, dtype: Any = None, *, shape: Any = None, **others: Any) -> LazyTensor:
    """Return a new array of ones with another's shape and dtype. See np.ones_like."""
    return full_like(a, 1, dtype, shape=shape, **others)


@rule_for(np.empty_like)
def empty_like(a: TensorLike, dtype: Any = None, *, shape: Any = None, **others: Any) -> LazyTensor:
    """Return a new array of zeros with another's shape and dtype. See np.empty_like, whose elements are arbitrary."""
    _check_no_objects(handle_of(a).dtype if dtype is None else dtype)
    return zeros_like(a, dtype, shape=shape, **others)


def _known_scalar(value: Any) -> Any:
    # The result's length must be known now, so a tensor is evaluated. Its dtype counts in the promotion.
    if hasattr(value, "__lazy_tensor__"):
        return np.asarray(read_value(value.__lazy_tensor__(), "arange"))[()]
    return value[()] if isinstance(value, np.ndarray) else value


@rule_for(np.arange)
def arange(*given: Any, **named: Any) -> LazyTensor:
    """Return evenly spaced values from start up to stop, which is excluded. See np.arange."""
    # A single positional argument is the stop: arange(3). With a keyword it is the start: arange(3, stop=5).
    is_stop = len(given) == 1 and not named.keys() & {"start", "stop"}
    return _evenly_spaced(*((0, *given) if is_stop else given), **named)


def _evenly_spaced(start: Any = 0, stop: Any = None, step: Any = 1, dtype: Any = None, **others: Any) -> LazyTensor:
    _check_layout("arange", others)
    if stop is None:
        raise NoRuleError("arange: no stop, in whose place numpy takes start, or says no")
    first, distance = start, 1 if step is None else step
    parts = start, stop, step = [_known_scalar(part) for part in (start, stop, 1 if step is None else step)]
    for part in parts:
        if np.ndim(part):
            raise NoRuleError(f"arange: {type(part).__name__} is no scalar")
    dtypes = [np.asarray(part).dtype for part in parts]
    # int64 counts in the promotion, and Python's scalars count with the dtype of their class. Dates do not promote with
    # int64; numpy makes such ranges itself.
    if any(each.kind not in "biuf" for each in dtypes):
        return input_of(np.arange(*parts, dtype=dtype))
    chosen = dtype_or(dtype, np.result_type(np.int64, *dtypes))
    if chosen.kind not in "biuf":
        return input_of(np.arange(*parts, dtype=dtype))
    known = leaf(Arange(start, stop, step, chosen))
    ends = [part for part in (first, distance) if isinstance(part, TensorHandle) and part.dtype.kind == "f"]
    return apply(Progression(), known, first, distance) if ends and chosen.kind == "f" else known


@dataclass(frozen=True, slots=True)
class Progression(KnownResults):
    """Known numbers start + i * step. Operands: the numbers, start and step, whose values were read.

    Derivative:  of start, the sum of g; of step, the sum of i * g
    """

    kind = OperationKind.CREATION

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        xp, (g,) = context.xp, context.cotangents
        return [None, xp.sum(g), xp.sum(g * np.arange(xp.shape(g)[0]))]


@rule_for(np.linspace)
def linspace(
    start: TensorLike,
    stop: TensorLike,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Return `num` evenly spaced values from start to stop. See np.linspace."""
    number = whole(num)
    if number < 0:
        raise ShapeError(f"Number of samples, {number}, must be non-negative.: linspace makes as many as num says")
    divisions = number - 1 if endpoint else number
    if is_number(start) and is_number(stop):
        chosen = dtype_or(dtype, np.result_type(start, stop, float(number)))
        values = leaf(Linspace(start, stop, number, truth(endpoint), chosen))
        step: Any = np.divide(stop * 1.0 - start * 1.0, divisions) if divisions > 0 else math.nan
    else:
        values = _linspace_between(start, stop, number, truth(endpoint), dtype, axis)
        step = (handle_of(stop) - handle_of(start)) / divisions if retstep and divisions > 0 else math.nan
    return (values, step) if retstep else values


@dataclass(frozen=True, slots=True)
class LinspaceBetween(ArrayFunction):
    """Evenly spaced values between the elements of two arrays, along a new axis.

    Derivative:  each value is (1 - t) start + t stop: g (1 - t) and g t, summed along the new axis
    Reference:   numpy.linspace
    """

    function = staticmethod(np.linspace)
    num: int
    endpoint: bool
    dtype: Dtype | None
    axis: int
    keeps_c_order = False

    def result_types(self, *operand_types: TensorType) -> tuple[TensorType, ...]:
        start, stop = operand_types
        shape = list(broadcast_shapes(start.shape, stop.shape))
        shape.insert(normalize_axis(self.axis, len(shape) + 1), self.num)
        ends = [end.dtype if end.weak is None else end.weak(0) for end in operand_types]
        return (tensor_type(tuple(shape), np.result_type(*ends, 1.0) if self.dtype is None else self.dtype),)

    def vjp(self, context: VjpContext) -> Sequence[Any]:
        if not self.num:
            return [None, None]
        xp, (g,) = context.xp, context.cotangents
        shares = np.linspace(0.0, 1.0, self.num, self.endpoint)
        rows = xp.moveaxis(g, self.axis, -1)
        return [xp.sum(rows * share, axis=-1) for share in (1 - shares, shares)]


def _linspace_between(start: Any, stop: Any, number: int, endpoint: bool, dtype: Any, axis: int) -> LazyTensor:
    if any(
        not is_number(end) and isinstance(end, numbers.Number) and not isinstance(end, TensorHandle)
        for end in (start, stop)
    ):
        raise NoRuleError("linspace: ends of a class of their own")
    ends = [handle_of(end) for end in (start, stop)]
    if any(end.dtype.kind not in "biufc" for end in ends):
        raise NoRuleError("linspace: ends that are no numbers")
    between = LinspaceBetween(number, endpoint, None if dtype is None else np.dtype(dtype), axis)
    return apply(between, *ends)


@rule_for(np.logspace)
def logspace(
    start: TensorLike,
    stop: TensorLike,
    num: Any = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> LazyTensor:
    """Return base to the power of evenly spaced exponents. See np.logspace.

    Lazy where the base is a number; numpy computes it at the call where it is an array or a tensor.
    """
    if np.ndim(base) or isinstance(base, TensorHandle):
        raise NoRuleError("logspace: several bases")
    values: LazyTensor = base ** linspace(start, stop, num, endpoint, axis=axis)
    return values if dtype is None else values.astype(dtype)


geomspace = without_rule(np.geomspace)


@rule_for(np.eye)
def eye(N: Any, M: Any = None, k: int = 0, dtype: Any = float, **others: Any) -> LazyTensor:
    """Return a matrix with ones on a diagonal. See np.eye."""
    _check_layout("eye", others)
    rows, columns = normalize_shape((N, N if M is None else M))
    return leaf(Eye(rows, columns, whole(k), dtype_or(dtype, np.dtype(float))))


@rule_for(np.identity)
def identity(n: Any, dtype: Any = None, **others: Any) -> LazyTensor:
    """Return the square matrix with ones on its diagonal. See np.identity."""
    return eye(n, dtype=float if dtype is None else dtype, **others)


@rule_for(np.tri)
def tri(N: Any, M: Any = None, k: int = 0, dtype: Any = float, **others: Any) -> LazyTensor:
    """Return a matrix with ones on and below a diagonal. See np.tri."""
    _check_layout("tri", others)
    rows, columns = normalize_shape((N, N if M is None else M))
    return leaf(Tri(rows, columns, whole(k), dtype_or(dtype, np.dtype(float))))
