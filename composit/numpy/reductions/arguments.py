"""The arguments of reductions in one form: axis, keepdims, dtype; and the shape and dtype of the result."""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

from composit.errors import ShapeError
from composit.numpy.arguments.normalizing import AxesLike, loop_of, normalize_axis, whole
from composit.numpy.elementwise.functions import ElementwiseFunction
from composit.operation import Axes, Dtype, Shape, TensorType

_INTEGERS = frozenset((int,))


def are_plain(axis: AxesLike | None) -> TypeGuard[int | tuple[int, ...] | None]:
    """Return whether the axis may be the key of a cache: (0.0,) must not find the entry of the equal key (0,)."""
    if axis.__class__ is tuple:
        return _INTEGERS.issuperset(map(type, axis))
    return axis is None or axis.__class__ is int


def is_set(keepdims: Any) -> bool:
    """Return the truth of `keepdims`, a bool or an integer; other objects are left to numpy, which refuses them."""
    return bool(keepdims if keepdims.__class__ is bool else whole(keepdims))


def reduced_shape(shape: Shape, axes: Axes, keepdims: bool) -> Shape:
    """Return the shape without the axes, or with length 1 in their places."""
    if keepdims:
        return tuple(1 if axis in axes else length for axis, length in enumerate(shape))
    return tuple(length for axis, length in enumerate(shape) if axis not in axes)


def reduced_dtype(function: ElementwiseFunction, operand: TensorType, dtype: Dtype | None) -> Dtype:
    """Return the dtype of the result by numpy's own rule; for example int8 is added in int64."""
    ufunc: np.ufunc = function.ufunc
    options = {} if dtype is None else {"signature": (dtype, None, None), "casting": "unsafe"}
    return loop_of(ufunc, None, operand.dtype, None, reduction=True, **options)[-1]


def axes_of(axis: AxesLike | None, ndim: int) -> Axes:
    """Return the axes that a reduction's argument names, sorted; None means all.

    Raises:  AxisError; ShapeError: an axis is given twice
    """
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    if ndim == 0 and len(axes) == 1 and axes is not axis:
        # numpy takes axis 0 and -1 of a scalar.
        normalize_axis(axes[0], 1)
        return ()
    if len(set(normalized := tuple(normalize_axis(part, ndim) for part in axes))) != len(axes):
        raise ShapeError(f"duplicate value in 'axis': {axes} name an axis of {ndim} twice; each may be reduced once")
    return tuple(sorted(normalized))
