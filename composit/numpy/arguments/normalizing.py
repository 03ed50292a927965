"""Numpy's arguments in one form: axes counted from the front, shapes as tuples of int; checks of Python integers.

All other folders build on it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, SupportsIndex, TypeAlias, TypeGuard

import numpy as np

from composit.apply import as_tensor
from composit.errors import AxisError, DtypeError, IntegerRangeError, NoRuleError, ParameterError, ShapeError
from composit.handle import TensorHandle, make_tensor
from composit.operation import Axes, Dtype, Shape, TensorType

if TYPE_CHECKING:
    import numpy.typing as npt

    from composit.numpy.tensor.lazy_tensor import LazyTensor

# What numpy takes for an axis, for axes, and for a shape.
AxisLike: TypeAlias = SupportsIndex
AxesLike: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
ShapeLike: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
_PYTHON_NUMBERS = (bool, int, float, complex)


class HasLazyTensor(Protocol):
    """A tensor of another library that was captured, such as a traced torch.Tensor."""

    def __lazy_tensor__(self) -> LazyTensor: ...


# Tensors, arrays, numbers, and nested sequences of them.
TensorLike: TypeAlias = "LazyTensor | npt.ArrayLike | HasLazyTensor"


def handle_of(value: TensorLike) -> LazyTensor:
    """Return the value as a tensor; tensors come back as they are."""
    return value if isinstance(value, TensorHandle) else as_tensor(value)  # type: ignore[return-value]  # all handles are LazyTensors


def is_number(value: object) -> TypeGuard[complex | np.number | np.bool]:
    """Return whether it is a Python or numpy number; False for tensors and for subclasses."""
    kind = type(value)
    return kind in _PYTHON_NUMBERS or (kind.__module__ == "numpy" and issubclass(kind, np.number | np.bool))


def new_handle(tensor: Any) -> LazyTensor:
    """Return a new handle of the tensor, for functions that copy in numpy: writes to one do not change the other."""
    if not isinstance(tensor, TensorHandle):
        raise NoRuleError("copy: an array of a subclass, whose class numpy keeps")
    return make_tensor(tensor.node, tensor.output_index)


def as_tuple(given: Any) -> tuple[Any, ...]:  # Any: numbers, and tensors that hold them
    """Return the numbers of an argument that takes one number or several: `axis=0` and `axis=(0, 1)` both as tuples."""
    if type(given) is tuple:
        return given
    is_one = getattr(given, "ndim", None) == 0 or not isinstance(given, Iterable)
    return (given,) if is_one else tuple(given)


def normalize_axis(axis: AxisLike, ndim: int, argument: str | None = None) -> int:
    """Return the axis counted from the front.

    Raises:  AxisError: it is out of bounds, with numpy's text and the argument's name before it
    """
    position = integer(axis)
    if not -ndim <= position < ndim:
        raise AxisError(position, ndim, argument)
    return position + ndim if position < 0 else position


def integer(number: SupportsIndex) -> int:
    """Return the Python int; a bool, and a value that is no integer, is left to numpy (NoRuleError)."""
    if isinstance(number, bool | np.bool):
        raise NoRuleError(f"integer: {number} was given; numpy takes a bool as an integer in few places")
    return whole(number)


# The C types in which numpy takes integers, by their number of bits.
_C_TYPES = {64: "long", 32: "int"}


def whole(number: SupportsIndex, num_bits: int = 64) -> int:
    """Return the Python int, True as 1; a value that is no integer is left to numpy (NoRuleError).

    Raises:  IntegerRangeError: it does not fit the C type in which numpy takes this argument
    """
    result = unbounded(number)
    if -0x8000_0000 <= result < 0x8000_0000:  # fits each of them
        return result
    limit = 1 << (num_bits - 1)
    if not -limit <= result < limit:
        raise IntegerRangeError(
            f"Python int too large to convert to C {_C_TYPES[num_bits]}: {result} was given; expected an integer from"
            f" {-limit} to {limit - 1}"
        )
    return result


def unbounded(number: SupportsIndex) -> int:
    """Return the Python int, however large; a value that is no integer is left to numpy (NoRuleError)."""
    try:
        return operator.index(number)
    except TypeError as error:
        raise NoRuleError(f"integer: {number!r:.40} was given: {error}") from error


def truth(value: object) -> bool:
    """Return the truth value of an argument; one without, such as a long array, is left to numpy (NoRuleError)."""
    try:
        return bool(value)
    except ValueError as error:
        raise NoRuleError(f"truth value: {value!r:.40} was given: {error}") from error


def normalize_axes(axes: AxesLike, ndim: int, argument: str | None = None) -> Axes:
    """Return the axes counted from the front, in the order given; a number is one axis.

    Raises:  AxisError: one is out of bounds; ShapeError: one is given twice
    """
    given = as_tuple(axes)
    result = tuple(normalize_axis(axis, ndim, argument) for axis in given)
    if len(set(result)) != len(result):
        where = f" in `{argument}` argument" if argument else ""
        raise ShapeError(f"repeated axis{where}: axes {given} of {ndim} name one axis twice; each may appear once")
    return result


def normalize_shape(shape: ShapeLike) -> Shape:
    """Return the shape as a tuple of int; a number is one axis.

    Raises:  ShapeError: a length is negative; TypeError: a length is no integer
    """
    result = tuple([integer(length) for length in as_tuple(shape)])
    if any(length < 0 for length in result):
        raise ShapeError(f"negative dimensions are not allowed: shape {result} was given; use lengths of 0 or more")
    return result


def resolve_shape(shape: ShapeLike, old: Shape) -> Shape:
    """Return the new shape of a reshape with its one unknown length filled in.

    Raises:  ShapeError: the sizes differ, or several lengths are unknown
    """
    return _resolved(tuple([integer(length) for length in as_tuple(shape)]), old)


@lru_cache(maxsize=4096)
def _resolved(lengths: Shape, old: Shape) -> Shape:
    size = math.prod(old)
    unknown = [position for position, length in enumerate(lengths) if length < 0]
    if len(unknown) > 1:
        raise ShapeError(
            f"can only specify one unknown dimension: reshape to {lengths} of an array with shape {old} has"
            f" {len(unknown)}; give the lengths of all axes but one"
        )
    rest = math.prod(length for length in lengths if length >= 0)
    if unknown and rest and size % rest == 0:
        lengths = (*lengths[: unknown[0]], size // rest, *lengths[unknown[0] + 1 :])
        return lengths
    if unknown or rest != size:
        raise ShapeError(_cannot_reshape(lengths, old, size))
    return lengths


def _cannot_reshape(lengths: Shape, old: Shape, size: int) -> str:
    # numpy's spelling of a shape: no spaces, the unknown length as newaxis, left out at the front.
    words = ["newaxis" if length < 0 else str(length) for length in lengths]
    shown = ",".join(words[1:] if len(words) > 1 and lengths[0] < 0 else words)
    comma = "," if len(words) == 1 else ""
    return (
        f"cannot reshape array of size {size} into shape ({shown}{comma}): its shape is {old}; the new lengths must"
        f" multiply to {size}, and at most one may be -1"
    )


def broadcast_shapes(*shapes: Shape) -> Shape:
    """Return the shape that all broadcast to.

    Raises:  ShapeError: they do not fit, with numpy's text
    """
    first = shapes[0] if shapes else ()
    if all(shape == first for shape in shapes):
        return first
    ndim = max(map(len, shapes))
    padded = [(1,) * (ndim - len(shape)) + shape for shape in shapes]
    result = []
    for lengths in zip(*padded, strict=True):
        others = {length for length in lengths if length != 1}
        if len(others) > 1:
            raise ShapeError(_cannot_broadcast(shapes))
        result.append(others.pop() if others else 1)
    return tuple(result)


def spell_shape(shape: Shape) -> str:
    """Return the shape as numpy's errors spell it: (2,3), without spaces."""
    return str(shape).replace(" ", "")


def _cannot_broadcast(shapes: Sequence[Shape]) -> str:
    listed = " ".join(map(spell_shape, shapes))
    return (
        f"operands could not be broadcast together with shapes {listed} : aligned at the last axis, lengths must be"
        " equal or 1; reshape or expand_dims one of them"
    )


def named_order(order: object, default: str) -> str:
    """Return the order in memory that was asked for: "C", "F", "A" or "K"; the default for None.

    Raises:  TypeError, ParameterError: there is no such order, with numpy's text
    """
    if order is None:
        return default
    if not isinstance(order, str):
        raise TypeError(
            f"order must be str, not {type(order).__name__}: 'C', 'F', 'A' or 'K', and {order!r:.40} was given"
        )
    name = order.upper()
    if name not in ("C", "F", "A", "K"):
        raise ParameterError(
            f"order must be one of 'C', 'F', 'A', or 'K' (got {order!r}): the last keeps elements as they lie; leave it out for"
            " the function's own"
        )
    return name


def named_dtype(dtype: object) -> Dtype:
    """Return the dtype that was asked for.

    Raises:  NoRuleError: it is a class of dtypes, of which numpy makes an instance that fits the values
    """
    if isinstance(dtype, type) and issubclass(dtype, np.dtype):
        raise NoRuleError(f"dtype: the class {dtype!r:.60}, numpy chooses an instance of it")
    if isinstance(dtype, TensorHandle):
        raise NoRuleError("dtype: a tensor is no dtype")
    return np.dtype(dtype)  # type: ignore[call-overload,no-any-return]  # np.dtype checks it


def dtype_or(dtype: object, default: Dtype) -> Dtype:
    """Return the dtype asked for, or the default for None.

    Raises:  NoRuleError: numpy uses another dtype: strings get a length, subarrays become axes
    """
    chosen = default if dtype is None else named_dtype(dtype)
    if not chosen.itemsize or chosen.subdtype is not None:
        raise NoRuleError(f"dtype: {dtype!r:.60} is not the dtype of the result")
    return chosen


def promoted(*dtypes: Any) -> Dtype:  # Any: dtypes, and numbers, which decide as numpy.result_type lets them
    """Return the common dtype; if there is none, leave the call to numpy, which may not need one (NoRuleError)."""
    try:
        return np.result_type(*dtypes)
    except TypeError as error:
        raise NoRuleError(f"dtypes: {', '.join(map(str, dtypes)):.80}: {error}") from error


def loop_of(ufunc: np.ufunc, *dtypes: Dtype | None, **options: Any) -> tuple[Dtype, ...]:  # Any: as resolve_dtypes
    """Return the dtypes of numpy's loop; if there is none, leave the call to numpy, which may not need one."""
    try:
        loop: tuple[Dtype, ...] = ufunc.resolve_dtypes(dtypes, **options)
    except TypeError as error:
        raise NoRuleError(f"{ufunc.__name__}: {', '.join(map(str, dtypes)):.80}: {error}") from error
    return loop


def check_casting(source: Dtype, target: Dtype, casting: str) -> None:
    """Raise numpy's TypeError if the casting rule forbids the conversion."""
    if casting not in ("no", "equiv", "safe", "same_kind", "unsafe"):
        raise ParameterError(
            f"casting must be one of 'no', 'equiv', 'safe', 'same_kind', or 'unsafe' (got {casting!r}); choose one of"
            " these"
        )
    if not np.can_cast(source, target, casting=casting):  # type: ignore[arg-type]  # checked above
        raise DtypeError(
            f"Cannot cast array data from {source!r} to {target!r} according to the rule {casting!r}; "
            "pass casting='unsafe' or convert with astype first"
        )


# The dtypes that arithmetic has rules for.
NUMBER_KINDS = "biufc"


def is_lazy_number(x: object) -> bool:
    """Return whether x is a tensor of numbers, so that arithmetic on it needs no values."""
    return isinstance(x, TensorHandle) and x.dtype.kind in NUMBER_KINDS


# The range that a Python int must be in, one entry per operand; None where any value will do.
Bounds: TypeAlias = tuple[tuple[int, int] | None, ...]


def integer_bounds(types: Sequence[TensorType], dtypes: Sequence[Dtype]) -> Bounds | None:
    """Return the bounds of the Python ints among operands of these types, or None if nothing has to be checked."""
    if all(value_type.weak is not int for value_type in types):
        return None
    is_comparison = dtypes[-1].kind == "b"
    bounds = tuple(
        _bounds_of(dtype, is_comparison) if value_type.weak is int else None
        for value_type, dtype in zip(types, dtypes, strict=False)
    )
    return bounds if any(bounds) else None


def _bounds_of(dtype: Dtype, is_comparison: bool) -> tuple[int, int] | None:
    if dtype.kind == "b":
        # A logical function takes the truth value of a C long.
        dtype = np.dtype(np.int64)
    elif dtype.kind not in "iu" or is_comparison:
        return None  # numpy compares integers of any size
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def check_python_ints(operands: Sequence[object], bounds: Bounds, results: Sequence[TensorType]) -> None:
    """Raise numpy's OverflowError for a Python int that does not fit the integer dtype of the computation."""
    for operand, bound in zip(operands, bounds, strict=True):
        if bound is not None and type(operand) is int and not bound[0] <= operand <= bound[1]:
            raise OverflowError(f"Python integer {operand} out of bounds for {results[0].dtype}")
