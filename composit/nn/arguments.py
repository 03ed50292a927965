"""Arguments of the functions of composit.nn in one form: floating tensors, axes, names of choices. Their errors are the user's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from composit.errors import DtypeError, ParameterError, ShapeError
from composit.handle import described
from composit.numpy.arguments.normalizing import AxesLike, TensorLike, handle_of
from composit.numpy.elementwise.casting import in_dtype
from composit.numpy.elementwise.conditional import where
from composit.numpy.reductions.arguments import axes_of
from composit.operation import Axes, Shape

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

_Choice = TypeVar("_Choice")


def floating(function: str, x: TensorLike, name: str = "x") -> LazyTensor:
    """Return x as a tensor of a floating dtype: integers and booleans become float64, floats stay as they are.

    Raises:  DtypeError: the elements are no real numbers
    """
    tensor = handle_of(x)
    if tensor.dtype.kind == "f":
        return tensor
    if tensor.dtype.kind not in "biu":
        raise DtypeError(
            f"{function}: {name} is {described(tensor)} with dtype {tensor.dtype}; expected real numbers; convert it with"
            " astype first"
        )
    return in_dtype(tensor, np.dtype(np.float64))


def integral(function: str, x: TensorLike, name: str) -> LazyTensor:
    """Return x as a tensor of integers.

    Raises:  DtypeError: the elements are no integers
    """
    tensor = handle_of(x)
    if tensor.dtype.kind not in "iu":
        raise DtypeError(
            f"{function}: {name} is {described(tensor)} with dtype {tensor.dtype}; expected integers, which are positions;"
            " convert it with astype(np.int64) first"
        )
    return tensor


def counted_from_start(index: LazyTensor, length: int) -> LazyTensor:
    """Return indices for which numpy raises where torch does: a negative one, which counts from the end in numpy, is out of bounds."""
    return index if index.dtype.kind == "u" else where(index < 0, index - length, index)


def axes_or_all(axis: AxesLike | None, ndim: int) -> Axes:
    """Return the axes counted from the front; None means all. Raises AxisError, and ShapeError for an axis given twice."""
    return axes_of(tuple(axis) if isinstance(axis, list) else axis, ndim)


def one_of(function: str, argument: str, given: object, choices: Mapping[str, _Choice]) -> _Choice:
    """Return the choice of that name.

    Raises:  ParameterError: there is none
    """
    if not isinstance(given, str) or given not in choices:
        raise ParameterError(
            f"{function}: {argument}={given!r:.60} was given; expected one of {', '.join(map(repr, choices))}; choose one of these"
        )
    return choices[given]


def check_shape(function: str, name: str, tensor: LazyTensor, expected: Shape, reason: str) -> None:
    """Raise ShapeError unless the tensor has the shape. `reason` says where the expected shape comes from."""
    if tensor.shape != expected:
        raise ShapeError(
            f"{function}: {name} has shape {tensor.shape}; expected {expected}, {reason}; reshape or transpose it first"
        )
