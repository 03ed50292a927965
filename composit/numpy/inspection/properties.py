"""Questions about arrays that return Python values: shape, ndim, size, dtypes, kind, equality.

Only some need the values (allclose, array_equal).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy import broadcast

from composit.errors import NoRuleError
from composit.handle import TensorHandle
from composit.numpy.arguments.normalizing import AxesLike, TensorLike, handle_of, normalize_axis
from composit.numpy.calls.declarations import rule_for, without_rule
from composit.operation import Dtype, Shape

if TYPE_CHECKING:
    from composit.numpy.tensor.lazy_tensor import LazyTensor

__all__ = [
    "allclose",
    "array_equal",
    "array_equiv",
    "broadcast",
    "can_cast",
    "common_type",
    "iscomplexobj",
    "isdtype",
    "isrealobj",
    "isscalar",
    "iterable",
    "min_scalar_type",
    "mintypecode",
    "ndim",
    "promote_types",
    "real_if_close",
    "result_type",
    "shape",
    "size",
    "typename",
]

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


allclose = without_rule(np.allclose)
array_equal = without_rule(np.array_equal)
array_equiv = without_rule(np.array_equiv)
isdtype = without_rule(np.isdtype)
min_scalar_type = without_rule(np.min_scalar_type)
mintypecode = without_rule(np.mintypecode)
typename = without_rule(np.typename)


@rule_for(np.real_if_close)
def real_if_close(a: TensorLike, tol: float = 100) -> LazyTensor:
    """Return the real parts if all imaginary parts are nearly 0; complex values are computed now. See np.real_if_close."""
    tensor = handle_of(a)
    if tensor.dtype.kind == "c" or tensor.type.weak or tensor.type.is_scalar:
        raise NoRuleError("real_if_close: the values of complex numbers decide, or a scalar")
    return tensor


@rule_for(np.common_type)
def common_type(*arrays: TensorLike) -> type[np.inexact[Any]]:
    """Return the inexact type that all arrays can be converted to. See np.common_type."""
    return np.common_type(*(np.empty(0, handle_of(array).dtype) for array in arrays))


@rule_for(np.isscalar)
def isscalar(element: Any) -> bool:
    """Return whether it is a scalar; tensors are scalars if numpy's result would be one. See np.isscalar."""
    if isinstance(element, TensorHandle):
        return element.type.is_scalar
    return np.isscalar(element)


@rule_for(np.iterable)
def iterable(y: Any) -> bool:
    """Return whether Python can loop over it. See np.iterable."""
    return y.ndim > 0 if isinstance(y, TensorHandle) else np.iterable(y)
