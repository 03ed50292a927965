"""Properties known without computing: shape, ndim, size, dtypes. May import errors, operation, arguments, calls."""

from __future__ import annotations

from typing import Any, SupportsIndex

import numpy as np

from composit.errors import NoRuleError
from composit.numpy.arguments.normalizing import AxesLike, TensorLike, handle_of, normalize_axis
from composit.numpy.calls.numpy_function import rule_for
from composit.operation import Dtype, Shape

__all__ = ["can_cast", "iscomplexobj", "isrealobj", "ndim", "promote_types", "result_type", "shape", "size"]

promote_types = np.promote_types


@rule_for(np.shape)
def shape(a: TensorLike) -> Shape:
    """Return the lengths of the axes. See np.shape."""
    return handle_of(a).shape


@rule_for(np.ndim)
def ndim(a: TensorLike) -> int:
    """Return the number of axes. See np.ndim."""
    return handle_of(a).ndim


@rule_for(np.size)
def size(a: TensorLike, axis: AxesLike | None = None) -> int:
    """Return the number of elements, or the number along some axes. See np.size."""
    tensor = handle_of(a)
    if axis is None:
        return tensor.size
    if not isinstance(axis, SupportsIndex):
        # numpy takes several axes since 2.4, and raises its own errors for none and for repeated ones.
        raise NoRuleError("size: several axes")
    return tensor.shape[normalize_axis(axis, tensor.ndim)]


def _typed(value: Any) -> Any:
    """Return what numpy's promotion takes for the value: a tensor's dtype, or the Python class of a weak scalar."""
    if not hasattr(value, "__lazy_tensor__"):
        return value
    value_type = handle_of(value).type
    return value_type.dtype if value_type.weak is None else value_type.weak(0)


@rule_for(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> Dtype:
    """Return the dtype that numpy promotes all to. See np.result_type."""
    try:
        return np.result_type(*map(_typed, arrays_and_dtypes))
    except TypeError as error:
        # numpy may be able to promote values whose dtypes it cannot promote.
        raise NoRuleError(f"result_type: {error}") from error


@rule_for(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """Return whether the rule allows the conversion. See np.can_cast."""
    return np.can_cast(_typed(from_), to, casting)


@rule_for(np.iscomplexobj)
def iscomplexobj(x: TensorLike) -> bool:
    """Return whether the dtype is complex. See np.iscomplexobj."""
    return handle_of(x).dtype.kind == "c"


@rule_for(np.isrealobj)
def isrealobj(x: TensorLike) -> bool:
    """Return whether the dtype is not complex. See np.isrealobj."""
    return not iscomplexobj(x)
